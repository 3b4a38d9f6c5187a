"""References: which structures they hold, which are held out, their cache, and what cannot be a reference."""

import json

import numpy as np
import pytest

from molgen import io
from molgen.datasets.find import open_dataset, open_structures
from molgen.datasets.packed import PackWriter
from molgen.errors import ConfigError, InputError, MissingError
from molgen.scoring.distributions import pools
from molgen.scoring.distributions import reference as reference_module
from molgen.scoring.distributions.features import features
from molgen.scoring.distributions.histograms import Sums
from molgen.scoring.distributions.measure import jitter, measured
from molgen.scoring.distributions.pools import open_pool
from molgen.scoring.distributions.reference import DistributionReference
from molgen.scoring.subject import Subject
from molgen.structure import Structure
from tests.scoring.molecules import ACETYLENE, AMMONIA, METHANE, ring

BENZENES = [ring(1.39 + 0.001 * k, name=f"benzene {k}") for k in range(20)]


def pack(folder, structures, splits):
    with PackWriter(folder, name=folder.name) as writer:
        for structure in structures:
            writer.add(structure)
        writer.finish(np.array(splits), {"source": "a test"})
    return folder


@pytest.fixture
def dataset(tmp_path):
    return pack(tmp_path / "rings", BENZENES, [0] * 12 + [2] * 8)


def same(a, b):
    left, right = a._to_arrays(), b._to_arrays()
    return sorted(left) == sorted(right) and all(np.array_equal(left[key], right[key]) for key in left)


def test_data_set_has_its_train_split_and_holds_its_test_split_out(embedded, embedded_reference):
    whole = Sums()
    for structure in open_structures("embedded:train"):
        whole.add(features(Subject(structure)))
    assert embedded_reference.bonds == "file"
    assert (embedded_reference.sums.n, len(embedded_reference.holdout), len(embedded_reference.control)) == (
        1803,
        225,
        225,
    )
    expected = whole.to_arrays()
    assert all(np.array_equal(array, expected[key]) for key, array in embedded_reference.sums.to_arrays().items())
    held_out = embedded_reference.holdout.sums(np.arange(225))
    sizes = [len(s) for s in open_structures("embedded:test")]
    assert held_out.histograms("n_atoms")[0].counts.tolist() == np.unique(sizes, return_counts=True)[1].tolist()
    described = embedded_reference.description
    assert (described["name"], described["holdout"]) == ("embedded:train", "embedded:test")
    assert described["fingerprint"] == open_dataset("embedded").fingerprint
    json.dumps(described)


def test_other_splits(dataset):
    assert DistributionReference.open(f"{dataset}:train").sums.n == 12
    of_test = DistributionReference.open(f"{dataset}:test")
    assert (of_test.sums.n, len(of_test.holdout), of_test.description["holdout"]) == (8, 12, "rings:train")
    with pytest.raises(InputError, match="rings has no two structures in split valid"):
        DistributionReference.open(f"{dataset}:valid")


def test_a_split_is_halved_where_nothing_else_can_be_held_out(tmp_path):
    reference = DistributionReference.open(pack(tmp_path / "only", BENZENES[:5], [0] * 5))
    assert (reference.sums.n, len(reference.holdout)) == (3, 2)
    assert reference.description["holdout"] == "the other half of the split"


def test_sets_larger_than_the_limits_are_drawn_from(dataset, monkeypatch):
    monkeypatch.setattr(pools, "REFERENCE_STRUCTURES", 5)
    monkeypatch.setattr(pools, "HOLDOUT_STRUCTURES", 3)
    pool, again = open_pool(dataset), open_pool(dataset)
    drawn = [s.name for s in (*pool.reference, *pool.holdout)]
    assert drawn == [s.name for s in (*again.reference, *again.holdout)]
    assert len(set(drawn)) == 8
    assert drawn != [s.name for s in (*BENZENES[:5], *BENZENES[12:15])]
    assert (pool.sizes, pool.available) == ((5, 3), (12, 8))


