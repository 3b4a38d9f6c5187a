"""Files that are not what they should be, one way at a time: each gives a reason with record and line, or is read."""

import os
import stat

import numpy as np
import pytest

from molgen import io
from molgen.datasets.find import open_structures
from molgen.errors import InputError, MissingError
from molgen.io.records import BadRecord
from molgen.structure import Structure
from tests.io.molecules import ammonium, assert_same, methyl, rock_salt, water


def collect(path):
    seen = []
    return list(open_structures(path, lambda index, reason: seen.append((index, reason)))), seen


def names(structures):
    return [structure.name for structure in structures]


@pytest.mark.parametrize(("ending", "line"), [("sdf", "text\n"), ("cif", "_x 1\n"), ("vasp", "1 1 1\n")])
def test_record_without_an_end_takes_no_memory(tmp_path, ending, line, monkeypatch):
    """What is shown with a low limit here holds for files of any length."""
    for module in ("sdf_read", "crystal"):
        monkeypatch.setattr(f"molgen.io.{module}.LONGEST_RECORD", 100)
    (tmp_path / f"a.{ending}").write_text(line * 5000)
    structures, seen = collect(tmp_path / f"a.{ending}")
    assert structures == []
    assert [reason.partition(":")[0] for _, reason in seen] == ["record too long"]


def test_endless_line(tmp_path, monkeypatch):
    monkeypatch.setattr("molgen.io.streams.LONGEST_LINE", 100_000)
    io.write(tmp_path / "a.sdf", [water(), ammonium()])
    lines = (tmp_path / "a.sdf").read_text().count("\n")
    with (tmp_path / "a.sdf").open("a") as file:
        file.write("x" * 400_000)
    structures, seen = collect(tmp_path / "a.sdf")
    assert names(structures) == ["water", "ammonium"]
    (reason,) = (reason for _, reason in seen)
    assert reason.startswith(f"endless line: line {lines + 1} has more than 100,000 characters; the rest")


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
@pytest.mark.parametrize("ending", ["sdf", "extxyz", "smi", "cif", "vasp"])
def test_other_line_ends_and_byte_order_marks(tmp_path, ends, ending):
    made = water() if ending not in ("cif", "vasp") else rock_salt()
    io.write(tmp_path / f"a.{ending}", made)
    text = (tmp_path / f"a.{ending}").read_text()
    (tmp_path / f"b.{ending}").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", ends).encode())
    (one,), seen = collect(tmp_path / f"a.{ending}")
    (other,), also_seen = collect(tmp_path / f"b.{ending}")
    assert_same(one, other)
    assert seen == also_seen == []


@pytest.mark.parametrize(("first", "second"), [("sdf", "xyz"), ("xyz", "sdf"), ("extxyz", "sdf"), ("sdf", "extxyz")])
def test_two_formats_in_one_file(tmp_path, first, second):
    """What is in the format that the file's name says is read; the rest is at least one bad record."""
    texts = {}
    for ending in (first, second):
        io.write(tmp_path / f"a.{ending}", [water(), ammonium().replace(properties={"x": 0.5})])
        texts[ending] = (tmp_path / f"a.{ending}").read_text()
    mixed = tmp_path / f"mixed.{first}"
    mixed.write_text(texts[first] + texts[second] + texts[first])
    structures, seen = collect(mixed)
    # The foreign part has no end of its own and takes the first record of an SDF file with it.
    assert names(structures) == ["water", "ammonium", *(["water"] if first != "sdf" else []), "ammonium"]
    assert seen
    for index, reason in seen:
        assert index >= 2
        assert "line " in reason


@pytest.mark.parametrize("ending", ["sdf", "xyz", "extxyz", "smi", "cif", "vasp"])
def test_wrong_ending(tmp_path, ending):
    io.write(tmp_path / "a.sdf", [methyl()])
    io.write(tmp_path / "a.xyz", [methyl()])
    source = tmp_path / ("a.xyz" if ending == "sdf" else "a.sdf")
    (tmp_path / f"wrong.{ending}").write_bytes(source.read_bytes())
    structures, seen = collect(tmp_path / f"wrong.{ending}")
    assert structures == []
    assert seen
    assert "line 1" in seen[0][1]


