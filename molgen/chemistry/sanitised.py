"""A molecule after RDKit's sanitisation, with what its bonds and charges say about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from rdkit import Chem, rdBase

from molgen.chemistry.perception import Perceived
from molgen.chemistry.rebuild import num_fragments, sanitise
from molgen.convert import to_rdkit
from molgen.structure import Structure


@dataclass(frozen=True)
class Sanitised:
    """What became of a molecule.

    Attributes:
        mol: Sanitised, with explicit hydrogens as given and its conformer; None if that failed.
        reason: ``"kind: detail"``; empty if it worked.
        fragments: Connected pieces; None without bonds.
        net_charge: Sum of formal charges; None without bonds.
        radical_electrons: Unpaired electrons by RDKit's count; None without ``mol``.
        zwitterion: See :func:`is_zwitterion`; None without bonds.
        smiles: Canonical SMILES of the whole molecule, hydrogens implicit, no stereochemistry; empty without ``mol``.
    """

    mol: Chem.Mol | None
    reason: str
    fragments: int | None = None
    net_charge: int | None = None
    radical_electrons: int | None = None
    zwitterion: bool | None = None
    smiles: str = ""


def sanitised(perceived: Perceived) -> Sanitised:
    """Sanitise the molecule of a perceived structure.

    Args:
        perceived: Bonds and charges.
    """
    if perceived.reason:
        return Sanitised(None, perceived.reason)
    structure = perceived.structure
    net = 0 if structure.charges is None else int(structure.charges.sum())
    with rdBase.BlockLogs():
        mol = Chem.RWMol(to_rdkit(structure.replace(lattice=None)))
        fragments, zwitterion = num_fragments(mol), is_zwitterion(structure)
        if error := sanitise(mol):
            return Sanitised(None, f"sanitisation: {error}", fragments, net, None, zwitterion)
        radicals = sum(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())
        return Sanitised(mol.GetMol(), "", fragments, net, radicals, zwitterion, graph_smiles(mol))


def is_zwitterion(structure: Structure) -> bool:
    """Whether one fragment holds positive and negative formal charges that are not on neighbours.

    Opposite charges on bonded atoms (nitro, N-oxide, azide, ylide) are a way to draw a bond: each such group counts
    with its sum. Charges of different fragments make a salt.
    """
    charges, bonds = structure.charges, structure.bonds
    if charges is None or bonds is None or not ((charges > 0).any() and (charges < 0).any()):
        return False
    i, j = bonds[:, 0], bonds[:, 1]
    groups = _components(len(structure), bonds[charges[i] * charges[j] < 0])
    sums = np.bincount(groups, charges, len(structure))
    fragments = _components(len(structure), bonds)
    positive, negative = (set(fragments[np.isin(groups, np.flatnonzero(s * sums > 0))].tolist()) for s in (1, -1))
    return bool(positive & negative)


def _components(num_atoms: int, bonds: np.ndarray) -> np.ndarray:
    """For each atom the lowest atom that bonds connect it with, shape ``(N,)``."""
    label = np.arange(num_atoms)
    while True:
        lower = label.copy()
        np.minimum.at(lower, bonds[:, 0], label[bonds[:, 1]])
        np.minimum.at(lower, bonds[:, 1], label[bonds[:, 0]])
        if (lower == label).all():
            return label
        label = lower


def largest_fragment(perceived: Perceived) -> Perceived:
    """The fragment with most atoms (the first such one), with its bonds and charges; all of it without bonds."""
    structure = perceived.structure
    if structure.bonds is None or not len(structure):
        return perceived
    fragments = _components(len(structure), structure.bonds)
    largest = int(np.argmax(np.bincount(fragments)))
    return replace(perceived, structure=structure.take(np.flatnonzero(fragments == largest)))


def graph_smiles(mol: Chem.Mol) -> str:
    """Canonical SMILES of the bonds and charges alone: hydrogens implicit where they can be, no stereochemistry."""
    plain = Chem.Mol(mol)
    Chem.RemoveStereochemistry(plain)  # first, for RemoveHs keeps a hydrogen that carries stereochemistry
    smiles: str = Chem.MolToSmiles(Chem.RemoveHs(plain, sanitize=False))
    return smiles
