"""Files of reference energies: ours, a user's own, and broken ones."""

import gzip
import json

import pytest

from molgen.errors import ConfigError, InputError, MissingError
from molgen.scoring.hull_file import read_hull, write_hull

ABOUT = {"calculator": "chgnet", "energies": "chgnet 1 weights 2", "relaxed": False}
SALT = ((11, 1), (17, 1))


@pytest.fixture(autouse=True)
def _fresh():
    read_hull.cache_clear()


def file(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return str(path)


@pytest.mark.parametrize("name", ["hull.csv", "hull.csv.gz"])
def test_what_is_written_is_read(tmp_path, name):
    rows = [("mp-1", "Cl4Na4", -3.5, ""), ("mp-2", "Na", -1.25, ""), ("mp-3", "Am", None, "unknown element: Am")]
    write_hull(tmp_path / name, ABOUT, rows)
    read = read_hull(str(tmp_path / name))
    assert [(e.name, e.composition, e.energy) for e in read.entries] == [
        ("mp-1", SALT, -3.5),
        ("mp-2", ((11, 1),), -1.25),
    ]
    assert (read.calculator, read.energies, read.relaxed) == ("chgnet", "chgnet 1 weights 2", False)
    write_hull(tmp_path / f"again_{name}", ABOUT, rows)
    assert read_hull(str(tmp_path / f"again_{name}")).fingerprint == read.fingerprint


def test_27_000_entries_are_small(tmp_path):
    rows = ((f"mp-{7 * k}", f"Cs2Ag{k % 7 + 1}Bi{k % 11 + 1}Br6", -(k % 977) / 131, "") for k in range(27_000))
    write_hull(tmp_path / "hull.csv.gz", ABOUT, rows)
    assert (tmp_path / "hull.csv.gz").stat().st_size < 1e6


SALT_ENTRY = {"id": "a", "composition": "NaCl", "energy": -7.0}
SODIUM_ENTRY = {"id": "b", "formula": "Na", "energy_per_atom": -1.25}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("own.csv", "id,formula,energy_per_atom\na,NaCl,-3.5\nb,Na,-1.25\n"),
        ("own.csv.gz", "formula,energy,id,note\nNa4Cl4,-28,a,x\nNa,-1.25,b,\n"),
        ("own.json", json.dumps([SALT_ENTRY, SODIUM_ENTRY])),
        ("own.json.gz", json.dumps({"entries": [SALT_ENTRY, SODIUM_ENTRY]})),
    ],
)
def test_a_users_own(tmp_path, name, text):
    read = read_hull(file(tmp_path, name, text))
    assert [(e.name, e.composition, e.energy) for e in read.entries] == [("a", SALT, -3.5), ("b", ((11, 1),), -1.25)]
    assert read.calculator == ""


def test_polymorphs_without_ids(tmp_path):
    read = read_hull(file(tmp_path, "own.csv", "formula,energy_per_atom\nNaCl,-3.5\nNaCl,-3.4\n"))
    assert [entry.name for entry in read.entries] == ["#1", "#2"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "id,energy\n1,-3\n", "no column formula or composition, only id, energy"),
        ("a.csv", "id,formula\n1,NaCl\n", "no column energy_per_atom or energy, only id, formula"),
        ("a.csv", "id,formula,energy\nx,NaCl,-3\ny,Na,-1\nx,Cl,-1\n", "id x is in rows 1 and 3"),
        ("a.csv", "id,formula,energy\nx,Na2Xy,-3\n", r"row 1 \(x\): 'Na2Xy' is no formula"),
        ("a.csv", "id,formula,energy\nx,Na0.5Cl,-3\n", "no formula of whole numbers"),
        ("a.csv", "id,formula,energy\nx,,-3\n", "it has no formula"),
        ("a.csv", "id,formula,energy\nx,NaCl,\n", "it has no energy"),
        ("a.csv", "id,formula,energy\nx,NaCl,low\n", "could not convert"),
        ("a.csv", "id,formula,energy\nx,NaCl,nan\n", "energy is nan"),
        ("a.csv", "id,formula,energy\n", "holds no energy"),
        ("a.csv", '# {"format": "other"}\nid,formula,energy\nx,NaCl,-3\n', "first line"),
        ("a.csv", "# notes\nid,formula,energy\nx,NaCl,-3\n", "cannot be read"),
        ("a.json", "{}", "not a list of objects"),
        ("a.json", '[{"formula": "NaCl"}]', "entry 1 has no column energy_per_atom or energy"),
        ("a.json", "[", "cannot be read"),
    ],
)
def test_broken_files_say_what_is_wrong(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_hull(file(tmp_path, name, text))
    assert str(tmp_path / name) in str(caught.value)


def test_no_such_file_or_kind(tmp_path):
    with pytest.raises(MissingError, match="there is no file"):
        read_hull(str(tmp_path / "absent.csv"))
    with pytest.raises(ConfigError, match="no file of reference energies"):
        read_hull("mp20")


@pytest.mark.parametrize(("name", "entries", "lacking"), [("mp20_chgnet", 26_953, 12), ("mp20_all_chgnet", 45_014, 1)])
def test_hulls_that_ship(name, entries, lacking):
    known = read_hull(name)
    assert (len(known.entries), len(known.hull.elements - known.hull.pure)) == (entries, lacking)
    assert (known.calculator, known.relaxed) == ("chgnet", False)
    rutile = known.hull.above(((8, 2), (22, 1)), -9.3889)  # relaxed
    assert 0 < rutile.energy < 0.05
