"""Pairing noise with crystals orbit by orbit: of all ways to describe a drawn orbit, the one nearest to the crystal's.

The points of an orbit are many, and any of them that has the form of the representative may be called the first; orbits
of the same element on the same position may change places. As for atoms (``molgen.geometry.transport``), paths become
shorter and cross less, and what a network can know of the way to the crystal becomes more.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment  # type: ignore[attr-defined]

from molgen.symmetry.grid import CELLS, GRID, on_grid
from molgen.symmetry.groups import space_group


@cache
def equivalents(number: int, place: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Affine maps u -> A u + b of the free parameters of a Wyckoff position that leave every orbit what it is.

    Args:
        number: Of the space group.
        place: Index of the position.

    Returns:
        A, shape ``(K, 3, 3)``, and b in [0, 1), shape ``(K, 3)``; the first is the identity.
    """
    group = space_group(number)
    position = group.positions[place]
    matrix, inverse = position.matrix.astype(np.float64), np.linalg.pinv(position.matrix)
    used = position.matrix.any(axis=0)
    found: dict[tuple[int, ...], tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    for rotation, translation in zip(group.rotations, group.translations, strict=True):
        turn = inverse @ rotation @ matrix
        if np.abs(matrix @ turn - rotation @ matrix).max() > 1e-6:
            continue
        for centring in group.centrings:
            moved = rotation @ position.vector + translation + centring - position.vector
            cells = CELLS if position.freedom < 3 else CELLS[:1]  # all are alike where everything is free
            shifts = (moved + cells) @ inverse.T
            exact = np.abs(shifts @ matrix.T - (moved + cells)).max(1) < 1e-6
            for shift in shifts[exact]:
                inside = np.where(used, on_grid(shift), 0.0)
                turned = np.rint(turn)
                key = (*turned.astype(int).ravel().tolist(), *np.rint(inside * GRID).astype(int).tolist())
                found.setdefault(key, (turned, inside))
    eye = np.diag(used.astype(np.float64))
    listed = sorted(found.values(), key=lambda map_: bool(np.abs(map_[0] - eye).any() or map_[1].any()))
    return np.stack([turn for turn, _ in listed]), np.stack([shift for _, shift in listed])


def nearest_ways(
    number: int,
    orbits: list[tuple[int, int]],
    there: NDArray[np.float64],
    drawn: NDArray[np.float64],
    vectors: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Changes of free parameters that lead from a crystal to an orbit-wise permutation of drawn ones.

    Args:
        number: Of the space group.
        orbits: Element and position of each orbit.
        there: Parameters of the crystal, shape ``(orbits, 3)``.
        drawn: Parameters, uniform in [0, 1), same shape; they stay uniform.
        vectors: For each orbit in angstrom how its first atom moves with each parameter, as rows, shape
            ``(orbits, 3, 3)``.

    Returns:
        Shape ``(orbits, 3)``, each within half a period, zero where a position has no such parameter.
    """
    ways = np.zeros_like(there)
    for kind in dict.fromkeys(orbits):
        rows = [row for row, orbit in enumerate(orbits) if orbit == kind]
        matrix = space_group(number).positions[kind[1]].matrix
        if not matrix.any():
            continue
        turns, shifts = equivalents(number, kind[1])
        images = np.einsum("kij,nj->nki", turns, drawn[rows]) + shifts
        away = images[:, :, None] - there[rows]
        away = (away - np.rint(away)) * matrix.any(axis=0)
        costs = np.square(away @ vectors[rows[0]]).sum(-1)
        best = costs.argmin(1)  # of each drawn orbit for each of the crystal's
        order, to = linear_sum_assignment(np.take_along_axis(costs, best[:, None], 1)[:, 0])
        ways[np.array(rows)[to]] = away[order, best[order, to], to]
    return ways
