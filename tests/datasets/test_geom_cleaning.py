import math

import numpy as np
import pytest
from rdkit import Chem

from molgen.datasets.geom_cleaning import (
    BOND_TYPE,
    CLOSE,
    COORDINATES,
    FRAGMENTS,
    LENGTH,
    SANITISE,
    SMILES,
    UNREADABLE,
    bond_radii,
    clean,
    wrong_geometry,
)
from molgen.datasets.geom_pickles import RawConformer, RawMolecule
from tests.datasets import geom
from tests.datasets.geom import embedded, moved

PUBLISHED = {1: 0.31, 6: 0.76, 7: 0.71, 8: 0.66, 9: 0.57, 15: 1.07, 16: 1.05, 17: 1.02, 35: 1.20, 53: 1.39}
"""Radii as in geom_drugs_processing.py."""


def raw(smiles, mols):
    return RawMolecule(smiles, tuple(RawConformer(mol if isinstance(mol, bytes) else mol.ToBinary()) for mol in mols))


def pair(first, second, distance, bond=True):
    bonded = np.array([[False, bond], [bond, False]])
    return wrong_geometry(np.array([first, second]), np.array([[0.0, 0, 0], [0, distance, 0]]), bonded)


def stretched(mol, atom, factor):
    """A copy in which an atom of one bond is moved along it."""
    mol = Chem.Mol(mol)
    other = mol.GetAtomWithIdx(atom).GetNeighbors()[0].GetIdx()
    x = mol.GetConformer().GetPositions()
    x[atom] = x[other] + factor * (x[atom] - x[other])
    mol.GetConformer().SetPositions(x)
    return mol


def test_radii_are_the_published_ones():
    numbers = np.arange(1, 100)
    assert bond_radii(numbers).tolist() == [PUBLISHED.get(z, 1.5) for z in numbers.tolist()]


@pytest.mark.parametrize(
    ("first", "second", "sum_of_radii"), [(1, 1, 0.62), (6, 1, 1.07), (16, 16, 2.1), (6, 5, 2.26), (35, 6, 1.96)]
)
def test_bond_lengths_within_forty_per_cent(first, second, sum_of_radii):
    for factor in (0.601, 1.0, 1.399):
        assert pair(first, second, factor * sum_of_radii) == ""
    for factor in (0.0, 0.599, 1.401, 50.0):
        assert pair(first, second, factor * sum_of_radii).startswith(LENGTH)
    assert pair(first, second, math.nan).startswith(LENGTH)


@pytest.mark.parametrize(("first", "second", "sum_of_radii"), [(1, 1, 0.62), (8, 1, 0.97), (6, 5, 0.76 + 0.84)])
def test_atoms_without_a_bond_keep_their_distance(first, second, sum_of_radii):
    assert pair(first, second, 1.001 * sum_of_radii, bond=False) == ""
    assert pair(first, second, 0.999 * sum_of_radii, bond=False).startswith(CLOSE)
    assert pair(first, second, math.nan, bond=False).startswith(CLOSE)


def test_bond_rule_is_that_of_loops_over_bonds():
    rng = np.random.default_rng(0)
    outcomes = set()
    base = embedded("CC(=O)NS(=O)(=O)CBr", 3)
    for k in range(200):
        mol = moved(base, 0.02 * (k % 20), k)
        x, numbers = mol.GetConformer().GetPositions(), np.array([a.GetAtomicNum() for a in mol.GetAtoms()])
        bonded = np.zeros((len(numbers),) * 2, bool)
        fine = True
        for bond in mol.GetBonds():
            i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            bonded[i, j] = bonded[j, i] = True
            wanted = PUBLISHED[int(numbers[i])] + PUBLISHED[int(numbers[j])]
            fine &= abs(math.dist(x[i], x[j]) - wanted) <= 0.4 * wanted
        order = rng.permutation(len(numbers))
        found = wrong_geometry(numbers[order], x[order], bonded[np.ix_(order, order)])
        assert found.startswith(LENGTH) == (not fine)
        outcomes.add(fine)
    assert outcomes == {True, False}


