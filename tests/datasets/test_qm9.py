import bz2
import gzip
import io as bytesio
import tarfile
import zipfile

import numpy as np
import pytest

from molgen import io
from molgen.datasets.packed import PackedDataset
from molgen.datasets.qm9 import EXCLUDED, MOLECULES, edm_split, read_excluded, split_codes
from molgen.datasets.qm9_prepare import codes_for, gdb_index, prepare_qm9
from molgen.datasets.source import open_source
from molgen.errors import InputError, MissingError
from molgen.structure import Structure
from tests.datasets.conftest import qm9_text

LISTED = np.arange(40, 40 + EXCLUDED)
"""An invented list of uncharacterised molecules of the right length; 40 is one of them, 1 to 5 are not."""


@pytest.fixture
def molecules():
    rng = np.random.default_rng(0)
    sizes = {1: 5, 2: 4, 3: 3, 40: 6}
    return {
        index: Structure(numbers=[6] + [1] * (n - 1), positions=rng.normal(size=(n, 3)).round(8), name=f"gdb_{index}")
        for index, n in sizes.items()
    }


@pytest.fixture
def listed(tmp_path):
    path = tmp_path / "list" / "uncharacterized.txt"
    path.parent.mkdir()
    path.write_text(
        "\n\nList of molecules\n====\n#  Index  SMILES\n" + "".join(f"  {i}  C  C  3.4\n" for i in LISTED) + "===\n"
    )
    return path


@pytest.fixture
def texts(molecules):
    return {f"dsgdb9nsd_{index:06d}.xyz": qm9_text(index, mol, index == 2) for index, mol in molecules.items()}


def _folder(path, texts):
    path.mkdir()
    for name, text in texts.items():
        (path / name).write_text(text)
    return path


def _tar(path, texts, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, text in texts.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, bytesio.BytesIO(text.encode()))
    return path


def _zip(path, texts):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            archive.writestr(f"xyz/{name}", text)
    return path


def prepare(source, listed, folder, **options):
    structures, arrays = open_source(source)
    return prepare_qm9(structures, folder, codes=codes_for(source, listed, arrays), source=str(source), **options)


MAKERS = {
    "folder": lambda path, texts: _folder(path / "xyz", texts),
    "tar": lambda path, texts: _tar(path / "a.tar", texts),
    "tar.gz": lambda path, texts: _tar(path / "a.tar.gz", texts, "w:gz"),
    "tar.bz2": lambda path, texts: _tar(path / "a.tar.bz2", texts, "w:bz2"),
    "zip": lambda path, texts: _zip(path / "a.zip", texts),
}


@pytest.mark.parametrize("form", MAKERS)
def test_original_form_from_every_container(form, tmp_path, listed, texts, molecules):
    made = prepare(MAKERS[form](tmp_path, texts), listed, tmp_path / "qm9")
    data = PackedDataset.open(made.folder)
    assert [s.name for s in data.structures()] == ["gdb_1", "gdb_2", "gdb_3"]
    np.testing.assert_allclose(data.structure(0).positions, molecules[1].positions, atol=1e-6)
    assert data.structure(1).positions[0, 0] == pytest.approx(-4.9e-6)
    assert data.structure(2).properties["Cv"] == 14.5
    assert data.structure(2).properties["gdb_index"] == 3
    assert data.meta["units"]["alpha"] == "bohr^3"
    assert data.meta["uncharacterised"] == 1
    assert sum(data.meta["missing"].values()) == MOLECULES - EXCLUDED - 3
    assert made.skipped.total == 0
    np.testing.assert_array_equal(data.arrays["split"], split_codes(np.array([1, 2, 3]), LISTED))


def test_all_containers_give_the_same_data_set(tmp_path, listed, texts):
    prints = set()
    for form, make in MAKERS.items():
        (tmp_path / form).mkdir()
        prints.add(prepare(make(tmp_path / form, texts), listed, tmp_path / f"qm9-{form}").fingerprint)
    assert len(prints) == 1