def test_file_is_halved_at_random_and_always_alike(tmp_path):
    path = tmp_path / "rings.xyz"
    io.write(path, BENZENES[:15])
    pool, again = open_pool(path), open_pool(path)
    sides = [[s.name for s in side] for side in (pool.reference, pool.holdout)]
    assert [len(side) for side in sides] == [8, 7]
    assert sorted(sides[0] + sides[1]) == sorted(s.name for s in BENZENES[:15])
    assert sides == [[s.name for s in side] for side in (again.reference, again.holdout)]
    assert sides[0] != [s.name for s in BENZENES[:8]]
    assert pool.fingerprint == again.fingerprint
    reference = DistributionReference.open(path)
    assert (reference.bonds, reference.sums.n, len(reference.holdout)) == ("lookup", 8, 7)
    assert list(tmp_path.iterdir()) == [path], "nothing is kept for a file"


def test_long_files_are_sampled_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(pools, "REFERENCE_STRUCTURES", 4)
    monkeypatch.setattr(pools, "HOLDOUT_STRUCTURES", 3)
    chosen = np.zeros(20)
    for seed in range(300):
        monkeypatch.setattr(pools, "SEED", seed)
        kept, seen, unscorable = pools._sample(iter(range_of_structures(20)), 8)
        assert (len(kept), seen, unscorable) == (8, 20, 0)
        chosen[[int(s.name) for s in kept]] += 1
    assert np.abs(chosen / 300 - 0.4).max() < 0.12, "4 standard deviations"
    path = tmp_path / "rings.xyz"
    io.write(path, BENZENES)
    assert open_pool(path).sizes == (4, 3)
    assert open_pool(path).available == (10, 10)


def range_of_structures(n):
    return [METHANE.replace(name=str(k)) for k in range(n)]


def test_bad_records_of_a_file_are_skipped_and_counted(tmp_path):
    path = tmp_path / "some.xyz"
    io.write(path, [METHANE, AMMONIA, ACETYLENE])
    path.write_text(path.read_text() + "1\n\nXx 0 0 0\n")
    reference = DistributionReference.open(path)
    assert (reference.sums.n, len(reference.holdout), reference.description["skipped"]) == (2, 1, 1)


def test_files_that_cannot_be_a_reference(tmp_path):
    one, torn, hashes = tmp_path / "one.xyz", tmp_path / "torn.sdf", tmp_path / "training_hashes.npy"
    io.write(one, [METHANE])
    with pytest.raises(
        InputError, match=r"one\.xyz: a reference needs at least two readable structures, this file has 1"
    ):
        DistributionReference.open(one)
    torn.write_text("nothing\n\n\nlike a molecule\n$$$$\n")
    with pytest.raises(InputError, match=r"torn.sdf: .*has 0; record 1"):
        DistributionReference.open(torn)
    (tmp_path / "empty.xyz").touch()
    with pytest.raises(InputError, match=r"empty.xyz"):
        DistributionReference.open(tmp_path / "empty.xyz")
    (tmp_path / "what.pdf").write_bytes(b"%PDF")
    with pytest.raises(InputError, match=r"what.pdf"):
        DistributionReference.open(tmp_path / "what.pdf")
    np.save(hashes, np.arange(3, dtype=np.uint64))
    for no_coordinates in (hashes, tmp_path):
        with pytest.raises(InputError, match="holds no coordinates"):
            DistributionReference.open(no_coordinates)
    with pytest.raises(MissingError, match=r"absent.sdf"):
        DistributionReference.open(tmp_path / "absent.sdf")
    with pytest.raises(MissingError, match="no data set 'absent'"):
        DistributionReference.open("absent")
    with pytest.raises(ConfigError, match="unknown bond source 'guess'"):
        DistributionReference.open("embedded", "guess")