@pytest.mark.parametrize("reader", [io.read, open_structures])
def test_what_is_no_file(tmp_path, reader):
    (tmp_path / "folder.sdf").mkdir()
    (tmp_path / "empty.sdf").touch()
    os.mkfifo(tmp_path / "pipe.sdf")
    (tmp_path / "null.sdf").symlink_to("/dev/null")
    (tmp_path / "endless.sdf").symlink_to("/dev/zero")
    (tmp_path / "loop.sdf").symlink_to(tmp_path / "loop.sdf")
    (tmp_path / "wide.sdf").write_bytes("text\n".encode("utf-16"))
    for name, words in {
        "folder.sdf": "folder|no data set",
        "empty.sdf": "empty",
        "pipe.sdf": "a pipe or a device",
        "null.sdf": "a pipe or a device",
        "endless.sdf": "a pipe or a device",
        "loop.sdf": "cannot open|no file",
        "wide.sdf": "UTF-16",
        "empty.sdf/b.sdf": "cannot open",
        "n" * 300 + ".sdf": "cannot open",
        "a\0b.sdf": "cannot open",
        "missing.sdf": "no file",
    }.items():
        with pytest.raises((InputError, MissingError), match=words):
            reader(tmp_path / name)


def test_file_without_permission(tmp_path):
    io.write(tmp_path / "a.sdf", water())
    (tmp_path / "a.sdf").chmod(0)
    if os.access(tmp_path / "a.sdf", os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(InputError, match="Permission denied"):
        io.read(tmp_path / "a.sdf")
    (tmp_path / "locked").mkdir()
    io.write(tmp_path / "locked" / "a.sdf", water())
    (tmp_path / "locked").chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        open_structures(tmp_path / "locked" / "a.sdf")
    (tmp_path / "locked").chmod(stat.S_IRWXU)


def test_extreme_molecules_are_read(tmp_path):
    """They are no damage: judging them is for whoever scores them."""
    single = Structure(numbers=[2], positions=[[0.0, 0.0, 0.0]], bonds=np.empty((0, 3)), name="atom")
    grid = np.stack(np.meshgrid(*[np.arange(8.0)] * 3), axis=-1).reshape(-1, 3)[:500]
    large = Structure(numbers=[6] * 500, positions=grid * 1.5, bonds=np.empty((0, 3)), name="large")
    coincident = water().replace(positions=np.zeros((3, 3)), name="coincident")
    bare = methyl().without_hydrogens().replace(name="bare")
    for ending in ("sdf", "xyz", "extxyz"):
        io.write(tmp_path / f"a.{ending}", [single, large, coincident, bare])
        structures, seen = collect(tmp_path / f"a.{ending}")
        assert names(structures) == ["atom", "large", "coincident", "bare"]
        assert [len(s) for s in structures] == [1, 500, 3, 1]
        assert seen == []


def test_reasons_are_short_and_printable():
    assert BadRecord("kind: a\nb\0c\t").reason == "kind: a b\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}"
    assert len(BadRecord("kind: " + "x" * 10_000).reason) < 300


def smi(tmp_path, *lines):
    (tmp_path / "a.smi").write_text("\n".join(["CO first", *lines, "CC last", ""]))
    structures, seen = collect(tmp_path / "a.smi")
    assert names(structures)[0] == "first"
    assert names(structures)[-1] == "last"
    return structures[1:-1], [reason for _, reason in seen]


def test_smiles_that_have_no_structure(tmp_path):
    made, reasons = smi(tmp_path, "C*", "C$C", "N->B", "(" * 5000, "C" * 101, "C" * 100_000, "C1CC", "\0", "[C@@H")
    assert made == []
    kinds = [reason.partition(":")[0] for reason in reasons]
    assert kinds.count("molecule too large") == 2
    assert set(kinds) == {
        *("no force-field parameters", "no geometry found", "not a valid SMILES", "molecule too large")
    }
    assert all(f"line {k}" in reason for k, reason in enumerate(reasons, 2))


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("\n1 1\n", "\n1 999999999\n", "counts do not match"),
        ("\n1 1\n", "\n1 -1\n", "counts do not match"),
        ("\n1 1\n", "\n1 2\n", "malformed POSCAR"),
        ("Na Cl\n", "", "malformed POSCAR"),  # elements are never guessed
        ("Na Cl\n", "Na Qq\n", "unknown element"),
        ("\n1.0\n", "\nnan\n", "malformed"),
    ],
)
def test_broken_poscar(tmp_path, old, new, kind):
    io.write(tmp_path / "a.vasp", rock_salt())
    text = (tmp_path / "a.vasp").read_text()
    assert old in text
    text = text.replace(old, new)
    if not new:
        text = "\n".join(line.removesuffix(" Na").removesuffix(" Cl") for line in text.splitlines())
    (tmp_path / "a.vasp").write_text(text)
    structures, ((index, reason),) = collect(tmp_path / "a.vasp")
    assert structures == []
    assert index == 0
    assert reason.startswith(kind)
