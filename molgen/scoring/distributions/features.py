"""What one structure adds to the distributions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from molgen.scoring.distributions.crystal_features import crystal_cells
from molgen.scoring.distributions.descriptors import descriptors
from molgen.scoring.distributions.geometry import bond_angles, bond_lengths, torsions
from molgen.scoring.distributions.metrics import CRYSTALS, METRICS, Cells, bond_types
from molgen.scoring.subject import Subject
from molgen.structure import Structure


@dataclass(frozen=True)
class Features:
    """Values of one structure in the fine bins of each metric.

    Attributes:
        bonds: The bond source used.
        cells: Metric -> cell of each value, in no particular order; a metric without values may be absent. Empty where
            no bonds could be assigned.
        without_bonds: Whether no bonds could be assigned (of a crystal: its cell could not be reduced), so that the
            structure contributes nothing.
        without_descriptors: Whether RDKit refuses the molecule, so that it contributes no rings and no descriptors.
    """

    bonds: str
    cells: dict[str, Cells] = field(default_factory=dict)
    without_bonds: bool = False
    without_descriptors: bool = False


def features(subject: Subject, bonds: str | None = None) -> Features:
    """Features of one structure.

    Args:
        subject: The structure; what it has already computed is used.
        bonds: Bond source, normally ``DistributionReference.bonds`` so that both sides have the same; that of the
            subject if None.

    Raises:
        ConfigError: There is no such bond source.
    """
    if (bonds or subject.bonds) == CRYSTALS:
        cells = crystal_cells(subject)
        return Features(CRYSTALS, cells, without_bonds=not cells)
    if bonds not in (None, subject.bonds) and bonds != subject.perceived.source:
        subject = Subject(subject.structure, str(bonds))
    perceived = subject.perceived
    if perceived.reason or perceived.structure.bonds is None:
        return Features(perceived.source, without_bonds=True)
    cells = _structure_cells(perceived.structure)
    try:
        mol = subject.sanitised.mol
        values = {} if mol is None else descriptors(mol)
    except (ValueError, ArithmeticError, RuntimeError):  # RDKit's own, and QED's overflow on hundreds of ions
        values = {}
    if not values:
        return Features(perceived.source, cells, without_descriptors=True)
    described = {name: METRICS[name].cells(np.array(column, np.float64)) for name, column in values.items()}
    return Features(perceived.source, cells | described)


def _structure_cells(structure: Structure) -> dict[str, Cells]:
    """Cells of everything that needs no RDKit."""
    numbers, bonds = structure.numbers, structure.bonds
    assert bonds is not None
    charges = np.zeros(len(structure)) if structure.charges is None else structure.charges
    cells = {
        "n_atoms": METRICS["n_atoms"].cells(np.array([len(structure)])),
        "element": METRICS["element"].cells(numbers),
        "formal_charge": METRICS["formal_charge"].cells(charges),
        "bond_type": METRICS["bond_type"].cells(bond_types(numbers[bonds[:, 0]], numbers[bonds[:, 1]], bonds[:, 2])),
    }
    for name, measure in (("bond_length", bond_lengths), ("angle", bond_angles), ("torsion", torsions)):
        types, values = measure(structure)
        cells[name] = METRICS[name].cells(values, types)
    return cells
