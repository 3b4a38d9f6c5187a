"""Niggli reduction without libraries, for code that may have numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from molgen.errors import InputError

TOLERANCE = 1e-5
"""Of comparisons, as a part of the cube root of the volume; as :func:`molgen.chemistry.unit_cell.canonical_cell`."""
_MOST_ROUNDS = 1000
_SWAP_AB = np.array([[0, -1, 0], [-1, 0, 0], [0, 0, -1]])
_SWAP_BC = np.array([[-1, 0, 0], [0, 0, -1], [0, -1, 0]])


def niggli_change(lattice: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers C, determinant 1, for which C @ lattice is the Niggli cell, shape ``(3, 3)``.

    Krivy and Gruber, Acta Cryst. A32, 297 (1976), with the tolerances of Grosse-Kunstleve et al., Acta Cryst. A60, 1
    (2004).

    Args:
        lattice: Rows in angstrom, shape ``(3, 3)``.

    Raises:
        InputError: The cell has no volume, or is too skewed for double precision; "kind: detail".
    """
    change = np.eye(3, dtype=np.int64)
    volume = abs(float(np.linalg.det(lattice)))
    if not volume > 1e-9 * float(np.linalg.norm(lattice, axis=1).prod()):
        raise InputError("zero volume: the cell vectors lie in a plane")
    tolerance = TOLERANCE * volume ** (2 / 3)
    for _ in range(_MOST_ROUNDS):
        for step in (_order, _signs, _shorten):
            metric = (change @ lattice) @ (change @ lattice).T
            doubled = 2.0 * metric
            sides, angles = np.diag(metric), np.array([doubled[1, 2], doubled[0, 2], doubled[0, 1]])
            move = step(sides, angles, tolerance)
            if move is not None:
                change = move @ change
                if step is not _signs:
                    break
        else:
            return change
    raise InputError("no Niggli cell: the lattice is too skewed to reduce in double precision")


def _order(sides: NDArray[np.float64], angles: NDArray[np.float64], tolerance: float) -> NDArray[np.int64] | None:
    """Steps 1 and 2: a <= b <= c, and among equal ones the nearer to a right angle first."""
    (a, b, c), (xi, eta, zeta) = sides, np.abs(angles)
    if a > b + tolerance or (abs(a - b) <= tolerance and xi > eta + tolerance):
        return _SWAP_AB
    if b > c + tolerance or (abs(b - c) <= tolerance and eta > zeta + tolerance):
        return _SWAP_BC
    return None


def _signs(sides: NDArray[np.float64], angles: NDArray[np.float64], tolerance: float) -> NDArray[np.int64] | None:
    """Steps 3 and 4: the angles are all acute, or none is."""
    sign = np.where(np.abs(angles) <= tolerance, 0, np.sign(angles)).astype(np.int64)
    if sign.prod() > 0:
        flips = sign
    else:
        flips = np.where(sign > 0, -1, 1)
        if flips.prod() < 0:  # then an angle is right, and its axis is free
            flips[np.flatnonzero(sign == 0)[-1]] = -1
    return None if (flips == 1).all() else np.diag(flips)


def _shorten(sides: NDArray[np.float64], angles: NDArray[np.float64], tolerance: float) -> NDArray[np.int64] | None:
    """Steps 5 to 8: one vector less or plus others, where that is shorter, or as short and of the standard shape."""
    a, b, _ = sides
    xi, eta, zeta = angles

    def equal(x: float, y: float) -> bool:
        return abs(x - y) <= tolerance

    move = np.eye(3, dtype=np.int64)
    steps = ((2, 1, xi, b, eta, zeta), (2, 0, eta, a, xi, zeta), (1, 0, zeta, a, xi, eta))
    for row, other, angle, side, first, second in steps:
        acute = equal(angle, side) and 2 * first < second - tolerance
        if abs(angle) > side + tolerance or acute or (equal(angle, -side) and second < -tolerance):
            move[row, other] = -np.sign(angle)
            return move
    total = xi + eta + zeta + a + b
    if total < -tolerance or (equal(total, 0) and 2 * (a + eta) + zeta > tolerance):
        move[2] = 1
        return move
    return None
