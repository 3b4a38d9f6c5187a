"""Lengths, angles and torsions against analytic values and against RDKit, atom by atom."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from rdkit.Chem import rdMolTransforms

from molgen.convert import to_rdkit
from molgen.datasets.find import open_structures
from molgen.scoring.distributions.geometry import MOST_NEIGHBOURS, bond_angles, bond_lengths, torsions
from molgen.scoring.distributions.metrics import bond_type_name
from molgen.structure import Structure


def chain(positions, order=1, number=6):
    n = len(positions)
    return Structure(
        numbers=[number] * n, positions=positions, bonds=[[k, k + 1, order if k == 1 else 1] for k in range(n - 1)]
    )


def four_atoms(torsion, bend=110.0):
    """A chain of four carbons with the given torsion; the end atoms at the given angle."""
    t, b = np.radians(torsion), np.radians(180 - bend)
    return chain(
        [
            [-np.cos(b), np.sin(b), 0],
            [0, 0, 0],
            [1.5, 0, 0],
            [1.5 + np.cos(b), np.sin(b) * np.cos(t), np.sin(b) * np.sin(t)],
        ]
    )


@pytest.fixture(scope="module")
def molecules():
    return [s for k, s in enumerate(open_structures("embedded:test")) if k % 9 == 0]


def named(typed, name=bond_type_name):
    types, values = typed
    return sorted(zip([name(int(t)) for t in types], values.tolist(), strict=True))


def test_lengths_are_those_of_rdkit(molecules):
    for molecule in molecules:
        mol = to_rdkit(molecule)
        conformer = mol.GetConformer()
        expected = [
            rdMolTransforms.GetBondLength(conformer, b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()
        ]
        assert sorted(bond_lengths(molecule)[1]) == pytest.approx(sorted(expected), abs=1e-9)


def test_angles_are_those_of_rdkit(molecules):
    for molecule in molecules:
        mol = to_rdkit(molecule)
        expected = [
            (
                atom.GetAtomicNum(),
                rdMolTransforms.GetAngleDeg(mol.GetConformer(), a.GetIdx(), atom.GetIdx(), b.GetIdx()),
            )
            for atom in mol.GetAtoms()
            for a, b in combinations(atom.GetNeighbors(), 2)
        ]
        found = named(bond_angles(molecule), int)
        assert [z for z, _ in found] == [z for z, _ in sorted(expected)]
        assert [v for _, v in found] == pytest.approx([v for _, v in sorted(expected)], abs=1e-5)


def test_torsions_are_those_of_rdkit_over_all_chains_of_heavy_atoms(molecules):
    pattern = "[!#1]~[!#1]~[!#1]~[!#1]"
    from rdkit import Chem

    seen = 0
    for molecule in molecules:
        mol = to_rdkit(molecule)
        Chem.FastFindRings(mol)
        conformer = mol.GetConformer()
        chains = mol.GetSubstructMatches(Chem.MolFromSmarts(pattern), uniquify=False, maxMatches=10_000)
        expected = []
        for a, b, c, d in chains:
            bends = [rdMolTransforms.GetAngleDeg(conformer, *triple) for triple in ((a, b, c), (b, c, d))]
            if a < d and max(bends) < 175:
                expected.append(abs(rdMolTransforms.GetDihedralDeg(conformer, a, b, c, d)))
        found = [value for value in torsions(molecule)[1].tolist() if not np.isnan(value)]
        assert sorted(found) == pytest.approx(sorted(expected), abs=1e-4)
        seen += len(found)
    assert seen > 50


@pytest.mark.parametrize("torsion", [0.0, 1e-4, 60.0, 109.4, 179.9999, 180.0, -60.0, -179.0])
def test_torsion_is_folded_and_mirror_images_are_equal(torsion):
    molecule = four_atoms(torsion)
    mirrored = molecule.replace(positions=molecule.positions * [1, 1, -1])
    assert torsions(molecule)[1] == pytest.approx([abs(torsion)], abs=1e-4)
    assert torsions(mirrored)[1] == pytest.approx([abs(torsion)], abs=1e-4)


@pytest.mark.parametrize(
    ("bend", "defined"), [(174.0, True), (176.0, False), (180.0, False), (4.0, False), (6.0, True)]
)
def test_torsion_of_a_straight_chain_is_undefined(bend, defined):
    values = torsions(four_atoms(50.0, bend))[1]
    assert len(values) == 1
    assert np.isnan(values[0]) == (not defined)


def test_types_come_from_elements_and_bonds():
    molecule = chain([[0, 0, 0], [1, 0, 0], [1, 1.3, 0], [2, 1.3, 0.1]], order=2).replace(numbers=[6, 7, 6, 8])
    assert Counter(name for name, _ in named(bond_lengths(molecule))) == {"C-N": 1, "C=N": 1, "C-O": 1}
    assert [z for z, _ in named(bond_angles(molecule), int)] == [6, 7]
    assert [name for name, _ in named(torsions(molecule))] == ["C=N"]


def test_hydrogens_end_no_torsion_and_a_three_ring_has_none():
    hydroxyl = four_atoms(70.0).replace(numbers=[6, 6, 8, 1])
    assert len(torsions(hydroxyl)[1]) == 0
    ring = Structure(
        numbers=[6] * 3, positions=[[0, 0, 0], [1.5, 0, 0], [0.7, 1.3, 0]], bonds=[[0, 1, 1], [1, 2, 1], [0, 2, 1]]
    )
    assert len(torsions(ring)[1]) == 0


def test_collapsed_and_empty_structures():
    one_place = chain(np.zeros((4, 3)))
    assert bond_lengths(one_place)[1].tolist() == [0, 0, 0]
    assert np.isnan(bond_angles(one_place)[1]).all()
    assert np.isnan(torsions(one_place)[1]).all()
    lonely = Structure(numbers=[6], positions=[[0, 0, 0]], bonds=[])
    assert [len(f(lonely)[1]) for f in (bond_lengths, bond_angles, torsions)] == [0, 0, 0]


@pytest.mark.parametrize("neighbours", [MOST_NEIGHBOURS, MOST_NEIGHBOURS + 1])
def test_atoms_with_absurdly_many_bonds_give_no_angles(neighbours):
    star = Structure(
        numbers=[6] * (neighbours + 1),
        positions=np.random.default_rng(0).normal(size=(neighbours + 1, 3)),
        bonds=[[0, k, 1] for k in range(1, neighbours + 1)],
    )
    pairs = neighbours * (neighbours - 1) // 2
    assert len(bond_angles(star)[1]) == (pairs if neighbours <= MOST_NEIGHBOURS else 0)
    assert len(bond_lengths(star)[1]) == neighbours


def test_huge_finite_coordinates_are_no_error():
    far = chain([[0, 0, 0], [1e200, 0, 0], [1e200, 1e200, 0], [0, 1e200, 1e200]])
    assert np.isinf(bond_lengths(far)[1]).all()
    bond_angles(far)
    torsions(far)
