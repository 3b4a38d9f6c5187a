"""Features on tensors against RDKit's, on molecules of the embedded set and on molecules that try the rules."""

import pytest
import torch

from molgen.convert import to_rdkit
from molgen.datasets.find import open_dataset
from molgen.models.atom_features import aromatic, hybridisation, in_ring, outer_electrons

Chem = pytest.importorskip("rdkit.Chem")
KINDS = {"S": 0, "UNSPECIFIED": 0, "SP": 1, "SP2": 2, "SP3": 3, "SP3D": 3, "SP3D2": 3}


def expected(mol):
    """Ring, hybridisation and aromaticity of each atom, by RDKit."""
    atoms = list(mol.GetAtoms())
    return (
        [int(a.IsInRing()) for a in atoms],
        [KINDS[str(a.GetHybridization())] for a in atoms],
        [int(a.GetIsAromatic()) for a in atoms],
    )


def tensors(mol, *, kekulised):
    """Atomic numbers, charges and bond orders of a molecule, with a batch dimension."""
    mol = Chem.Mol(mol)
    if kekulised:
        Chem.Kekulize(mol, clearAromaticFlags=True)
    n = mol.GetNumAtoms()
    bonds = torch.zeros(1, n, n, dtype=torch.int64)
    for bond in mol.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        bonds[0, i, j] = bonds[0, j, i] = 4 if bond.GetIsAromatic() else int(bond.GetBondTypeAsDouble())
    numbers, charges = ([getattr(a, f"Get{what}")() for a in mol.GetAtoms()] for what in ("AtomicNum", "FormalCharge"))
    return torch.tensor([numbers]), torch.tensor([charges]), bonds


def test_every_fourth_embedded_molecule():
    dataset = open_dataset("embedded")
    for start in range(4):
        batch = dataset.batch(range(start, len(dataset), 16))
        rings, kinds = in_ring(batch.bonds), hybridisation(batch.elements, batch.charges, batch.bonds)
        for row, structure in enumerate(batch.to_structures()):
            mol, n = to_rdkit(structure), len(structure)
            Chem.SanitizeMol(mol)
            ring, kind, _ = expected(mol)
            assert rings[row, :n].tolist() == ring, Chem.MolToSmiles(mol)
            assert kinds[row, :n].tolist() == kind, Chem.MolToSmiles(mol)
            assert not kinds[row, n:].any()
            assert not rings[row, n:].any()


SMILES = [
    "C1CC1CCC2CCC2",  # rings joined by a chain that is none
    "C1CC2CC1CC2",
    "C1CCC2(CC1)CCCC2",  # a spiro atom
    "C1CCCCCCCCCCCCCCCCCCCCCCCCC1",
    "CC.C1CC1",  # two fragments
    "[Na+].[O-]C(=O)c1ccccc1",
    "C[N+](=O)[O-]",
    "C[NH+](C)CC(=O)[O-]",
    "CS(=O)(=O)N1C=CC=C1",
    "CP(=O)(O)OC(F)=C",
    "N#Cc1ccc2[nH]ccc2c1",
    "O=C=NC=C=C",
    "c1ccc2c(c1)oc1ccccc12",
    "C[Si](C)(C)C#CB(O)O",
    "FC(Cl)=C(Br)I",
    "OC=O",
    "N/C=C/OC",
]


@pytest.mark.parametrize("smiles", SMILES)
@pytest.mark.parametrize("kekulised", [False, True])
def test_molecules_that_try_the_rules(smiles, kekulised):
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    numbers, charges, bonds = tensors(mol, kekulised=kekulised)
    ring, kind, stated = expected(mol)
    assert in_ring(bonds)[0].tolist() == ring
    assert hybridisation(numbers, charges, bonds)[0].tolist() == kind
    assert aromatic(bonds)[0].tolist() == ([0] * len(ring) if kekulised else stated)


def test_thiophene_is_aromatic_only_where_it_is_stated():
    """Its sulphur is sp2 to RDKit; a Kekule structure on its own does not say so."""
    mol = Chem.AddHs(Chem.MolFromSmiles("c1ccsc1"))
    assert [int(hybridisation(*tensors(mol, kekulised=k))[0, 3]) for k in (False, True)] == [2, 3]


def test_outer_electrons():
    numbers = torch.tensor([0, 1, 2, 3, 5, 6, 7, 8, 9, 14, 15, 16, 17, 33, 34, 35, 53, 83])
    assert outer_electrons(numbers).tolist() == [0, 1, 2, 1, 3, 4, 5, 6, 7, 4, 5, 6, 7, 5, 6, 7, 7, 5]
