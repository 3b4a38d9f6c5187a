"""Whether perceived bonds and charges are those of a SMILES.

Both molecules are sanitised by RDKit (which also gives a Kekule structure its aromaticity), stereochemistry is
dropped, hydrogens become counts of their neighbours, and the canonical SMILES must be equal as texts. So another Kekule
structure agrees; another charge-separated form, another tautomer and another skeleton do not, and the reason says so.
"""

from __future__ import annotations

from rdkit import Chem, rdBase

from molgen.chemistry.perception import Perceived
from molgen.chemistry.sanitised import graph_smiles, sanitised

UNREADABLE = "SMILES cannot be read"
OTHER_FORM = "other bond orders or charges than the SMILES"
OTHER_NEIGHBOURS = "other neighbours than the SMILES"


def disagreement(perceived: Perceived, smiles: str) -> str:
    """Why a molecule is not that of a SMILES, ``"kind: detail"``; empty where it is.

    The kinds are those of the perception and of the sanitisation; ``UNREADABLE``; ``OTHER_FORM`` where every atom has
    the neighbours that the SMILES says, hydrogens too (a resonance structure, such as amidinium for a neutral push-pull
    alkene); ``OTHER_NEIGHBOURS`` for the rest (tautomers and other skeletons).

    Args:
        perceived: Bonds and charges; every hydrogen of the molecule is one of its atoms.
        smiles: Any SMILES of the expected molecule.
    """
    found = sanitised(perceived)
    if found.mol is None:
        return found.reason
    with rdBase.BlockLogs():
        expected = Chem.MolFromSmiles(smiles)
        if expected is None:
            return f"{UNREADABLE}: {smiles}"
        wanted = graph_smiles(expected)
        if found.smiles == wanted:
            return ""
        alike = _neighbours(found.mol) == _neighbours(Chem.AddHs(expected))
    return f"{OTHER_FORM if alike else OTHER_NEIGHBOURS}: perceived {found.smiles}, the SMILES is {wanted}"


def _neighbours(mol: Chem.Mol) -> str:
    """Canonical text of elements and neighbours alone: no orders, charges or stereochemistry."""
    plain = Chem.RWMol()
    for atom in mol.GetAtoms():
        plain.AddAtom(Chem.Atom(atom.GetAtomicNum()))
    for bond in mol.GetBonds():
        plain.AddBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), Chem.BondType.SINGLE)
    for atom in plain.GetAtoms():
        atom.SetNoImplicit(True)
    text: str = Chem.MolToSmiles(plain)
    return text
