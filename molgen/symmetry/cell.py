"""Conventional cells that a space group allows: what a gene states, made symmetric, or else a plausible one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from molgen.elements import COVALENT_RADII, UNKNOWN_RADIUS
from molgen.errors import InputError
from molgen.symmetry.gene import CELL, Gene
from molgen.symmetry.groups import SpaceGroup

PACKING = 6.9
"""Volume of a cell over the sum of its atoms' cubed covalent radii; the geometric mean of MP-20's training part."""


def conventional_cell(gene: Gene) -> NDArray[np.float64]:
    """The cell that the gene's properties ``a`` to ``gamma`` state, or else :func:`plausible_cell`.

    A cell that the space group does not allow becomes the nearest one that it does, see :func:`allowed`.

    Returns:
        Vectors as rows in angstrom, right-handed, shape ``(3, 3)``.

    Raises:
        InputError: Only some of the six are stated, or they are those of no cell; "kind: detail".
    """
    if not states_cell(gene):
        return plausible_cell(gene)
    try:
        numbers = np.array([float(gene.properties[key]) for key in CELL])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"malformed cell: {', '.join(CELL)} are six numbers, and some are missing or none") from error
    if not np.isfinite(numbers).all() or (numbers <= 0).any() or (numbers[3:] >= 180).any():
        raise InputError("malformed cell: lengths are positive, and angles between 0 and 180 degrees")
    cosines = np.sin(np.radians(90.0 - numbers[3:]))  # exactly 0 at 90 degrees
    unit = np.eye(3)
    unit[[1, 0, 0], [2, 2, 1]] = unit[[2, 2, 1], [1, 0, 0]] = cosines
    if np.linalg.eigvalsh(unit)[0] < 1e-6:
        raise InputError("malformed cell: no three vectors have these angles, or they lie in a plane")
    return allowed(gene.group, unit * np.outer(numbers[:3], numbers[:3]))


def states_cell(gene: Gene) -> bool:
    """Whether the gene's properties state a cell, or a part of one."""
    return any(gene.properties.get(key) is not None for key in CELL)


def plausible_cell(gene: Gene) -> NDArray[np.float64]:
    """As near to a cube as the space group allows, with a volume in proportion to the cubed covalent radii.

    For hexagonal and rhombohedral axes c/a is then 0.87. Shape and orientation as :func:`conventional_cell`.
    """
    cubes = sum(COVALENT_RADII.get(z, UNKNOWN_RADIUS) ** 3 for z in gene.numbers)
    return allowed(gene.group, np.eye(3) * (PACKING * cubes * len(gene.group.centrings)) ** (2 / 3))


def allowed(group: SpaceGroup, metric: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cell of a metric tensor, averaged over the point group and of the same volume.

    Args:
        group: The space group.
        metric: Products of the conventional cell's vectors, shape ``(3, 3)``, positive definite.

    Returns:
        Rows in angstrom, the first along x, the second in the plane of x and y, shape ``(3, 3)``.
    """
    averaged = np.einsum("gki,kl,glj->ij", group.rotations, metric, group.rotations) / len(group.rotations)
    averaged *= math.cbrt(np.linalg.det(metric) / np.linalg.det(averaged))
    cell: NDArray[np.float64] = np.linalg.cholesky(averaged)
    return cell


def lengths_angles(lattice: NDArray[np.float64]) -> dict[str, float]:
    """Lengths (angstrom) and angles (degree) of a cell, by the names in ``CELL``.

    Args:
        lattice: Vectors as rows, shape ``(3, 3)``.
    """
    lengths = np.linalg.norm(lattice, axis=1)
    cosines = [lattice[i] @ lattice[j] / (lengths[i] * lengths[j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    angles = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    return dict(zip(CELL, [round(value, 6) for value in [*lengths.tolist(), *angles.tolist()]], strict=True))
