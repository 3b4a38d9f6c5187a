import numpy as np
import pytest

from molgen import io
from molgen.datasets.describe import describe_lines, description
from molgen.datasets.own import prepare_own
from molgen.datasets.packed import PackedDataset
from molgen.datasets.prepare import random_split
from molgen.errors import InputError, MissingError, OutputError
from molgen.structure import Structure
from tests.datasets.conftest import same


@pytest.fixture
def sdf(tmp_path, water, carbon_monoxide, ammonium):
    path = tmp_path / "my.sdf"
    io.write(path, [water, carbon_monoxide, ammonium] * 4)
    return path


def test_sdf_keeps_charges_bonds_properties(sdf, tmp_path, water, carbon_monoxide):
    made = prepare_own(sdf, tmp_path / "mine")
    data = PackedDataset.open(made.folder)
    same(data.structure(0), water)
    same(data.structure(1), carbon_monoxide)
    assert data.meta["splits"] == {"train": 10, "valid": 1, "test": 1}
    assert data.meta["source"] == str(sdf)
    assert made.fingerprint == data.fingerprint


def test_seed_decides_the_split(sdf, tmp_path):
    splits = [
        PackedDataset.open(prepare_own(sdf, tmp_path / f"m{k}", fractions=(0.5, 0.25, 0.25), seed=seed).folder)
        for k, seed in enumerate((0, 0, 1))
    ]
    assert splits[0].fingerprint == splits[1].fingerprint != splits[2].fingerprint
    assert splits[0].meta["splits"] == {"train": 6, "valid": 3, "test": 3}


def test_extxyz_has_no_bonds_and_smiles_get_geometries(tmp_path, water):
    io.write(tmp_path / "w.extxyz", [water])
    data = PackedDataset.open(prepare_own(tmp_path / "w.extxyz", tmp_path / "w").folder)
    assert data.structure(0).bonds is None
    assert data.structure(0).charges.tolist() == [0, 0, 0]
    (tmp_path / "s.smi").write_text("CO methanol\nnot_a_smiles bad\n")
    made = prepare_own(tmp_path / "s.smi", tmp_path / "s")
    data = PackedDataset.open(made.folder)
    assert sorted(data.structure(0).numbers.tolist()) == [1, 1, 1, 1, 6, 8]
    assert data.structure(0).name == "methanol"
    assert made.skipped.total == 1


def test_bad_records_are_counted(sdf, tmp_path):
    text = sdf.read_text()
    sdf.write_text(text.replace("O  ", "Qq ", 1) + "half a record\n")
    made = prepare_own(sdf, tmp_path / "mine")
    assert made.structures == 11
    assert dict(made.skipped.counts) == {"unknown element": 1, "truncated record": 1}
    assert PackedDataset.open(made.folder).meta["skipped"]["total"] == 2


def test_molecules_that_cannot_be_sanitised_are_packed_and_counted(tmp_path, water):
    methyls = [[0.63, 0.63, 0.63], [-0.63, -0.63, 0.63], [-0.63, 0.63, -0.63], [0.63, -0.63, -0.63], [1.1, 0.0, 0.0]]
    five = Structure(numbers=[6, *[1] * 5], positions=[[0, 0, 0], *methyls], bonds=[[0, k, 1] for k in range(1, 6)])
    io.write(tmp_path / "my.sdf", [water, five.replace(name="CH5"), water, five])
    made = prepare_own(tmp_path / "my.sdf", tmp_path / "mine")
    data = PackedDataset.open(made.folder)
    assert len(data) == 4
    assert data.structure(1).bonds.tolist() == five.bonds.tolist()
    found = data.meta["unsanitised"]
    assert (found["total"], found["reasons"]) == (2, {"valence": 2})
    assert found["examples"]["valence"][0].startswith("CH5: Explicit valence for atom # 0 C, 5")
    lines = "\n".join(describe_lines(description(data)))
    assert "unsanitised  2 molecules, packed as they are, whose bonds RDKit does not sanitise" in lines
    assert "2 x valence" in lines


def test_molecules_of_hydrogen_only_vanish_without_hydrogens(tmp_path):
    (tmp_path / "h.xyz").write_text("2\nH2\nH 0 0 0\nH 0 0 0.74\n1\nC\nC 0 0 0\n")
    made = prepare_own(tmp_path / "h.xyz", tmp_path / "h", hydrogens=False)
    assert made.structures == 1
    assert dict(made.skipped.counts) == {"no atoms": 1}
    assert made.skipped.examples["no atoms"].startswith("record 1: ")


def test_flat_arrays_of_other_molecules(tmp_path):
    np.savez(tmp_path / "c.npz", n_atoms=[1, 2], z=[6, 1, 1], pos=np.eye(3), id=np.array(["a", "b"]), energy=[1.5, 2.5])
    data = PackedDataset.open(prepare_own(tmp_path / "c.npz", tmp_path / "c").folder)
    assert [s.name for s in data.structures()] == ["a", "b"]
    assert data.properties["energy"].tolist() == [1.5, 2.5]


def test_nothing_usable(tmp_path):
    (tmp_path / "bad.xyz").write_text("1\n\nXx 0 0 0\n")
    with pytest.raises(InputError, match="all 1 records were skipped: 1 x unknown element"):
        prepare_own(tmp_path / "bad.xyz", tmp_path / "bad")
    assert not (tmp_path / "bad").exists()
    (tmp_path / "empty.sdf").write_text("")
    with pytest.raises(InputError, match="empty"):
        prepare_own(tmp_path / "empty.sdf", tmp_path / "bad")
    with pytest.raises(MissingError):
        prepare_own(tmp_path / "absent.sdf", tmp_path / "bad")


def test_existing_is_kept(sdf, tmp_path):
    prepare_own(sdf, tmp_path / "mine")
    with pytest.raises(OutputError, match="already exists"):
        prepare_own(sdf, tmp_path / "mine")
    prepare_own(sdf, tmp_path / "mine", overwrite=True)


@pytest.mark.parametrize("fractions", [(0.5, 0.1, 0.1), (1.2, -0.1, -0.1)])
def test_fractions_must_add_up(fractions, sdf, tmp_path):
    with pytest.raises(InputError, match="does not add up to 1"):
        prepare_own(sdf, tmp_path / "mine", fractions=fractions)


def test_random_split_counts_and_shuffles():
    codes = random_split(1000, (0.8, 0.15, 0.05), seed=3)
    assert np.bincount(codes).tolist() == [800, 150, 50]
    assert len(set(codes[:100].tolist())) == 3
    assert random_split(1, (0.8, 0.1, 0.1), seed=0).tolist() == [0]