def test_reference_of_a_data_set_is_kept_in_its_folder(dataset):
    steps = []
    made = DistributionReference.open(dataset, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (20, 20)
    cache = dataset / "distributions_train_lookup.npz"
    assert [p for p in dataset.iterdir() if p.suffix in (".npz", ".part")] == [cache]
    steps.clear()
    again = DistributionReference.open(dataset, progress=lambda done, total: steps.append((done, total)))
    assert not steps
    assert same(made, again)
    np.testing.assert_array_equal(made.draw(5), again.draw(5))


@pytest.mark.parametrize("harm", ["torn", "empty", "not a zip", "other data", "other version"])
def test_a_cache_that_does_not_fit_is_made_again(dataset, harm, monkeypatch):
    made = DistributionReference.open(dataset)
    cache = dataset / "distributions_train_lookup.npz"
    if harm == "torn":
        cache.write_bytes(cache.read_bytes()[:-200])
    elif harm == "empty":
        cache.write_bytes(b"")
    elif harm == "not a zip":
        cache.write_bytes(b"\x93NUMPY" + bytes(100))
    elif harm == "other data":
        meta = json.loads((dataset / "meta.json").read_text())
        (dataset / "meta.json").write_text(json.dumps(meta | {"fingerprint": "another"}))
    else:
        monkeypatch.setattr(reference_module, "VERSION", "distributions-2")
    steps = []
    again = DistributionReference.open(dataset, progress=lambda done, _: steps.append(done))
    assert steps
    assert (again.description == made.description) == (harm in ("torn", "empty", "not a zip"))
    steps.clear()
    DistributionReference.open(dataset, progress=lambda done, _: steps.append(done))
    assert not steps


def test_read_only_data_sets_are_used_all_the_same(dataset, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("read-only file system")

    monkeypatch.setattr(reference_module.np, "savez_compressed", refuse)
    assert DistributionReference.open(dataset).sums.n == 12
    assert not list(dataset.glob("distributions*"))


def test_workers_change_nothing(dataset):
    here = DistributionReference.open(dataset)
    (dataset / "distributions_train_lookup.npz").unlink()
    assert same(here, DistributionReference.open(dataset, workers=2))


def test_bonds_are_the_same_on_both_sides(dataset, embedded):
    asked = {bonds: DistributionReference.open(dataset, bonds) for bonds in ("auto", "file", "lookup")}
    assert {reference.bonds for reference in asked.values()} == {"lookup"}
    assert [bool(reference.notes) for reference in asked.values()] == [False, True, False]
    assert "states no bonds" in asked["file"].notes[0]
    by_lookup = DistributionReference.open(embedded, "lookup")
    assert by_lookup.bonds == "lookup"
    assert by_lookup.description["bonds"] == "lookup"
    assert by_lookup.sums.bonds == {"lookup": 1803}


def test_noise_of_the_control_is_seeded_and_of_the_stated_size():
    many = Structure(numbers=[6] * 20_000, positions=np.zeros((20_000, 3)))
    noise = jitter(many, 3).positions
    assert noise.std() == pytest.approx(0.1, rel=0.01)
    assert abs(noise.mean()) < 0.002
    np.testing.assert_array_equal(noise, jitter(many, 3).positions)
    assert not np.allclose(noise, jitter(many, 4).positions)


def test_control_keeps_stated_bonds_and_finds_others_anew(embedded):
    structures = list(open_structures("embedded:test"))[:30]
    for plain, moved in measured(structures, "file", True):
        np.testing.assert_array_equal(np.sort(plain.cells["bond_type"]), np.sort(moved.cells["bond_type"]))
        assert not np.array_equal(plain.cells["bond_length"], moved.cells["bond_length"])
    found = [
        (p, m)
        for p, m in measured(structures, "lookup", True)
        if len(p.cells["bond_type"]) != len(m.cells["bond_type"])
    ]
    assert len(found) > 15


def test_searching_bond_sources_are_called_in_a_guarded_process():
    structures = list(open_structures("embedded:test"))[:3]
    for (found, _), structure in zip(measured(structures, "xyz2mol", False), structures, strict=True):
        expected = features(Subject(structure), "xyz2mol")
        assert found.bonds == "xyz2mol"
        assert {name: cells.tolist() for name, cells in found.cells.items()} == {
            name: cells.tolist() for name, cells in expected.cells.items()
        }


def test_structures_that_cannot_be_measured_are_counted():
    broken = METHANE.replace(positions=METHANE.positions * np.nan)
    answers = list(measured([METHANE, broken, AMMONIA], "lookup", False))
    assert [plain is None for plain, _ in answers] == [False, True, False]


def test_drawn_rows_are_usable_different_and_all_there_are_at_most(embedded_reference):
    rows = embedded_reference.draw(100)
    assert len(set(rows.tolist())) == 100
    assert embedded_reference.holdout.usable[rows].all()
    assert sorted(embedded_reference.draw(10_000).tolist()) == list(range(225))
    assert len(embedded_reference.draw(0)) == 0


def test_reference_from_smiles_says_that_its_geometries_were_made(tmp_path):
    (tmp_path / "some.smi").write_text("C\nCC\nCCO\nc1ccccc1\n")
    reference = DistributionReference.open(tmp_path / "some.smi")
    assert reference.bonds == "file"
    assert "made from SMILES" in reference.notes[0]
