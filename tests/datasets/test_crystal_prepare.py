"""Packing crystals: what comes out is the crystal that went in; what is left out is counted; splits are kept."""

import numpy as np
import pytest

from molgen import io
from molgen.chemistry.periodic_distances import CellDistances
from molgen.datasets.crystal_prepare import prepare_crystals
from molgen.datasets.crystal_sets import CRYSTAL_SETS
from molgen.datasets.describe import describe_lines, description
from molgen.datasets.packed import PackedDataset
from molgen.errors import InputError, OutputError
from tests.datasets.conftest import SHARED
from tests.datasets.crystals import ALL, BAD, GROUPS, SALT, cif, text_of, write_csv, write_npz


def is_same_crystal(one, other, tolerance=1e-4):
    from pymatgen.analysis.structure_matcher import StructureMatcher

    from molgen.convert import to_pymatgen

    matcher = StructureMatcher(ltol=tolerance, stol=tolerance, angle_tol=0.01, scale=False, primitive_cell=False)
    return matcher.fit(to_pymatgen(one), to_pymatgen(other))


@pytest.fixture
def table(tmp_path):
    rows = [
        {"material_id": s.name, "e_above_hull": 0.1 * k, "cif": text_of(s, tmp_path), "theoretical": k == 1}
        for k, s in enumerate(ALL)
    ]
    folder = tmp_path / "source"
    folder.mkdir()
    write_csv(folder / "train.csv", rows)
    write_csv(folder / "val.csv.gz", rows[:1])
    write_csv(folder / "test.csv", rows[1:])
    return folder


def test_the_crystals_come_back_in_their_splits(table, tmp_path):
    made = prepare_crystals(table, tmp_path / "set")
    data = PackedDataset.open(made.folder)
    assert data.meta["splits"] == {"train": 3, "valid": 1, "test": 2}
    assert [s.name for s in data.structures()] == ["salt", "cscl", "C", "salt", "cscl", "C"]
    for kept, given in zip(data.structures("train"), ALL, strict=True):
        assert is_same_crystal(kept, given)
        assert np.linalg.det(kept.lattice) > 0
    assert data.properties["spacegroup"].tolist() == [*GROUPS, *GROUPS]
    assert data.properties["energy_above_hull"].tolist() == pytest.approx([0, 0.1, 0.2, 0, 0.1, 0.2])
    assert data.properties["theoretical"].tolist() == [0, 1, 0, 0, 1, 0]
    assert data.meta["units"]["energy_above_hull"] == "eV/atom"
    assert data.meta["about"]["split"] == "as in the source"
    assert made.skipped.total == 0


def test_batches_hold_lattices_and_fractionals_inside(table, tmp_path):
    data = PackedDataset.open(prepare_crystals(table, tmp_path / "set").folder)
    batch = data.batch(np.array([0, 2, 5]))
    assert batch.lattice.shape == (3, 3, 3)
    np.testing.assert_allclose(batch.lattice[1].numpy(), data.structure(2).lattice, rtol=1e-6)
    fractional = batch.positions @ batch.lattice.inverse()
    assert fractional.min() > -1e-6
    assert fractional.max() < 1 + 1e-6


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_ones_are_counted_by_reason_and_split(table, tmp_path, workers):
    rows = [{"material_id": f"m{k}", "cif": text} for k, text in enumerate([*BAD.values(), ""])]
    write_csv(table / "val.csv.gz", rows)
    made = prepare_crystals(table, tmp_path / "set", workers=workers)
    meta = PackedDataset.open(made.folder).meta
    unreadable = {"malformed CIF block", "no CIF"}
    assert meta["left_out"]["reasons"] == {kind: {"valid": 1} for kind in BAD if kind not in unreadable}
    assert meta["left_out"]["examples"]["zero volume"][0].startswith("m1: val.csv.gz, row 2 m1: ")
    assert dict(made.skipped.counts) == dict.fromkeys(unreadable, 1)
    assert meta["splits"] == {"train": 3, "valid": 0, "test": 2}
    assert "this source has no valid split" in meta["about"]["split"]


def test_workers_and_repetition_change_nothing(table, tmp_path):
    prints = {prepare_crystals(table, tmp_path / f"s{w}{k}", workers=w).fingerprint for w in (1, 2) for k in (0, 1)}
    assert len(prints) == 1


def test_without_splits_a_seed_decides(tmp_path):
    io.write(tmp_path / "all.extxyz", list(ALL) * 10)
    made = [prepare_crystals(tmp_path / "all.extxyz", tmp_path / f"s{k}", seed=k % 2) for k in range(3)]
    assert made[0].fingerprint == made[2].fingerprint != made[1].fingerprint
    meta = PackedDataset.open(made[0].folder).meta
    assert meta["splits"] == {"train": 24, "valid": 3, "test": 3}
    assert meta["about"]["split"] == "random, 0.8/0.1/0.1, seed 0"


