"""Bond lengths, bond angles and torsions of one structure with their types."""

from __future__ import annotations

from itertools import combinations, product
from math import radians, sin

import numpy as np
from numpy.typing import NDArray

from molgen.scoring.distributions.metrics import Cells, bond_types
from molgen.structure import Structure

MOST_NEIGHBOURS = 8
"""An atom with more bonds is a collapsed structure, not chemistry; it gives no angles and no torsions.

Five hundred atoms on one spot would have 10^10 torsions.
"""
STRAIGHT = 5.0
"""A torsion is undefined where three of its atoms lie within this many degrees of a line."""

Typed = tuple[Cells, NDArray[np.float64]]
"""Type codes, shape ``(k,)``, and values, shape ``(k,)``."""


def bond_lengths(structure: Structure) -> Typed:
    """Types and lengths in angstrom of all bonds of a structure that has bonds."""
    i, j, order = _bonds(structure).T
    positions = structure.positions
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = _norm(positions[i] - positions[j])
    return bond_types(structure.numbers[i], structure.numbers[j], order), lengths


def bond_angles(structure: Structure) -> Typed:
    """Central elements and angles in degrees, 0 to 180, between every two bonds of an atom; NaN for a zero length."""
    chains = [
        (a, centre, b)
        for centre, near in enumerate(_neighbours(structure))
        for a, b in combinations(near, 2)
        if len(near) <= MOST_NEIGHBOURS
    ]
    a, centre, b = np.array(chains, np.int64).reshape(-1, 3).T
    positions = structure.positions
    with np.errstate(over="ignore", invalid="ignore"):
        u, v = positions[a] - positions[centre], positions[b] - positions[centre]
        angles = _angle(u, v)
        angles[(_norm(u) == 0) | (_norm(v) == 0)] = np.nan
    return structure.numbers[centre], angles


def torsions(structure: Structure) -> Typed:
    """Types of the central bond and absolute torsion angles in degrees, 0 to 180, over heavy atoms.

    The absolute value makes mirror images equal. It also settles the question of periodicity: the circle with x and -x
    identified is the interval from 0 to 180 with its ordinary distance. A chain with an undefined torsion gives NaN.
    """
    numbers, positions = structure.numbers, structure.positions
    neighbours = _neighbours(structure)
    is_heavy = (numbers > 1).tolist()
    chains = []
    for b, c, order in _bonds(structure).tolist():
        if is_heavy[b] and is_heavy[c] and max(len(neighbours[b]), len(neighbours[c])) <= MOST_NEIGHBOURS:
            before = [a for a in neighbours[b] if a != c and is_heavy[a]]
            behind = [d for d in neighbours[c] if d != b and is_heavy[d]]
            chains += [(a, b, c, d, order) for a, d in product(before, behind) if a != d]
    a, b, c, d, order = np.array(chains, np.int64).reshape(-1, 5).T
    with np.errstate(over="ignore", invalid="ignore"):
        first, middle, last = positions[b] - positions[a], positions[c] - positions[b], positions[d] - positions[c]
        left, right = _cross(first, middle), _cross(middle, last)
        angles = _angle(left, right)
        shortest = sin(radians(STRAIGHT)) * _norm(middle)
        angles[(_norm(left) <= shortest * _norm(first)) | (_norm(right) <= shortest * _norm(last))] = np.nan
    return bond_types(numbers[b], numbers[c], order), angles


def _bonds(structure: Structure) -> NDArray[np.int64]:
    assert structure.bonds is not None
    return structure.bonds


def _neighbours(structure: Structure) -> list[list[int]]:
    neighbours: list[list[int]] = [[] for _ in range(len(structure))]
    for i, j, _ in _bonds(structure).tolist():
        neighbours[i].append(j)
        neighbours[j].append(i)
    return neighbours


def _angle(u: NDArray, v: NDArray) -> NDArray[np.float64]:
    """Angle between vectors of shape ``(k, 3)`` in degrees; accurate near 0 and 180 too."""
    angles: NDArray[np.float64] = np.degrees(np.arctan2(_norm(_cross(u, v)), (u * v).sum(axis=1)))
    return angles


def _norm(vectors: NDArray) -> NDArray[np.float64]:
    norms: NDArray[np.float64] = np.sqrt((vectors * vectors).sum(axis=1))
    return norms


def _cross(u: NDArray, v: NDArray) -> NDArray[np.float64]:
    """Cross product over the last axis; several times faster than numpy's on a few dozen vectors."""
    (ux, uy, uz), (vx, vy, vz) = u.T, v.T
    return np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx], axis=1)
