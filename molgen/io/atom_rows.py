"""Whitespace-separated rows of an element and three coordinates, as in every flavour of XYZ."""

from __future__ import annotations

import numpy as np

from molgen.elements import SYMBOLS
from molgen.io.records import RecordError, element, parse_coordinates


def parse_atom_rows(
    rows: list[list[str]], line: int, *, species: int = 0, position: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (N,) and positions (N, 3) from split rows, the first of them at ``line``.

    Args:
        rows: The words of each atom's line.
        line: Line number of the first row, for messages.
        species: Column of the symbol, or of the atomic number.
        position: Column of the x coordinate.

    Raises:
        RecordError: A row is too short, or holds an unknown element or something that is not a finite number.
    """
    needed = max(position + 3, species + 1)
    numbers = []
    for at, row in enumerate(rows, line):
        if len(row) < needed:
            raise RecordError("truncated record", f"line {at}: {len(row)} fields where an element and x y z are needed")
        numbers.append(parse_element(row[species], at))
    positions = parse_coordinates([row[position : position + 3] for row in rows], line)
    return np.array(numbers, dtype=np.int64), positions


def parse_element(word: str, line: int) -> int:
    """Atomic number of a symbol or of an atomic number as text; raises RecordError naming the line."""
    if word.isdecimal() and len(word) <= 3 and 1 <= int(word) < len(SYMBOLS):
        return int(word)
    return element(word, line)