@pytest.mark.parametrize("suffix", ["sdf", "xyz", "extxyz", "extxyz.gz"])
def test_single_files(suffix, tmp_path, listed, molecules):
    path = tmp_path / f"qm9.{suffix}"
    io.write(path, molecules.values())
    data = PackedDataset.open(prepare(path, listed, tmp_path / "qm9").folder)
    assert [s.name for s in data.structures()] == ["gdb_1", "gdb_2", "gdb_3"]
    np.testing.assert_allclose(data.structure(1).positions, molecules[2].positions, atol=1e-4)


def test_plain_xyz_files_are_known_by_their_names(tmp_path, listed, molecules):
    folder = _folder(tmp_path / "plain", {})
    for index, molecule in molecules.items():
        io.write(folder / f"dsgdb9nsd_{index:06d}.xyz", [molecule.replace(name="some title")])
    data = PackedDataset.open(prepare(folder, listed, tmp_path / "qm9").folder)
    assert data.properties["gdb_index"].tolist() == [1, 2, 3]


def test_flat_arrays(tmp_path, molecules):
    path, codes = tmp_path / "qm9.npz", [0, 2, 1]
    kept = [molecules[i] for i in (1, 2, 3)]
    arrays = {
        "gdb_index": [1, 2, 3],
        "n_atoms": np.array([len(m) for m in kept], np.int16),
        "z": np.concatenate([m.numbers for m in kept]).astype(np.int8),
        "pos": np.concatenate([m.positions for m in kept]),
        "prop_names": np.array(["gap_Ha"]),
        "props": np.array([[0.5], [np.nan], [0.25]]),
        "edm_split": codes,
    }
    np.savez(path, **arrays)
    data = PackedDataset.open(prepare(path, None, tmp_path / "qm9").folder)
    assert data.arrays["split"].tolist() == codes
    assert data.meta["units"] == {"gap": "Ha"}
    np.testing.assert_array_equal(data.properties["gap"], [0.5, np.nan, 0.25])
    for broken, sentence in (
        ({"z": arrays["z"][:-1]}, "n_atoms adds up to 12 atoms"),
        ({"props": np.zeros((2, 1))}, "does not fit 3 molecules"),
    ):
        np.savez(path, **arrays | broken)
        with pytest.raises(InputError, match=sentence):
            open_source(path)
    np.savez(path, z=arrays["z"])
    with pytest.raises(InputError, match="lacks the array n_atoms, pos"):
        open_source(path)
    path.write_bytes(b"PK nonsense")
    with pytest.raises(InputError, match="not a readable"):
        open_source(path)
    np.savez(path, **arrays | {"z": np.array([{}], dtype=object)})
    with pytest.raises(InputError, match="not a readable"):
        open_source(path)


@pytest.mark.parametrize(
    ("key", "values", "sentence"),
    [
        ("gdb_index", [1, 133_886], "gdb_index goes from 1 to 133885, but entry 1 is 133886"),
        ("gdb_index", [0, 1], "gdb_index goes from 1 to 133885, but entry 0 is 0"),
        ("gdb_index", [-1, 1], "entry 0 is -1"),
        ("gdb_index", [1.0, 2.0], "gdb_index must hold 2 integers; it is float64"),
        ("gdb_index", [1, 2, 3], r"gdb_index must hold 2 integers; it is int64 of shape \(3,\)"),
        ("edm_split", [0, 3], "edm_split goes from -1 to 2, but entry 1 is 3"),
        ("edm_split", [0, 300], "entry 1 is 300"),
        ("edm_split", ["train", "test"], "edm_split must hold 2 integers"),
        ("edm_split", 1, r"of shape \(\)"),
        ("n_atoms", [2**62, 2**62], "n_atoms"),
        ("n_atoms", [-1, 4], "n_atoms"),
        ("n_atoms", [1.0, 2.0], "n_atoms"),
        ("z", [6.0, 1.0, 1.0], "array z cannot be used; it is float64"),
        ("z", 6, "array z cannot be used"),
        ("pos", np.full((3, 3), "x"), "array pos cannot be used"),
        ("pos", np.full((3, 3), 1j), "array pos cannot be used"),
        ("props", np.full((2, 1), "x"), "array props cannot be used"),
        ("prop_names", "gap", "array prop_names cannot be used"),
        ("id", np.full(2, 1.5), "array id cannot be used"),
    ],
)
def test_flat_arrays_that_cannot_be_used(tmp_path, key, values, sentence):
    arrays = {"n_atoms": [1, 2], "z": [6, 1, 1], "pos": np.eye(3), "gdb_index": [1, 2], "edm_split": [0, 1]}
    arrays |= {"props": np.ones((2, 1)), "prop_names": ["gap_Ha"], "id": ["a", "b"]}
    np.savez(tmp_path / "a.npz", **arrays)
    assert prepare(tmp_path / "a.npz", None, tmp_path / "good").structures == 2
    np.savez(tmp_path / "a.npz", **arrays | {key: values})
    with pytest.raises(InputError, match=sentence):
        prepare(tmp_path / "a.npz", None, tmp_path / "bad")


