import json
import time

import numpy as np
import pytest
import torch

from molgen.batch import AtomBatch
from molgen.datasets.npy import NpyWriter
from molgen.datasets.packed import PackedDataset, PackWriter
from molgen.errors import InputError, MissingError, OutputError
from molgen.structure import Structure
from tests.datasets.conftest import same


@pytest.fixture
def folder(tmp_path, water, carbon_monoxide, ammonium):
    with PackWriter(tmp_path / "three", name="three") as writer:
        for structure in (water, carbon_monoxide, ammonium):
            writer.add(structure)
        writer.finish(np.array([0, 2, 0]), {"source": "by hand"})
    return tmp_path / "three"


def test_structures_come_back(folder, water, carbon_monoxide, ammonium):
    data = PackedDataset.open(folder)
    for mine, original in zip(data.structures(), (water, carbon_monoxide, ammonium), strict=True):
        same(mine, original)
    same(data.structure(-1), ammonium)
    with pytest.raises(IndexError):
        data.structure(3)


def test_counts_splits_histogram(folder):
    data = PackedDataset.open(folder)
    assert len(data) == 3
    assert data.name == "three"
    assert data.elements == [1, 6, 7, 8]
    assert data.has_hydrogens
    assert data.sizes.tolist() == [3, 2, 5]
    assert [data.indices(split).tolist() for split in ("train", "valid", "test")] == [[0, 2], [], [1]]
    assert data.size_histogram("train").tolist() == [0, 0, 0, 1, 0, 1]
    assert data.meta["splits"] == {"train": 2, "valid": 0, "test": 1}
    assert [s.name for s in data.structures("test")] == ["CO"]
    with pytest.raises(InputError, match="unknown split 'validation'"):
        data.indices("validation")


def test_batch_equals_batch_of_structures(folder):
    data = PackedDataset.open(folder)
    rows = [2, 0, 1, 0]
    batch, expected = data.batch(rows), AtomBatch.from_structures([data.structure(i) for i in rows])
    for key in ("mask", "elements", "positions", "charges", "bonds"):
        assert torch.equal(getattr(batch, key), getattr(expected, key)), key
    assert batch.lattice is None
    assert batch.properties["dipole"].isnan().tolist() == [True, True, False, True]
    assert batch.properties["energy"][1].item() == pytest.approx(-76.4)


def test_batch_keeps_no_gradient_to_the_file(folder):
    data = PackedDataset.open(folder)
    data.batch([0]).positions.zero_()
    assert np.abs(data.structure(0).positions).max() > 0


def test_optional_fields_are_kept_only_if_all_state_them(tmp_path, water, carbon_monoxide):
    plain = Structure(numbers=[2], positions=[[0, 0, 0]])
    with PackWriter(tmp_path / "mixed", name="mixed") as writer:
        for structure in (water, plain, carbon_monoxide.replace(properties={"smiles": "[C-]#[O+]"})):
            writer.add(structure)
        writer.finish(np.zeros(3, int), {})
    data = PackedDataset.open(tmp_path / "mixed")
    assert data.meta["not_kept"] == {"charges": 2, "bonds": 2, "property smiles": 1}
    assert data.structure(0).bonds is None
    assert data.batch([0, 1]).charges is None


def test_no_bonds_is_not_unknown_bonds(tmp_path):
    atom = Structure(numbers=[10], positions=[[0, 0, 0]], bonds=[], charges=[0])
    with PackWriter(tmp_path / "neon", name="neon") as writer:
        writer.add(atom)
        writer.finish(np.zeros(1, int), {})
    data = PackedDataset.open(tmp_path / "neon")
    assert data.structure(0).bonds.shape == (0, 3)
    assert data.batch([0]).bonds.tolist() == [[[0]]]


def test_crystals_keep_their_cell(tmp_path):
    crystal = Structure(numbers=[11, 17], positions=np.eye(3)[:2], lattice=np.diag([5.64, 5.64, 5.64]))
    with PackWriter(tmp_path / "salt", name="salt") as writer:
        writer.add(crystal)
        writer.finish(np.zeros(1, int), {})
    data = PackedDataset.open(tmp_path / "salt")
    same(data.structure(0), crystal)
    assert data.batch([0]).lattice.shape == (1, 3, 3)


def test_fingerprint_depends_on_contents_only(tmp_path, folder, water, carbon_monoxide, ammonium):
    prints = []
    for name, shift in (("again", 0.0), ("other", 0.001)):
        with PackWriter(tmp_path / name, name=name) as writer:
            writer.add(water.replace(positions=water.positions + shift))
            writer.add(carbon_monoxide)
            writer.add(ammonium)
            prints.append(writer.finish(np.array([0, 2, 0]), {}))
    assert prints[0] == PackedDataset.open(folder).fingerprint
    assert prints[1] != prints[0]


def test_arrays_are_memory_mapped_plain_npy(folder):
    data = PackedDataset.open(folder)
    for name, array in data.arrays.items():
        assert isinstance(array, np.memmap), name
        np.testing.assert_array_equal(np.load(folder / f"{name}.npy", allow_pickle=False), array)


