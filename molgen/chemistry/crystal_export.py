"""Crystals as they are handed out: one cell, labels of formula and space group, and on request exactly symmetric."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.chemistry.periodic_distances import CellDistances
from molgen.chemistry.unit_cell import TOLERANCE, canonical_cell, symmetry
from molgen.elements import SYMBOLS
from molgen.errors import InputError
from molgen.io.crystal import SYMMETRISED
from molgen.structure import Structure

ONE_SITE = 0.01
"""Distance in angstrom below which two atoms are one site to readers of CIFs."""
_EXACT = 1e-3
"""Tolerance at which a symmetrised crystal must have all operations that were found."""


def exported(structure: Structure, tolerance: float | None = None, *, sites: bool = False) -> Structure:
    """The crystal in its Niggli cell, right-handed, with properties ``formula`` (reduced), ``space_group`` (its symbol,
    or ``not found``), ``space_group_number`` and ``symprec``, the tolerance in angstrom at which it was found.

    Args:
        structure: A crystal.
        tolerance: Also make it exactly symmetric, if this is given, in the space group found at this tolerance in
            angstrom; property ``symmetrised`` then says so. Without symmetry it stays as it is, without that property.
        sites: Whether it is for a CIF, whose readers take atoms in one place for one site.

    Raises:
        InputError: No lattice, or one that is not finite, flat, or cannot be reduced, or two atoms in one place with
            ``sites``; "kind: detail".
    """
    reduced = canonical_cell(structure)
    if sites and (nearest := CellDistances(reduced).nearest_pair) < ONE_SITE:
        raise InputError(f"atoms in one place: {nearest:.4f} angstrom apart, which a CIF cannot hold")
    found = symmetry(reduced, tolerance or TOLERANCE)
    labels: dict[str, Any] = {"formula": reduced_formula(structure.numbers.tolist())}
    labels |= {"space_group": "not found"} if found is None else _named(found)
    labels["symprec"] = tolerance or TOLERANCE
    if tolerance is not None and found is not None:
        symmetric = canonical_cell(project_on_group(reduced, found.rotations, found.translations))
        again = symmetry(symmetric, _EXACT)
        # Where atoms are nearer than the tolerance the operations found may not hold together.
        if again is not None and len(again.rotations) >= len(found.rotations):
            reduced, labels = symmetric, {**labels, **_named(again), SYMMETRISED: tolerance}
    kept = {key: value for key, value in structure.properties.items() if key != SYMMETRISED}
    return reduced.replace(properties={**kept, **labels})


def project_on_group(
    structure: Structure, rotations: NDArray[np.integer], translations: NDArray[np.float64]
) -> Structure:
    """The crystal nearest to one that a space group maps to itself: cell and atoms averaged over the operations.

    The metric tensor is averaged as R^T G R, an atom over the images of all atoms that fall on it (Grosse-Kunstleve and
    Adams, Acta Cryst. A58, 60 (2002), on projections by averaging over the group).

    Args:
        structure: A crystal; atoms keep their order.
        rotations: In fractional coordinates, f' = R f + t, shape ``(G, 3, 3)``.
        translations: Shape ``(G, 3)``.

    Returns:
        The crystal with its first cell vector along x and the second in the plane of x and y.
    """
    assert structure.lattice is not None
    lattice, numbers = structure.lattice, structure.numbers
    fractional = structure.positions @ np.linalg.inv(lattice)
    rotations = np.asarray(rotations, np.float64)
    metric = np.einsum("gki,kl,glj->ij", rotations, lattice @ lattice.T, rotations) / len(rotations)
    total = np.zeros_like(fractional)
    for rotation, translation in zip(rotations, translations, strict=True):
        images = fractional @ rotation.T + translation
        shift = images[:, None] - fractional
        shift -= np.round(shift)
        distance = np.square(shift @ lattice).sum(-1)
        distance[numbers[:, None] != numbers] = np.inf
        onto = distance.argmin(1)
        total[onto] += fractional[onto] + shift[np.arange(len(numbers)), onto]
    averaged = total / len(rotations)
    cell = np.linalg.cholesky(metric)
    return structure.replace(lattice=cell, positions=averaged @ cell)


def reduced_formula(numbers: list[int]) -> str:
    """``[3, 3, 26, 26, ...] -> "LiFePO4"``, as pymatgen writes it."""
    from pymatgen.core.composition import Composition

    counts = Counter(SYMBOLS[z] for z in numbers)
    return str(Composition(dict(counts)).reduced_formula)


def check_tolerance(tolerance: float) -> float:
    """The tolerance itself; InputError unless it is between 0 and 1 angstrom."""
    if not 0 < tolerance <= 1:
        raise InputError(f"a tolerance of {tolerance:g} angstrom cannot be used", hint="0.1 is usual; 0 to 1 works")
    return tolerance


def _named(found: Any) -> dict[str, Any]:
    return {"space_group": str(found.international), "space_group_number": int(found.number)}
