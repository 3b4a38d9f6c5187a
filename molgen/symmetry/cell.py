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

SHAPES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "monoclinic P": ((0.67, 1.30, 102.0), (1.04, 1.73, 124.0), (1.42, 1.03, 97.0)),
    "monoclinic C": ((0.96, 0.93, 108.0), (0.33, 0.67, 105.0), (0.38, 0.72, 121.0), (0.93, 0.56, 107.0)),
    "orthorhombic P": ((0.89, 1.07, 90.0),),
    "orthorhombic A": ((0.99, 3.65, 90.0), (0.64, 1.05, 90.0), (1.01, 3.66, 90.0), (1.31, 1.74, 90.0)),
    "orthorhombic C": ((2.81, 2.55, 90.0), (3.71, 1.15, 90.0), (3.02, 0.96, 90.0), (1.22, 1.16, 90.0)),
    "orthorhombic F": ((1.40, 1.66, 90.0), (2.06, 2.90, 90.0)),
    "orthorhombic I": ((1.44, 1.69, 90.0), (1.41, 3.00, 90.0), (1.01, 1.15, 90.0)),
    "tetragonal P": ((1.0, 2.00, 90.0), (1.0, 0.57, 90.0)),
    "tetragonal I": ((1.0, 2.37, 90.0), (1.0, 0.57, 90.0), (1.0, 0.89, 90.0), (1.0, 1.10, 90.0)),
    "trigonal P": ((1.0, 1.76, 90.0), (1.0, 0.80, 90.0)),
    "trigonal R": ((1.0, 4.90, 90.0), (1.0, 1.46, 90.0), (1.0, 0.43, 90.0)),
    "hexagonal P": ((1.0, 0.71, 90.0), (1.0, 1.70, 90.0)),
}
"""b/a, c/a and beta of conventional cells: medians of MP-20's training part among the crystals whose Niggli cells have
the same primitive vectors, the commonest first, at most four. Others begin as near to a cube as they may."""
_LAST = {2: "triclinic", 15: "monoclinic", 74: "orthorhombic", 142: "tetragonal", 167: "trigonal", 194: "hexagonal",
         230: "cubic"}  # fmt: skip
"""Last space group of each crystal system."""


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


def plausible_cell(gene: Gene, rank: int = 0) -> NDArray[np.float64]:
    """A cell of a usual shape for the crystal system and the centring, its volume by the cubed covalent radii.

    Args:
        gene: The gene.
        rank: Which of the ``SHAPES``, counted from the commonest, and over again beyond the last.

    Returns:
        As :func:`conventional_cell`.
    """
    group = gene.group
    cubes = sum(COVALENT_RADII.get(z, UNKNOWN_RADIUS) ** 3 for z in gene.numbers)
    volume = PACKING * cubes * len(group.centrings)
    system = next(name for last, name in _LAST.items() if group.number <= last)
    shapes = SHAPES.get(f"{system} {group.symbol[0]}", ((1.0, 1.0, 90.0),))
    b, c, beta = shapes[rank % len(shapes)]
    metric = np.diag([1.0, b**2, c**2])
    metric[0, 2] = metric[2, 0] = c * np.sin(np.radians(90.0 - beta))
    if system in ("trigonal", "hexagonal"):
        metric[0, 1] = metric[1, 0] = -0.5
    return allowed(group, metric * (volume**2 / np.linalg.det(metric)) ** (1 / 3))


def allowed(group: SpaceGroup, metric: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cell of a metric tensor, averaged over the point group and of the same volume.

    Args:
        group: The space group.
        metric: Products of the conventional cell's vectors, shape ``(3, 3)``, positive definite.

    Returns:
        Rows in angstrom, the first along x, the second in the plane of x and y, shape ``(3, 3)``.
    """
    averaged = (group.metric_average @ metric.ravel()).reshape(3, 3)
    averaged = averaged * math.cbrt(np.linalg.det(metric) / np.linalg.det(averaged))
    return np.linalg.cholesky(averaged).astype(np.float64)


def lengths_angles(lattice: NDArray[np.float64]) -> dict[str, float]:
    """Lengths (angstrom) and angles (degree) of a cell, by the names in ``CELL``.

    Args:
        lattice: Vectors as rows, shape ``(3, 3)``.
    """
    lengths = np.linalg.norm(lattice, axis=1)
    cosines = [lattice[i] @ lattice[j] / (lengths[i] * lengths[j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    angles = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    return dict(zip(CELL, [round(value, 6) for value in [*lengths.tolist(), *angles.tolist()]], strict=True))
