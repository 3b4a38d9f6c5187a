"""A molecule after RDKit's sanitisation, with what its bonds and charges say about it."""

from __future__ import annotations

from dataclasses import dataclass

from rdkit import Chem, rdBase

from molgen.chemistry.perception import Perceived
from molgen.chemistry.rebuild import num_fragments, sanitise
from molgen.convert import to_rdkit


@dataclass(frozen=True)
class Sanitised:
    """What became of a molecule.

    Attributes:
        mol: Sanitised, with explicit hydrogens as given and its conformer; None if that failed.
        reason: ``"kind: detail"``; empty if it worked.
        fragments: Connected pieces; None without bonds.
        net_charge: Sum of formal charges.
        radical_electrons: Unpaired electrons by RDKit's count; None without ``mol``.
        zwitterion: Whether it has positive and negative formal charges.
        smiles: Canonical SMILES of the whole molecule, hydrogens implicit, no stereochemistry; empty without ``mol``.
    """

    mol: Chem.Mol | None
    reason: str
    fragments: int | None
    net_charge: int
    radical_electrons: int | None
    zwitterion: bool
    smiles: str


def sanitised(perceived: Perceived) -> Sanitised:
    """Sanitise the molecule of a perceived structure.

    Args:
        perceived: Bonds and charges.
    """
    charges = [] if perceived.structure.charges is None else perceived.structure.charges.tolist()
    net, both = sum(charges), any(c > 0 for c in charges) and any(c < 0 for c in charges)
    if perceived.reason:
        return Sanitised(None, perceived.reason, None, net, None, both, "")
    with rdBase.BlockLogs():
        mol = Chem.RWMol(to_rdkit(perceived.structure.replace(lattice=None)))
        fragments = num_fragments(mol)
        error = sanitise(mol)
        if error:
            return Sanitised(None, f"sanitisation: {error}", fragments, net, None, both, "")
        radicals = sum(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())
        return Sanitised(mol.GetMol(), "", fragments, net, radicals, both, graph_smiles(mol))


def graph_smiles(mol: Chem.Mol) -> str:
    """Canonical SMILES of the bonds and charges alone: hydrogens implicit where they can be, no stereochemistry."""
    plain = Chem.RemoveHs(mol, sanitize=False)
    Chem.RemoveStereochemistry(plain)
    smiles: str = Chem.MolToSmiles(plain)
    return smiles
