"""The tracked embedded set, and the script that makes it, on one and two heavy atoms."""

import importlib.util
import sys

import numpy as np
import pytest

from molgen.datasets import find
from molgen.datasets.packed import PackedDataset

SCRIPT = find.REPOSITORY_DATA.parent / "scripts" / "make_embedded_set.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_embedded_set", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tracked_set_is_whole_and_small():
    data = find.open_dataset("embedded")
    data.verify()
    assert len(data) == 2253
    assert data.elements == [1, 6, 7, 8, 9]
    assert sum(file.stat().st_size for file in data.folder.iterdir()) < 2e6
    assert len({s.name for s in data.structures()}) == len(data)
    assert (data.arrays["charges"] == 0).all()


def test_valences_are_full_and_bonds_are_bond_length():
    data, valences = find.open_dataset("embedded"), {1: 1, 6: 4, 7: 3, 8: 2, 9: 1}
    batch = data.batch(np.arange(len(data)))
    totals = batch.bonds.sum(-1)
    for number, valence in valences.items():
        assert (totals[batch.elements == number] == valence).all()
    first, i, j = batch.bonds.nonzero(as_tuple=True)
    lengths = (batch.positions[first, i] - batch.positions[first, j]).norm(dim=-1)
    assert lengths.min() > 0.9
    assert lengths.max() < 1.65


def test_two_heavy_atoms_by_hand(script):
    one = {"C"}
    two = {"CC", "C=C", "C#C", "CN", "C=N", "C#N", "CO", "C=O", "CF"}
    assert set(script.enumerate_smiles(2)) == one | two


@pytest.mark.parametrize(
    ("smiles", "allowed"),
    [
        ("C1CC1", True), ("C1=CC1", False), ("O=C1CC1", True), ("C=C=C", True), ("C=C=C=C", False), ("C1CC=1", False),
        ("NNC", True), ("NNN", False), ("COO", False), ("NON", False), ("CNF", False), ("C1C2CC12", False),
        ("C1=CC=CC1", True), ("c1ccc[nH]1", True), ("C1CC2CC12", True), ("C1C2CC1C2", True), ("C12C3C1C23", False),
        ("C1C2=C1C2", False), ("C1CC#CC1", False),
    ],
)  # fmt: skip
def test_rules(script, smiles, allowed):
    from rdkit import Chem

    mol = Chem.MolFromSmiles(smiles, sanitize=False)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    numbers = tuple(atom.GetAtomicNum() for atom in mol.GetAtoms())
    bonds = frozenset(
        (*sorted((b.GetBeginAtomIdx(), b.GetEndAtomIdx())), int(b.GetBondTypeAsDouble())) for b in mol.GetBonds()
    )
    assert script.is_allowed((numbers, bonds)) == allowed


def test_script_is_deterministic_and_agrees_with_the_tracked_set(script, tmp_path, monkeypatch, capsys):
    for name in ("a", "b"):
        monkeypatch.setattr(sys, "argv", ["make_embedded_set.py", "--heavy", "2", "--out", str(tmp_path / name)])
        script.main()
    first, second = PackedDataset.open(tmp_path / "a"), PackedDataset.open(tmp_path / "b")
    assert first.fingerprint == second.fingerprint
    tracked = find.open_dataset("embedded")
    assert [s.name for s in first.structures()] == [tracked.structure(k).name for k in range(len(first))]
    assert "10 graphs: {1: 1, 2: 9}" in capsys.readouterr().out
