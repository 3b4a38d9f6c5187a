"""Whitespace-separated rows of an element and three coordinates, as in every flavour of XYZ."""

from __future__ import annotations

import numpy as np

from molgen.elements import SYMBOLS
from molgen.io.records import RecordError, check_finite, element


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
    numbers = []
    coordinates = []
    for at, row in enumerate(rows, line):
        if len(row) < max(position + 3, species + 1):
            raise RecordError("truncated record", f"line {at}: {len(row)} fields where an element and x y z are needed")
        symbol = row[species]
        if symbol.isdecimal() and 1 <= int(symbol) < len(SYMBOLS):
            numbers.append(int(symbol))
        else:
            numbers.append(element(symbol, at))
        try:
            coordinates.append([float(word) for word in row[position : position + 3]])
        except ValueError as error:
            raise RecordError("coordinates are not numbers", f"line {at}: {error}") from error
    positions = np.array(coordinates, dtype=np.float64).reshape(-1, 3)
    check_finite(positions, line)
    return np.array(numbers, dtype=np.int64), positions
