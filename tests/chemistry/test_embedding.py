import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdMolTransforms

from molgen.chemistry import embedding
from molgen.chemistry.embedding import ENERGY, RELAXATION, embed
from molgen.chemistry.mmff94s import Mmff94sPotential
from molgen.chemistry.superposition import kabsch_rmsd
from molgen.convert import to_rdkit


def sane(structure):
    mol = Chem.RWMol(to_rdkit(structure))
    Chem.SanitizeMol(mol)
    return mol.GetMol()


@pytest.mark.parametrize(
    "smiles", ["C", "c1ccccc1O", "C[N+](=O)[O-]", "[NH3+][C@@H](C)C(=O)[O-]", "F/C=C/Cl", "CS(C)(=O)=O", "n1cc[nH]c1"]
)
def test_the_molecule_of_the_smiles_at_a_minimum(smiles):
    (structure,) = embed(smiles).structures
    mol, expected = sane(structure), Chem.MolFromSmiles(smiles)
    Chem.AssignStereochemistryFrom3D(mol)
    assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == Chem.MolToSmiles(expected) == structure.name
    assert len(structure) == Chem.AddHs(expected).GetNumAtoms()
    assert set(structure.bonds[:, 2]) <= {1, 2, 3}
    assert structure.charges.tolist() == [atom.GetFormalCharge() for atom in mol.GetAtoms()]
    np.testing.assert_allclose(structure.positions.mean(axis=0), 0, atol=1e-9)
    minimum = Mmff94sPotential().minimise(mol, RELAXATION)
    assert minimum.max_force < 1e-2
    assert minimum.energy_before == pytest.approx(structure.properties[ENERGY], abs=1e-6)
    assert kabsch_rmsd(structure.positions, minimum.positions) < 1e-2


def test_spelling_plays_no_part_and_the_seed_does():
    one, two = embed("OCC(C)N"), embed("NC(C)CO")
    assert one.smiles == two.smiles
    np.testing.assert_array_equal(one.structures[0].positions, two.structures[0].positions)
    other = embed("OCC(C)N", seed=1).structures[0]
    assert not np.allclose(one.structures[0].positions, other.positions)


def test_conformers_ascend_in_energy_and_are_there_once():
    butane = embed("CCCC", conformers=20).structures
    energies = [s.properties[ENERGY] for s in butane]
    assert energies == sorted(energies)
    assert len(butane) == 3  # anti, and gauche with its mirror image
    angles = sorted(abs(dihedral(s)) for s in butane)
    np.testing.assert_allclose(angles, [65, 65, 180], atol=2)
    assert len(embed("c1ccccc1C", conformers=10).structures) == 1
    assert len(embed("C12C3C4C1C5C2C3C45", conformers=5).structures) == 1  # cubane: 48 permutations


def dihedral(structure):
    conformer = to_rdkit(structure).GetConformer()
    heavy = np.flatnonzero(structure.numbers == 6).tolist()
    return rdMolTransforms.GetDihedralDeg(conformer, *heavy)


@pytest.mark.parametrize(
    ("smiles", "kind"),
    [
        ("", "not a valid SMILES"),
        ("C(C)(C)(C)(C)C", "not a valid SMILES"),
        ("C" * 7000, "not a valid SMILES"),
        ("[Na+].[Cl-]", "more than one fragment"),
        ("C[CH2]", "radical"),
        ("*C", "no parameters"),
        ("OB(O)c1ccccc1", "no parameters"),
        ("F[P-](F)(F)(F)(F)F", "no parameters"),
        ("C" * 150, "molecule too large"),
        ("C1C[C@H]2CC[C@H]1C2", "no geometry found"),  # bridgeheads of norbornane, one turned inside out
        ("C1C[C@H]2CC[C@@H]1C2", ""),
    ],
)
def test_what_gets_no_geometry_says_why(smiles, kind):
    result = embed(smiles)
    assert result.reason.partition(":")[0] == kind
    assert bool(result.structures) == (not kind)


def test_a_geometry_that_cannot_be_relaxed_is_embedded_again(monkeypatch):
    """RDKit's optimiser does not take a step from the first geometry of this molecule with seed 0."""
    smiles = "Cc1ccc(-c2nc(NCc3ccco3)c3ccccc3n2)cc1"
    assert embed(smiles).structures[0].properties[ENERGY] < 1
    monkeypatch.setattr(embedding, "EMBEDDINGS", 1)
    monkeypatch.setattr(embedding, "_minima", lambda mol: [])
    assert embed(smiles).reason.startswith("not converged: ")