def test_a_published_set_counts_what_its_source_lacks(tmp_path):
    (tmp_path / "mpts").mkdir()
    write_csv(tmp_path / "mpts" / "val.csv", [{"cif": cif()}, {"cif": BAD["zero volume"]}, {"cif": "nothing"}])
    write_csv(tmp_path / "mpts" / "test.csv.gz", [{"cif": cif()}])
    made = prepare_crystals(tmp_path / "mpts", tmp_path / "set", published=CRYSTAL_SETS["mpts52"])
    meta = PackedDataset.open(made.folder).meta
    assert meta["splits"] == {"train": 0, "valid": 1, "test": 1}
    assert meta["missing"] == {"train": 27_380, "valid": 4_997, "test": 8_095}
    assert meta["about"]["split"] == "as published; this source has no train split"
    assert "MPTS-52" in meta["about"]["title"]


def test_splits_must_fit(table, tmp_path):
    with pytest.raises(InputError, match="has its own split"):
        prepare_crystals(table, tmp_path / "set", fractions=(0.8, 0.1, 0.1))
    io.write(tmp_path / "all.extxyz", list(ALL))
    with pytest.raises(InputError, match="does not say the split of 3 of 3 crystals"):
        prepare_crystals(tmp_path / "all.extxyz", tmp_path / "set", published=CRYSTAL_SETS["mp20"])
    assert not (tmp_path / "set").exists()


def test_nothing_usable_and_nothing_overwritten(table, tmp_path):
    write_csv(tmp_path / "flat.csv", [{"cif": BAD["zero volume"]}, {"cif": BAD["needle cell"]}])
    with pytest.raises(InputError, match=r"nothing to pack for set: left out +2 crystals; 1 x zero volume"):
        prepare_crystals(tmp_path / "flat.csv", tmp_path / "set")
    prepare_crystals(table, tmp_path / "set")
    with pytest.raises(OutputError, match="already exists"):
        prepare_crystals(table, tmp_path / "set")


def test_unknown_values_stay_unknown(tmp_path):
    write_npz(tmp_path / "mp20_train.npz", ALL, band_gap=[5.0, np.nan, 4.1], source=np.array([0, 1, 2], np.int8))
    data = PackedDataset.open(prepare_crystals(tmp_path / "mp20_train.npz", tmp_path / "set").folder)
    gaps = data.properties["band_gap"]
    assert np.isnan(gaps).tolist() == [False, True, False]
    assert data.properties["source"].tolist() == [0, 1, 2]
    assert "csv_row" not in data.properties


def test_description_tells_of_crystals(table, tmp_path):
    data = PackedDataset.open(prepare_crystals(table, tmp_path / "set").folder)
    document = description(data)
    facts = document["crystals"]
    assert facts["elements_per_crystal"] == {"1": 2, "2": 4}
    assert facts["space_groups"] == {"225": 2, "221": 2, "227": 2}
    assert facts["crystal_systems"] == {"cubic": 6}
    assert facts["share_of_P1"] == {"train": 0, "valid": 0, "test": 0}
    assert facts["volume_per_atom"][-1] == pytest.approx(4.12**3 / 2)
    text = "\n".join(describe_lines(document))
    assert "systems      cubic 100.0%" in text
    assert "space groups 3 occur; 225: 33.3%" in text


def test_left_handed_cells_are_turned_not_mirrored(tmp_path):
    left = SALT.replace(lattice=SALT.lattice[[1, 0, 2]])
    write_npz(tmp_path / "a.npz", [SALT, left])
    data = PackedDataset.open(prepare_crystals(tmp_path / "a.npz", tmp_path / "set").folder)
    one, other = data.structures()
    np.testing.assert_allclose(one.lattice, other.lattice, atol=1e-9)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "file"), [("mp20", "mp20_test.npz"), ("carbon24", "carbon24_val.npz")])
def test_real_crystals_are_unchanged(tmp_path, name, file):
    if not (SHARED / name / file).exists():
        pytest.skip(f"no ../shared/data/{name}")
    arrays = dict(np.load(SHARED / name / file))
    some, sizes = 40, arrays["num_atoms"].astype(int)
    few = {k: v[:some] for k, v in arrays.items() if v.shape[:1] == sizes.shape}
    few |= {key: arrays[key][: sizes[:some].sum()] for key in ("atomic_numbers", "frac_coords")}
    np.savez(tmp_path / file, **few)
    data = PackedDataset.open(prepare_crystals(tmp_path / file, tmp_path / "set", published=CRYSTAL_SETS[name]).folder)
    assert len(data) == some
    first = np.concatenate([[0], np.cumsum(sizes)])
    for k, kept in enumerate(data.structures()):
        rows = slice(first[k], first[k + 1])
        lattice = arrays["lattice"][k].astype(float)
        given = kept.replace(
            numbers=arrays["atomic_numbers"][rows],
            positions=arrays["frac_coords"][rows].astype(float) @ lattice,
            lattice=lattice,
        )
        assert abs(np.linalg.det(kept.lattice)) == pytest.approx(abs(np.linalg.det(lattice)), rel=1e-6)
        assert is_same_crystal(kept, given, 1e-3)
        assert CellDistances(kept).nearest_pair > 0.5
    if "spacegroup_spglib_0p1" in arrays:
        assert data.properties["spacegroup"].tolist() == arrays["spacegroup_spglib_0p1"][:some].tolist()
