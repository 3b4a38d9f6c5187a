"""From a crystal to its Wyckoff gene, by spglib at a stated tolerance."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from molgen.chemistry.unit_cell import TOLERANCE, symmetry
from molgen.errors import InputError
from molgen.structure import Structure
from molgen.symmetry.cell import lengths_angles
from molgen.symmetry.gene import Gene


def gene_of(structure: Structure, tolerance: float = TOLERANCE) -> Gene:
    """The gene of a crystal: of its primitive cell, whatever cell it is given in.

    Properties ``a`` to ``gamma`` describe the conventional cell, made symmetric.

    Args:
        structure: A crystal.
        tolerance: Largest shift of an atom that counts as symmetric, in angstrom.

    Raises:
        InputError: spglib finds no symmetry, or orbits that do not fit together, as where atoms are nearer than the
            tolerance; "kind: detail".
    """
    return gene_of_symmetry(structure, symmetry(structure, tolerance), tolerance)


def gene_of_symmetry(structure: Structure, found: Any, tolerance: float = TOLERANCE) -> Gene:
    """The gene of a crystal whose symmetry, :func:`molgen.chemistry.unit_cell.symmetry`, is found already.

    Args:
        structure: The crystal.
        found: Its symmetry; None where there is none.
        tolerance: At which it was looked for, in angstrom.

    Raises:
        InputError: As :func:`gene_of`.
    """
    if found is None:
        raise InputError(f"no space group: spglib finds none at {tolerance:g} angstrom")
    orbits, members = np.unique(found.crystallographic_orbits, return_counts=True)
    group = Gene(int(found.number), ()).group
    primitive = len(found.std_types) // len(group.centrings)
    pairs = []
    for first, count in zip(orbits.tolist(), members.tolist(), strict=True):
        place = group.letters.index(found.wyckoffs[first])
        expected = group.multiplicities[place] * len(structure)
        if count * primitive != expected:
            detail = f"an orbit on {group.letters[place]} of space group {group.number} has {count} of {len(structure)}"
            raise InputError(f"broken orbit: {detail} atoms, not {expected / primitive:g}")
        pairs.append((int(structure.numbers[first]), place))
    gene = Gene(int(found.number), tuple(pairs), structure.name, lengths_angles(np.asarray(found.std_lattice)))
    if problem := gene.problem():
        raise InputError(f"broken orbit: {problem}")
    if Counter(gene.numbers) != _primitive(Counter(structure.numbers.tolist()), primitive / len(structure)):
        raise InputError("broken orbit: the orbits do not add up to the composition")
    return gene


def _primitive(counts: Counter[int], share: float) -> Counter[int]:
    return Counter({z: round(count * share) for z, count in counts.items()})
