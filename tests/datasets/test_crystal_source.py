"""Every form in which crystals come, and what is wrong with them."""

import tarfile
import zipfile

import numpy as np
import pytest

from molgen import io
from molgen.datasets.crystal_cleaning import clean
from molgen.datasets.crystal_source import CrystalSource, holds_crystals, split_of_name
from molgen.errors import InputError, MissingError
from molgen.structure import Structure
from tests.datasets.crystals import ALL, BAD, SALT, cif, text_of, write_csv, write_npz


def names(path, **options):
    """(name, split, number of atoms or reason) of every record, cleaned."""
    cleaned = [clean(raw) for raw in CrystalSource(path).records(**options)]
    return [(c.name, c.split, len(c.structure) if c.structure else c.reason.partition(":")[0]) for c in cleaned]


@pytest.fixture
def cifs(tmp_path):
    folder = tmp_path / "cifs"
    (folder / "deep").mkdir(parents=True)
    for structure in ALL:
        (folder / f"{structure.name}.cif").write_text(text_of(structure, tmp_path))
    (folder / "deep" / "two.cif").write_text(cif(name="first") + cif(name="second"))
    (folder / "README.md").write_text("not a crystal")
    (folder / "photo.png").write_bytes(b"\x89PNG")
    io.write(folder / "POSCAR", SALT.replace(name=""))
    return folder


FOUND = [
    ("C", None, 2),
    ("POSCAR", None, 2),
    ("cscl", None, 2),
    ("two", None, 2),
    ("second", None, 2),
    ("", None, "not a crystal file"),
    ("salt", None, 2),
]


def test_folder_zip_and_tar_of_cifs(cifs, tmp_path):
    assert holds_crystals(cifs)
    assert names(cifs) == FOUND
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for file in sorted(cifs.rglob("*.cif")):
            archive.write(file, file.relative_to(cifs))
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        for file in sorted(cifs.rglob("*.cif")):
            archive.add(file, file.name)
    for packed in (tmp_path / "all.zip", tmp_path / "all.tar.gz"):
        assert holds_crystals(packed)
        assert names(packed) == [row for row in FOUND if row[0] not in ("POSCAR", "")]


