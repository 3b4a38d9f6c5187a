"""One cell for one crystal: Niggli-reduced, right-handed, in one orientation, atoms inside; its space group."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.errors import InputError
from molgen.structure import Structure

TOLERANCE = 0.1
"""Largest shift of an atom that counts as symmetric, in angstrom, where no other is asked for (Materials Project)."""
TIGHT = 0.01
"""Tolerance in angstrom, spglib's and pymatgen's default for refined structures."""
NIGGLI_TOLERANCE = 1e-5
"""Of comparisons in the reduction, as a part of the cube root of the volume (spglib's default)."""


def canonical_cell(structure: Structure) -> Structure:
    """The same crystal in its Niggli cell: right-handed, z along c, y normal to a and c, fractionals in [0, 1).

    The cell keeps its volume: a supercell is not made primitive. Where the lattice is left-handed, two axes change
    places; the crystal is not mirrored. The order of the atoms is kept. Krivy and Gruber, Acta Cryst. A32, 297 (1976).

    Args:
        structure: A crystal; its lattice is one of finite numbers and not flat.

    Returns:
        The structure with lattice and positions changed by a change of axes, a rotation and whole cells.

    Raises:
        InputError: It has no lattice, or one that is not finite, flat, or cannot be reduced; "kind: detail".
    """
    lattice = _right_handed(structure.lattice)
    fractional = structure.positions @ np.linalg.inv(lattice)
    change = _niggli_change(lattice)
    lattice, fractional = _upright(change @ lattice), fractional @ np.linalg.inv(change)
    return structure.replace(lattice=lattice, positions=wrapped(fractional) @ lattice)


def right_handed(structure: Structure) -> Structure:
    """The same crystal with a right-handed lattice: two axes of a left-handed one change places, no atom moves.

    Raises:
        InputError: It has no lattice, or one that is not finite or flat; "kind: detail".
    """
    return structure.replace(lattice=_right_handed(structure.lattice))


def wrapped(fractional: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fractional coordinates moved by whole cells into [0, 1), any shape."""
    inside = fractional - np.floor(fractional)
    return np.where(inside >= 1.0, 0.0, inside)  # -1e-17 rounds up to 1


def space_group(structure: Structure, tolerance: float = TOLERANCE) -> int | None:
    """Number of the space group, 1 to 230, found by spglib; None where it finds none.

    Args:
        structure: A crystal.
        tolerance: Largest shift of an atom that counts as symmetric, in angstrom.
    """
    found = symmetry(structure, tolerance)
    return None if found is None else int(found.number)


def symmetry(structure: Structure, tolerance: float = TOLERANCE) -> Any:
    """spglib's data set of a crystal (``number``, ``rotations``, ``translations``), None where it finds no symmetry.

    Args:
        structure: A crystal.
        tolerance: Largest shift of an atom that counts as symmetric, in angstrom.
    """
    os.environ.setdefault("SPGLIB_WARNING", "OFF")  # it tells stderr of every tolerance that it tries
    import spglib

    if structure.lattice is None:
        return None
    try:
        fractional = structure.positions @ np.linalg.inv(structure.lattice)
        cell: Any = (structure.lattice, fractional, structure.numbers)
        return spglib.get_symmetry_dataset(cell, symprec=tolerance)
    except Exception:  # it raises or returns None, as its settings and versions have it
        return None


def _checked(lattice: NDArray[np.float64] | None) -> NDArray[np.float64]:
    if lattice is None:
        raise InputError("no lattice: the structure is not periodic")
    if not np.isfinite(lattice).all():
        raise InputError("malformed lattice: a number is not finite")
    lengths = np.linalg.norm(lattice, axis=1)
    if not lengths.all() or abs(np.linalg.det(lattice)) < 1e-9 * lengths.prod():
        raise InputError("zero volume: the cell vectors lie in a plane")
    return lattice


def _right_handed(lattice: NDArray[np.float64] | None) -> NDArray[np.float64]:
    lattice = _checked(lattice)
    return lattice[[1, 0, 2]] if np.linalg.det(lattice) < 0 else lattice


def _niggli_change(lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whole numbers by which the lattice is multiplied from the left, determinant 1, shape ``(3, 3)``."""
    import spglib

    try:
        reduced = spglib.niggli_reduce(lattice, eps=NIGGLI_TOLERANCE)
    except Exception:
        reduced = None
    if reduced is None:
        raise InputError("no Niggli cell: spglib cannot reduce the lattice")
    change = np.asarray(reduced @ np.linalg.inv(lattice))
    whole = np.round(change)
    if np.abs(change - whole).max() > 1e-2 or round(abs(float(np.linalg.det(whole)))) != 1:
        raise InputError("no Niggli cell: the lattice is too skewed to reduce in double precision")
    return whole if np.linalg.det(whole) > 0 else whole[[1, 0, 2]]


def _upright(lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """The right-handed lattice rotated so that c lies along z and a in the plane of x and z."""
    c = lattice[2] / np.linalg.norm(lattice[2])
    x = lattice[0] - (lattice[0] @ c) * c
    x /= np.linalg.norm(x)
    upright: NDArray[np.float64] = lattice @ np.stack([x, np.cross(c, x), c], axis=1)
    upright[0, 1] = upright[2, 0] = upright[2, 1] = 0.0
    return upright