def test_damaged_flat_arrays(tmp_path):
    """Bytes flipped anywhere in the file, in its zip directory too."""
    path, rng = tmp_path / "a.npz", np.random.default_rng(0)
    np.savez_compressed(path, n_atoms=[1, 2], z=[6, 1, 1], pos=np.eye(3))
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    refused = 0
    for _ in range(300):
        damaged = whole.copy()
        damaged[rng.integers(len(whole), size=3)] = rng.integers(256, size=3)
        path.write_bytes(damaged[: rng.choice([len(whole), rng.integers(1, len(whole))])].tobytes())
        try:
            open_source(path)
        except InputError:
            refused += 1
    assert refused > 100


def test_without_hydrogens(tmp_path, listed, texts):
    made = prepare(_folder(tmp_path / "xyz", texts), listed, tmp_path / "qm9-noh", hydrogens=False)
    data = PackedDataset.open(made.folder)
    assert data.elements == [6]
    assert not data.has_hydrogens
    assert data.sizes.tolist() == [1, 1, 1]


def test_bad_records_are_counted_by_reason(tmp_path, listed, texts):
    whole = texts["dsgdb9nsd_000003.xyz"]
    bad = {
        "dsgdb9nsd_000004.xyz": "",
        "dsgdb9nsd_000005.xyz": "\n".join(whole.replace("gdb 3", "gdb 5").splitlines()[:3]),
        "dsgdb9nsd_000006.xyz": whole.replace("gdb 3", "gdb 6").replace("H\t", "Xx\t"),
        "dsgdb9nsd_000007.xyz": whole.replace("gdb 3", "gdb 7").replace("C\t", "C\tnan\t", 1),
        "dsgdb9nsd_000008.xyz": whole,
        "picture.png": "no",
        "readme.txt": "ignored",
        "unnamed.xyz": "1\n\nH 0 0 0\n",
    }
    made = prepare(_folder(tmp_path / "xyz", texts | bad), listed, tmp_path / "qm9")
    assert made.structures == 3
    assert made.skipped.total == 7
    reasons = PackedDataset.open(made.folder).meta["skipped"]["reasons"]
    assert reasons == {
        "empty file": 1,
        "truncated record": 1,
        "unknown element": 1,
        "coordinates are not finite": 1,
        "repeated GDB index": 1,
        "not an xyz file": 1,
        "no GDB index": 1,
    }
    records = {kind: example.partition(":")[0] for kind, example in made.skipped.examples.items()}
    assert records["empty file"] == "record 4"
    assert records["repeated GDB index"] == "record 8"
    assert records["no GDB index"] == "record 11"


@pytest.mark.parametrize("form", ["tar.gz", "tar.bz2", "tar", "zip"])
def test_truncated_archives(form, tmp_path, listed, texts):
    path = MAKERS[form](tmp_path, texts)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 4])
    with pytest.raises(InputError, match="truncated, damaged or not the archive"):
        prepare(path, listed, tmp_path / "qm9")
    assert not (tmp_path / "qm9").exists()
    assert not list(tmp_path.glob(".qm9*"))