@pytest.mark.parametrize("smiles", geom.SMILES)
def test_good_molecules_pass_kekulised(smiles):
    mol = embedded(smiles)
    cleaned = clean(raw(smiles, [mol]), 5)
    assert cleaned.reason == ""
    (structure,) = cleaned.structures
    assert structure.name == smiles
    assert set(structure.bonds[:, 2].tolist()) <= {1, 2, 3}
    assert structure.charges.tolist() == [atom.GetFormalCharge() for atom in mol.GetAtoms()]
    np.testing.assert_allclose(structure.positions, mol.GetConformer().GetPositions(), atol=1e-6)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    orders = {frozenset((i, j)): order for i, j, order in structure.bonds.tolist()}
    assert orders == {
        frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())): int(bond.GetBondTypeAsDouble())
        for bond in mol.GetBonds()
    }


@pytest.mark.parametrize(
    "smiles", ["C12C3C4C1C5C2C3C45", "C1C2CC1C2", "O=S1CCC1", "c1ccc(I)cc1", "C[Si]1(C)O[Si](C)(C)O1"]
)
def test_strained_and_heavy_molecules_pass(smiles):
    assert clean(raw(smiles, [embedded(smiles)]), 5).reason == ""


def test_the_lowest_are_kept_with_rank_and_energies():
    base = embedded("CCO")
    mols = [moved(base, 0.01, k) for k in range(8)]
    conformers = tuple(RawConformer(mol.ToBinary(), {"total_energy": float(k)}) for k, mol in enumerate(mols))
    cleaned = clean(RawMolecule("CCO", conformers), 5)
    assert [structure.properties for structure in cleaned.structures] == [
        {"conformer": k, "total_energy": float(k)} for k in range(5)
    ]
    assert (cleaned.examined, cleaned.dropped.total()) == (8, 0)


def pentavalent():
    mol = Chem.RWMol(embedded("CCO"))
    mol.GetBondBetweenAtoms(0, 1).SetBondType(Chem.BondType.TRIPLE)
    return mol.GetMol()


def in_two_parts():
    return embedded("C.O")


def unusual_bond():
    mol = Chem.RWMol(embedded("CCO"))
    mol.GetBondBetweenAtoms(1, 2).SetBondType(Chem.BondType.ZERO)
    return mol.GetMol()


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (pentavalent, SANITISE),
        (in_two_parts, FRAGMENTS),
        (unusual_bond, BOND_TYPE),
        (lambda: Chem.AddHs(Chem.MolFromSmiles("CCO")), COORDINATES),
        (lambda: b"no molecule", UNREADABLE),
    ],
)
def test_bad_conformers_are_dropped_and_the_others_kept(bad, kind):
    good = embedded("CCO")
    cleaned = clean(raw("CCO", [bad(), good, bad(), good]), 5)
    assert [structure.properties["conformer"] for structure in cleaned.structures] == [0, 1]
    assert cleaned.dropped == {kind: 2}
    assert cleaned.reason == ""
    alone = clean(raw("CCO", [bad(), bad()]), 5)
    assert alone.structures == ()
    assert alone.reason.startswith(kind)
    assert alone.dropped == {kind: 2}


def test_one_bad_geometry_drops_the_molecule_even_beyond_those_kept():
    good = embedded("CCO")
    hydrogen = good.GetNumAtoms() - 1
    cleaned = clean(raw("CCO", [good] * 6 + [stretched(good, hydrogen, 1.6)]), 5)
    assert cleaned.structures == ()
    assert cleaned.reason.startswith(LENGTH)
    assert f"atoms 2 and {hydrogen}, expected 0.97 A" in cleaned.reason


def test_a_bond_that_the_graph_lacks():
    """The hydroxyl hydrogen turned to the carbon: no bond is too long or short, but one is missing."""
    mol = embedded("CO")
    x = mol.GetConformer().GetPositions()
    x[-1] = x[1] + 0.96 * (x[0] - x[1]) / math.dist(x[0], x[1])
    mol.GetConformer().SetPositions(x)
    cleaned = clean(raw("CO", [mol]), 5)
    assert cleaned.reason.startswith(CLOSE)


def test_smiles_that_cannot_be_parsed():
    cleaned = clean(raw("C(C", [embedded("CC")]), 5)
    assert (cleaned.reason, cleaned.examined, cleaned.structures) == (SMILES, 0, ())


def test_no_conformers():
    assert clean(RawMolecule("CC", ()), 5).reason == COORDINATES


def test_the_reason_of_an_unreadable_molecule_names_the_version():
    reason = clean(raw("CC", [b"no molecule"]), 5).reason
    assert "Bad pickle format" in reason
    assert "this is RDKit 20" in reason
