"""Molecules whose chemistry is beyond doubt, with bonds, formal charges and a plausible geometry.

Geometries are by hand, or ETKDG + MMFF94 from SMILES with a fixed seed. Rings are written with aromatic bonds; see
``kekulised`` for the other way.
"""

from functools import cache

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from molgen.convert import from_rdkit, to_rdkit
from molgen.structure import AROMATIC, Structure

from .molecules import beside, centre_with_hydrogens

SMILES = {
    "methane": "C",
    "benzene": "c1ccccc1",
    "pyrrole": "c1cc[nH]c1",
    "pyridinium": "c1cc[nH+]cc1",
    "nitromethane": "C[N+](=O)[O-]",
    "acetate": "CC(=O)[O-]",
    "pyridine N-oxide": "c1cc[n+]([O-])cc1",
    "ammonium": "[NH4+]",
    "DMSO": "CS(C)=O",
    "DMSO, charges apart": "C[S+](C)[O-]",
    "glycine zwitterion": "[NH3+]CC(=O)[O-]",
    "isopropyl radical": "C[CH]C",
    "phenylazide": "c1ccccc1N=[N+]=[N-]",
    "dimethyl sulfone": "CS(C)(=O)=O",
}
EDGES = ((0, 0, 1), (0, 0, -1), (0, 1, 0), (0, -1, 0), (1, 0, 0), (-1, 0, 0))


@cache
def golden(name: str) -> Structure:
    """A molecule by name: a key of ``SMILES`` or one of those made by hand."""
    return HAND_MADE[name]() if name in HAND_MADE else _embedded(name)


def names() -> list[str]:
    return [*SMILES, *HAND_MADE]


def kekulised(structure: Structure) -> Structure:
    """The same molecule with its rings as alternating single and double bonds."""
    mol = to_rdkit(structure)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    return from_rdkit(mol)


def bare(structure: Structure) -> Structure:
    """What an XYZ file keeps: elements and coordinates."""
    return Structure(numbers=structure.numbers, positions=structure.positions, name=structure.name)


def smiles_of(name: str) -> str:
    """The canonical SMILES that a molecule of ``SMILES`` must come back with."""
    return Chem.CanonSmiles(SMILES[name])


def _embedded(name: str) -> Structure:
    mol = Chem.AddHs(Chem.MolFromSmiles(SMILES[name]))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=7) == 0
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        rdForceFieldHelpers.MMFFOptimizeMolecule(mol)
    return from_rdkit(mol).replace(name=name)


def _hydride(number: int, length: float, hydrogens: int, name: str) -> Structure:
    bonds = [[0, k, 1] for k in range(1, hydrogens + 1)]
    plain = centre_with_hydrogens(number, length, hydrogens, name)
    return plain.replace(bonds=bonds, charges=np.zeros(len(plain)))


def _sulfur_hexafluoride() -> Structure:
    positions = np.concatenate([np.zeros((1, 3)), 1.56 * np.array(EDGES)])
    bonds = [[0, k, 1] for k in range(1, 7)]
    return Structure(numbers=[16] + [9] * 6, positions=positions, bonds=bonds, charges=np.zeros(7), name="SF6")


def _aromatic_water() -> Structure:
    water = _hydride(8, 0.96, 2, "aromatic water")
    return water.replace(bonds=[[0, 1, AROMATIC], [0, 2, AROMATIC]])


def _two_fragments() -> Structure:
    methane, water = _hydride(6, 1.09, 4, ""), _hydride(8, 0.96, 2, "")
    both = beside(methane, water, name="methane and water")
    bonds = np.concatenate([methane.bonds, water.bonds + np.array([5, 5, 0])])
    return both.replace(bonds=bonds, charges=np.zeros(8))


HAND_MADE = {
    "water": lambda: _hydride(8, 0.96, 2, "water"),
    "H2S": lambda: _hydride(16, 1.34, 2, "H2S"),
    "SF6": _sulfur_hexafluoride,
    "aromatic water": _aromatic_water,
    "methyl radical": lambda: _hydride(6, 1.09, 3, "methyl radical"),
    "two fragments": _two_fragments,
}