def test_archive_that_is_something_else(tmp_path, listed):
    for name, content in (
        ("a.tar.bz2", b"hello"),
        ("b.tar.gz", gzip.compress(b"hello")),
        ("c.tar.bz2", bz2.compress(b"")),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError):
            prepare(tmp_path / name, listed, tmp_path / "qm9")


def test_empty_folder_says_so(tmp_path, listed):
    with pytest.raises(InputError, match="nothing to pack for qm9: the source is empty"):
        prepare(_folder(tmp_path / "xyz", {}), listed, tmp_path / "qm9")


def test_list_next_to_the_source_is_found(tmp_path, listed, texts):
    listed.rename(tmp_path / "uncharacterized.txt")
    assert (
        PackedDataset.open(prepare(_tar(tmp_path / "a.tar", texts), None, tmp_path / "qm9").folder).meta[
            "uncharacterised"
        ]
        == 1
    )


def test_list_is_needed_and_checked(tmp_path, texts, listed):
    source = _tar(tmp_path / "a.tar", texts)
    with pytest.raises(MissingError, match="3054 uncharacterised") as caught:
        prepare(source, None, tmp_path / "qm9")
    assert "--excluded" in caught.value.hint
    with pytest.raises(MissingError, match="no list"):
        prepare(source, tmp_path / "absent.txt", tmp_path / "qm9")
    listed.write_text(listed.read_text().replace("  41  C", "  x  C"))
    with pytest.raises(InputError, match="lists 3053 molecules"):
        prepare(source, listed, tmp_path / "qm9")


@pytest.mark.parametrize(
    ("name", "stated", "index"),
    [
        ("gdb_17", None, 17),
        ("dsgdb9nsd_000017", None, 17),
        ("gdb 17 x", None, 17),
        ("methane", 4, 4),
        ("17", None, None),
    ],
)
def test_gdb_index(name, stated, index):
    properties = {} if stated is None else {"gdb_index": stated}
    assert gdb_index(Structure(numbers=[1], positions=[[0, 0, 0]], name=name, properties=properties)) == index


@pytest.mark.parametrize("stated", [0, 133886, "methane", float("nan")])
def test_gdb_index_that_is_none(stated):
    assert gdb_index(Structure(numbers=[1], positions=[[0, 0, 0]], properties={"gdb_index": stated})) is None


def test_split_sizes():
    assert [len(members) for members in edm_split(LISTED).values()] == [100_000, 17_748, 13_083]
    together = np.concatenate(list(edm_split(LISTED).values()))
    np.testing.assert_array_equal(np.sort(together), np.setdiff1d(np.arange(1, MOLECULES + 1), LISTED))


@pytest.mark.shared
def test_split_is_that_of_edm(shared_qm9):
    """Exactly, in order, and the list's file is parsed to exactly the recorded indices."""
    expected = np.load(shared_qm9 / "edm_split_indices.npz", allow_pickle=False)
    excluded = read_excluded(shared_qm9 / "uncharacterized.txt")
    np.testing.assert_array_equal(excluded, np.sort(expected["excluded"]))
    for split, members in edm_split(excluded).items():
        np.testing.assert_array_equal(members, expected[split])


@pytest.mark.shared
def test_shared_arrays_pack_completely(shared_qm9, tmp_path):
    source = shared_qm9 / "qm9_compact.npz"
    data = PackedDataset.open(prepare(source, None, tmp_path / "qm9").folder)
    arrays = np.load(source, allow_pickle=False)
    assert data.meta["splits"] == {"train": 98_412, "valid": 17_473, "test": 12_859}
    assert data.meta["missing"] == {"train": 1_588, "valid": 275, "test": 224}
    np.testing.assert_array_equal(data.arrays["positions"], arrays["pos"])
    np.testing.assert_array_equal(data.arrays["numbers"], arrays["z"])
    np.testing.assert_array_equal(data.arrays["split"], arrays["edm_split"])
    np.testing.assert_array_equal(data.sizes, arrays["n_atoms"])