def test_folders_and_files_named_for_splits(cifs, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    cifs.rename(home / "train")
    write_npz(home / "mp20_val.npz", ALL[:1])
    write_csv(home / "rows.csv.gz", [{"a": 1}])
    assert holds_crystals(home)
    assert names(home) == [(name, 0, found) for name, _, found in FOUND] + [("salt", 1, 2)]
    write_csv(home / "valid.csv", [{"cif": cif()}])
    with pytest.raises(InputError, match=r"several files of the valid split: mp20_val.npz, valid.csv"):
        CrystalSource(home)


@pytest.mark.parametrize(
    ("name", "code"),
    [("train.csv", 0), ("mp20_val.npz", 1), ("test", 2), ("validation.csv.gz", 1), ("latest.csv", None),
     ("a.cif", None), ("train_test.csv", None)],
)  # fmt: skip
def test_split_of_name(name, code):
    assert split_of_name(name) == code


def test_extxyz_frames_name_their_split_or_their_file_does(tmp_path):
    frames = [
        s.replace(properties={"split": word, "gap": 1.5}) for s, word in zip(ALL, ("train", "val", "test"), strict=True)
    ]
    io.write(tmp_path / "my.extxyz", frames)
    assert holds_crystals(tmp_path / "my.extxyz")
    assert names(tmp_path / "my.extxyz") == [("salt", 0, 2), ("cscl", 1, 2), ("C", 2, 2)]
    assert clean(next(CrystalSource(tmp_path / "my.extxyz").records())).structure.properties["gap"] == 1.5
    io.write(tmp_path / "test.extxyz", ALL)
    assert names(tmp_path / "test.extxyz")[0] == ("salt", 2, 2)
    assert names(tmp_path / "test.extxyz", by_name=False)[0] == ("salt", None, 2)
    io.write(tmp_path / "test.extxyz", frames)
    with pytest.raises(InputError, match="another split than test"):
        names(tmp_path / "test.extxyz")
    io.write(tmp_path / "odd.extxyz", [SALT.replace(properties={"split": "holdout"})])
    with pytest.raises(InputError, match="'holdout' is no split"):
        names(tmp_path / "odd.extxyz")


def test_molecules_and_slabs_among_crystals(tmp_path):
    slab = SALT.replace(properties={"pbc": "T T F"})
    io.write(tmp_path / "m.extxyz", [SALT, Structure(numbers=[8], positions=[[0, 0, 0]]), slab])
    assert [found for *_, found in names(tmp_path / "m.extxyz")] == [2, "no lattice", "partly periodic"]
    io.write(tmp_path / "molecules.extxyz", [Structure(numbers=[8], positions=[[0, 0, 0]])])
    assert not holds_crystals(tmp_path / "molecules.extxyz")


def test_ase_database(tmp_path):
    from ase.db import connect

    from molgen.convert import to_ase

    with connect(tmp_path / "my.db") as database:
        for structure, word in zip(ALL, ("train", "train", "test"), strict=True):
            database.write(to_ase(structure), name=structure.name, split=word, band_gap=2.5)
    assert holds_crystals(tmp_path / "my.db")
    assert names(tmp_path / "my.db") == [("salt", 0, 2), ("cscl", 0, 2), ("C", 2, 2)]
    found = clean(next(CrystalSource(tmp_path / "my.db").records())).structure
    assert found.properties == {"band_gap": 2.5, "spacegroup": 225}
    (tmp_path / "no.db").write_text("no database")
    with pytest.raises(InputError, match="no SQLite database"):
        names(tmp_path / "no.db")
    (tmp_path / "cut.db").write_bytes((tmp_path / "my.db").read_bytes()[:3000])
    with pytest.raises(InputError, match="no ASE database, or damaged"):
        names(tmp_path / "cut.db")


@pytest.mark.parametrize("kind", BAD)
def test_each_kind_of_bad_cif(tmp_path, kind):
    (tmp_path / "bad.cif").write_text(BAD[kind])
    assert names(tmp_path / "bad.cif") == [("bad", None, kind)]


def test_one_atom_is_a_crystal_and_missing_symmetry_is_none(tmp_path):
    (tmp_path / "fe.cif").write_text(cif("Fe1 Fe 0 0 0 1", a="2.5", c="2.5"))
    assert clean(next(CrystalSource(tmp_path / "fe.cif").records())).structure.properties == {"spacegroup": 221}


def test_tables_of_other_form(tmp_path):
    write_csv(tmp_path / "smiles.csv", [{"smiles": "C"}])
    assert not holds_crystals(tmp_path / "smiles.csv")
    with pytest.raises(InputError, match="has no column cif; it has smiles"):
        names(tmp_path / "smiles.csv")
    path = write_csv(tmp_path / "t.csv", [{"CIF": cif(), "split": "val", "gap": ""}, {"CIF": cif(), "split": "test"}])
    assert [row[1:] for row in names(path)] == [(1, 2), (2, 2)]
    path.write_text(path.read_text() + '9,"data_x\n')
    assert names(path)[-1] == ("", None, "truncated row")
    whole = write_csv(tmp_path / "w.csv.gz", [{"cif": cif()}] * 50).read_bytes()
    (tmp_path / "w.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged or no table"):
        names(tmp_path / "w.csv.gz")


def test_arrays_that_do_not_fit(tmp_path):
    path = write_npz(tmp_path / "a.npz", ALL)
    arrays = dict(np.load(path))
    for key, value, message in (
        ("lattice", arrays["lattice"][:2], r"lattice is \(2, 3, 3\), and num_atoms asks for \(3, 3, 3\)"),
        ("num_atoms", np.array([2, 2, 9]), "must list the counts"),
        ("frac_coords", arrays["frac_coords"].astype(str), "frac_coords cannot be used"),
    ):
        np.savez(path, **{**arrays, key: value})
        with pytest.raises(InputError, match=message):
            names(path)
    np.savez(path, **{**arrays, "lattice": arrays["lattice"] * np.array([1, np.nan, 1])[:, None, None]})
    assert [row[2] for row in names(path)] == [2, "malformed lattice", 2]
    np.savez(path, **{**arrays, "atomic_numbers": np.array([11, 17, 0, 119, 6, 6])})
    assert [row[2] for row in names(path)] == [2, "unknown element", 2]
    np.savez(path, **{**arrays, "frac_coords": np.where(np.arange(6)[:, None] == 5, np.inf, arrays["frac_coords"])})
    assert [row[2] for row in names(path)] == [2, 2, "coordinates are not finite"]
    assert not holds_crystals(write_csv(tmp_path / "x.csv", [{"a": 1}]))


def test_a_cell_of_too_many_atoms_is_left_out(tmp_path):
    places = np.stack(np.meshgrid(*[np.arange(11) * 3.0] * 3), -1).reshape(-1, 3)
    io.write(tmp_path / "big.extxyz", [Structure(numbers=[26] * 1331, positions=places, lattice=33 * np.eye(3))])
    assert names(tmp_path / "big.extxyz") == [("big 1", None, "too many atoms")]


def test_absent(tmp_path):
    with pytest.raises(MissingError):
        CrystalSource(tmp_path / "absent")
    assert not holds_crystals(tmp_path / "absent")
