"""Where a crystal's atoms are on its orbits: the free parameters of every orbit of its gene."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.errors import InputError
from molgen.symmetry.gene import Gene
from molgen.symmetry.grid import CELLS
from molgen.symmetry.groups import SpaceGroup, WyckoffPosition, space_group

_TOLERANCE = 1e-3
"""Of fractional coordinates, which spglib has made symmetric."""


def parameters_of(found: Any, gene: Gene) -> NDArray[np.float64]:
    """Free parameters of each orbit of a gene in the crystal that it was found in, in [0, 1).

    Args:
        found: The crystal's symmetry, :func:`molgen.chemistry.unit_cell.symmetry`.
        gene: Its gene, :func:`molgen.chemistry.genes.gene_of_symmetry`.

    Returns:
        u of every orbit, shape ``(orbits, 3)``, zero where a position has no such parameter: the representative point
        of the orbit is ``matrix @ u + vector`` of its position, in the conventional cell.

    Raises:
        InputError: Some orbit is not where the symmetry says.
    """
    points, numbers = np.asarray(found.std_positions, np.float64), np.asarray(found.std_types)
    for shift in _origins(int(found.hall_number)):
        made = _attempt(gene, np.mod(points + shift, 1.0), numbers)
        if made is not None:
            return made
    raise InputError(f"broken orbit: atoms are not on the positions of space group {gene.number} that they belong to")


@cache
def _origins(hall: int) -> tuple[NDArray[np.float64], ...]:
    """Shifts by which coordinates of spglib's setting become ones of our tables, which take the second origin choice.

    Others than the first call some positions by each other's letters: only one of them fits a gene.
    """
    import spglib

    own, kind = spglib.get_symmetry_from_database(hall), spglib.get_spacegroup_type(hall)
    assert own is not None
    assert kind is not None
    group = space_group(kind.number)
    shifts = np.array(list(product(range(8), repeat=3))) / 8
    fits = np.ones(len(shifts), bool)
    for rotation, translation in zip(group.rotations, group.translations, strict=True):
        theirs = own["translations"][(own["rotations"] == rotation).all((1, 2))]
        away = translation + shifts @ rotation.T - shifts - theirs[:, None]  # of every one of theirs
        fits &= (np.abs(away - np.rint(away)).max(-1) < 1e-4).any(0)
    return tuple(sorted(shifts[fits], key=lambda shift: float(np.abs(shift - np.rint(shift)).sum())))


def _attempt(gene: Gene, points: NDArray[np.float64], numbers: NDArray[np.int32]) -> NDArray[np.float64] | None:
    """Free parameters of the orbits; None where some orbit is not among the points."""
    free, made = np.ones(len(points), bool), np.zeros((len(gene), 3))
    # Special positions first: the points of general ones can lie anywhere.
    for orbit in sorted(range(len(gene)), key=lambda k: gene.group.positions[gene.orbits[k][1]].freedom):
        z, place = gene.orbits[orbit]
        position = gene.group.positions[place]
        for atom in np.flatnonzero(free & (numbers == z)):
            parameters = _solved(position, points[atom])
            members = None if parameters is None else _members(gene.group, position, parameters, points, free)
            if members is not None and (numbers[members] == z).all():
                made[orbit], free[members] = parameters, False
                break
        else:
            return None
    return made


def _solved(position: WyckoffPosition, point: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """u with ``matrix @ u + vector = point`` up to whole cells; None where there is none."""
    inverse = np.linalg.pinv(position.matrix)
    away = point - position.vector + CELLS  # any of them may lie between the atom and the representative
    parameters = away @ inverse.T
    error = np.abs(parameters @ position.matrix.T - away).max(1)
    fits = np.flatnonzero(error < _TOLERANCE)
    if not len(fits):
        return None
    inside: NDArray[np.float64] = np.mod(parameters[fits[0]] + 1e-9, 1.0)
    return np.where(position.matrix.any(axis=0), inside, 0.0)


def _members(
    group: SpaceGroup,
    position: WyckoffPosition,
    parameters: NDArray[np.float64],
    points: NDArray[np.float64],
    free: NDArray[np.bool_],
) -> NDArray[np.int64] | None:
    """Which points are those of the orbit, each once; None where one of them is missing or taken."""
    first = position.matrix @ parameters + position.vector
    images = (group.rotations @ first + group.translations)[:, None] + group.centrings
    apart = images.reshape(-1, 1, 3) - points
    distance = np.abs(apart - np.rint(apart)).max(-1)
    nearest = distance.argmin(1)
    members = np.unique(nearest)
    exact = (distance[np.arange(len(nearest)), nearest] < 2 * _TOLERANCE).all()
    return members if exact and len(members) == position.multiplicity and free[members].all() else None