def test_npy_writer_makes_what_numpy_reads(tmp_path):
    writer = NpyWriter(tmp_path / "a.npy", np.float32, (3,))
    writer.append(np.arange(6).reshape(2, 3))
    writer.append(np.zeros((0, 3)))
    writer.append(np.array([[7.0, 8.0, 9.0]]))
    writer.close()
    assert np.load(tmp_path / "a.npy").tolist() == [[0, 1, 2], [3, 4, 5], [7, 8, 9]]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Structure(numbers=[], positions=np.zeros((0, 3))), "no atoms"),
        (Structure(numbers=[1], positions=[[0, 0, np.nan]]), "not finite"),
        (Structure(numbers=[119], positions=[[0, 0, 0]]), "1..118"),
    ],
)
def test_bad_structures_are_refused(tmp_path, bad, reason):
    with PackWriter(tmp_path / "x", name="x") as writer, pytest.raises(InputError, match=reason):
        writer.add(bad)
    assert list(tmp_path.iterdir()) == []


def _pack_one(folder, structure):
    with PackWriter(folder, name=folder.name) as writer:
        writer.add(structure)
        writer.finish(np.zeros(1, int), {})


def test_interrupt_leaves_nothing(tmp_path, water, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(PackWriter, "_publish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _pack_one(tmp_path / "x", water)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", ["append", "close"])
def test_full_disk_is_a_sentence_and_leaves_nothing(tmp_path, water, monkeypatch, method):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(NpyWriter, method, full)
    with pytest.raises(OutputError, match="no space left") as caught:
        _pack_one(tmp_path / "x", water)
    assert "unfinished data set was removed" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_existing_data_set_needs_overwrite(folder, water):
    before = PackedDataset.open(folder)
    with pytest.raises(OutputError, match="already exists"):
        PackWriter(folder, name="three")
    with PackWriter(folder, name="three", overwrite=True) as writer:
        writer.add(water)
        assert len(PackedDataset.open(folder)) == 3
        writer.finish(np.zeros(1, int), {})
    assert len(PackedDataset.open(folder)) == 1
    assert len(before.structure(2)) == 5
    assert [path.name for path in folder.parent.iterdir()] == ["three"]


def test_overwrite_spares_a_folder_that_is_no_data_set(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"meow")
    with pytest.raises(OutputError, match="not a data set"):
        PackWriter(tmp_path / "photos", name="photos", overwrite=True)


def _truncate(folder):
    path = folder / "positions.npy"
    path.write_bytes(path.read_bytes()[:-12])


def _shorten(folder):
    np.save(folder / "numbers.npy", np.load(folder / "numbers.npy")[:-1])


def _shorten_and_say_so(folder):
    meta = json.loads((folder / "meta.json").read_text())
    np.save(folder / "split.npy", np.load(folder / "split.npy")[:-1])
    meta["arrays"]["split"]["shape"] = [2]
    (folder / "meta.json").write_text(json.dumps(meta))


def _pickle(folder):
    np.save(folder / "numbers.npy", np.array([{}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda f: (f / "offsets.npy").unlink(), "offsets.npy is missing"),
        (lambda f: (f / "meta.json").write_text("{"), "cannot be read"),
        (lambda f: (f / "meta.json").write_text("[]"), "does not describe"),
        (lambda f: (f / "meta.json").write_text('{"format": "molgen-packed-1"}'), "lacks name"),
        (lambda f: (f / "positions.npy").write_bytes(b""), "positions.npy is damaged"),
        (_truncate, "positions.npy is damaged"),
        (_shorten, "numbers.npy holds"),
        (_shorten_and_say_so, "split has 2 rows, not 3"),
        (_pickle, "numbers.npy is damaged"),
    ],
)
def test_damage_is_named(folder, damage, sentence):
    damage(folder)
    with pytest.raises(InputError, match=sentence) as caught:
        PackedDataset.open(folder)
    assert "--overwrite" in caught.value.hint


def test_verify_finds_a_changed_byte(folder):
    PackedDataset.open(folder).verify()
    path = folder / "positions.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="fingerprint"):
        PackedDataset.open(folder).verify()


def test_missing_folder(tmp_path):
    with pytest.raises(MissingError, match="no packed data set"):
        PackedDataset.open(tmp_path / "nothing")


def test_many_structures_open_in_under_a_second(tmp_path):
    with PackWriter(tmp_path / "many", name="many") as writer:
        atom = Structure(numbers=[6], positions=[[0.0, 0.0, 0.0]])
        for _ in range(20_000):
            writer.add(atom)
        writer.finish(np.zeros(20_000, int), {})
    start = time.perf_counter()
    data = PackedDataset.open(tmp_path / "many")
    assert time.perf_counter() - start < 1
    assert len(data.batch(np.arange(20_000))) == 20_000


def test_coordinates_that_single_precision_cannot_hold_are_refused(tmp_path):
    with PackWriter(tmp_path / "big", name="big") as writer:
        writer.add(Structure(numbers=[1], positions=[[0.0, 0.0, 1.0]]))
        with pytest.raises(InputError):
            writer.add(Structure(numbers=[1], positions=[[0.0, 0.0, 1e300]]))
        writer.finish(np.zeros(1, np.int64), {})
    assert len(PackedDataset.open(tmp_path / "big")) == 1
