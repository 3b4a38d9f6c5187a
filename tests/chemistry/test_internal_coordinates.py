import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem, rdMolTransforms

from molgen.chemistry.internal_coordinates import (
    TORSION_BOND,
    bond_angles,
    bond_lengths,
    changes,
    internal_coordinates,
    torsion_angles,
)


def embedded(smiles):
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=7) == 0
    return mol


def brute_torsions(mol):
    """Every chain of four bonded different atoms whose middle bond matches, by trying all chains."""
    middle = {frozenset(m) for m in mol.GetSubstructMatches(Chem.MolFromSmarts(TORSION_BOND))}
    bonded = {(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()}
    bonded |= {(j, i) for i, j in bonded}
    n = range(mol.GetNumAtoms())
    chains = {
        min((i, j, k, m), (m, k, j, i))
        for i, j in bonded
        for k in n
        for m in n
        if (j, k) in bonded and (k, m) in bonded and len({i, j, k, m}) == 4 and frozenset((j, k)) in middle
    }
    return sorted(chains)


@pytest.mark.parametrize("smiles", ["CCO", "c1ccccc1O", "C1CC1C", "CC#CC", "OC(=O)C(N)C", "C1CC2OC12"])
def test_against_rdkit_and_brute_force(smiles):
    mol = embedded(smiles)
    found = internal_coordinates(mol)
    assert sorted(min((*t,), (*t[::-1],)) for t in found.torsions.tolist()) == brute_torsions(mol)
    assert len(found.bonds) == mol.GetNumBonds()
    degrees = [atom.GetDegree() for atom in mol.GetAtoms()]
    assert len(found.angles) == sum(d * (d - 1) // 2 for d in degrees)
    conformer = mol.GetConformer()
    positions = conformer.GetPositions()
    for values, rows, direct in (
        (bond_lengths(positions, found.bonds), found.bonds, rdMolTransforms.GetBondLength),
        (bond_angles(positions, found.angles), found.angles, rdMolTransforms.GetAngleDeg),
        (torsion_angles(positions, found.torsions), found.torsions, rdMolTransforms.GetDihedralDeg),
    ):
        expected = np.array([direct(conformer, *row) for row in rows.tolist()])
        difference = (values - expected + 180) % 360 - 180 if rows.shape[1] == 4 else values - expected
        np.testing.assert_allclose(difference, 0, atol=1e-4)


@pytest.mark.parametrize(
    ("smiles", "torsions"), [("CC", 9), ("CO", 3), ("O=C=O", 0), ("O", 0), ("CC#C", 0), ("[He]", 0)]
)
def test_number_of_torsions(smiles, torsions):
    assert len(internal_coordinates(Chem.AddHs(Chem.MolFromSmiles(smiles))).torsions) == torsions


def test_rings_of_three_have_no_torsion_of_three_atoms():
    rows = internal_coordinates(Chem.AddHs(Chem.MolFromSmiles("C1CC1"))).torsions
    assert all(len(set(row)) == 4 for row in rows.tolist())


def test_mean_changes_are_those_of_a_loop():
    before, after = embedded("OCC=O"), embedded("OCC=O")
    rdMolTransforms.SetDihedralDeg(after.GetConformer(), 0, 1, 2, 3, 179.0)
    rdMolTransforms.SetDihedralDeg(before.GetConformer(), 0, 1, 2, 3, -179.0)
    rdMolTransforms.SetBondLength(after.GetConformer(), 0, 1, 1.6)
    rdMolTransforms.SetAngleDeg(after.GetConformer(), 0, 1, 2, 120.0)
    found = internal_coordinates(before)
    change = changes(found, before.GetConformer().GetPositions(), after.GetConformer().GetPositions())

    def mean(function, rows, period=None):
        total = 0.0
        for row in rows.tolist():
            d = abs(function(after.GetConformer(), *row) - function(before.GetConformer(), *row))
            total += min(d, period - d) if period else d
        return total / len(rows)

    assert change.bonds == pytest.approx(mean(rdMolTransforms.GetBondLength, found.bonds), rel=1e-5)
    assert change.angles == pytest.approx(mean(rdMolTransforms.GetAngleDeg, found.angles), rel=1e-5)
    assert change.torsions == pytest.approx(mean(rdMolTransforms.GetDihedralDeg, found.torsions, 360.0), rel=1e-5)
    assert change.torsions < 5  # 179 and -179 are two degrees apart


def test_no_coordinates_no_change():
    single = internal_coordinates(Chem.MolFromSmiles("[He]"))
    change = changes(single, np.zeros((1, 3)), np.ones((1, 3)))
    assert (change.bonds, change.angles, change.torsions) == (None, None, None)


def test_torsions_through_a_straight_angle_are_left_out():
    mol = Chem.AddHs(Chem.MolFromSmiles("C=C=C"))  # the middle bonds match, but each has a straight end
    assert AllChem.EmbedMolecule(mol, randomSeed=1) == 0
    AllChem.MMFFOptimizeMolecule(mol)
    found = internal_coordinates(mol)
    assert len(found.torsions) > 0
    positions = mol.GetConformer().GetPositions()
    moved = positions + 0.01 * np.random.default_rng(0).normal(size=positions.shape)
    assert changes(found, positions, moved).torsions is None
