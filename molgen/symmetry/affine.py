"""Affine maps of fractional coordinates in the notation of the International Tables, such as ``-x+1/2,y,x-y``."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_TERM = re.compile(r"([+-]?)(\d*)([xyz])|([+-]?\d+(?:/\d+)?)")


def parse_affine(text: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """``"-x+1/2,y,0"`` -> the matrix and the vector of x' = W x + w.

    Args:
        text: Three parts, parted by commas.

    Returns:
        Shapes ``(3, 3)`` and ``(3,)``.

    Raises:
        ValueError: It is something else.
    """
    parts = text.split(",")
    matrix, vector = np.zeros((3, 3), np.int64), np.zeros(3)
    for row, part in enumerate(parts):
        if len(parts) != 3 or "".join(match[0] for match in _TERM.finditer(part)) != part or not part:
            raise ValueError(f"{text!r} is not a map such as -x+1/2,y,0")
        for sign, factor, axis, number in _TERM.findall(part):
            if axis:
                matrix[row, "xyz".index(axis)] += int(f"{sign}{factor or 1}")
            else:
                vector[row] += float(Fraction(number))
    return matrix, vector
