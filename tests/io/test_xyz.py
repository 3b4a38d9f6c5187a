import gzip
import time

import ase
import ase.io
import numpy as np
import pytest

from molgen import io
from molgen.errors import InputError
from molgen.structure import Structure
from tests.io.molecules import METHANE_POSITIONS, ammonium, assert_same, rock_salt, water

# Made by hand in the layout of the original distribution: tabs, Mulliken column, "*^" exponents, three closing lines.
QM9_FORM = """5
gdb 1\t157.5\t157.4\t157.3\t0.\t13.2\t-0.39\t0.117\t0.505\t35.4\t4.5*^-2\t-40.5\t-40.4\t-40.3\t-40.6\t6.5
C\t0.0\t0.0\t1.2*^-5\t-0.54
H\t 0.6291\t 0.6291\t 0.6291\t 0.13
H\t-0.6291\t-0.6291\t 0.6291\t 0.13
H\t-0.6291\t 0.6291\t-0.6291\t 0.13
H\t 0.6291\t-0.6291\t-0.6291\t 0.13
1341.3\t1341.3\t1341.4\t1562.5\t1562.6\t3038.3\t3151.6\t3151.7\t3151.8
C\tC\t
InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4
"""
PLAIN = "3\nwater\nO 0.0 0.0 0.1173\nH 0.0 0.7572 -0.4692 0.1 0.2\n1 0.0 -0.7572 -0.4692\n"


def collect(path):
    seen = []
    return list(io.read(path, on_error=lambda index, reason: seen.append((index, reason)))), seen


def test_qm9_form(tmp_path):
    (tmp_path / "a.xyz").write_text(QM9_FORM + PLAIN + QM9_FORM.replace("gdb 1", "gdb 2"))
    first, second, third = io.read(tmp_path / "a.xyz")
    expected = METHANE_POSITIONS.copy()
    expected[0, 2] = 1.2e-5
    np.testing.assert_array_equal(first.positions, expected)
    assert first.numbers.tolist() == [6, 1, 1, 1, 1]
    assert first.name == "gdb_1"
    values = first.properties
    assert (values["gdb_index"], values["A"], values["mu"], values["gap"], values["zpve"], values["Cv"]) == (
        *(1, 157.5, 0.0, 0.505, 0.045, 6.5),
    )
    assert (values["smiles"], values["smiles_relaxed"], values["inchi"]) == ("C", "C", "InChI=1S/CH4/h1H4")
    assert len(values["frequencies"].split()) == 9
    assert second.name == "water"
    assert third.properties["gdb_index"] == 2


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("\t6.5\n", "\n", "not a QM9 frame"),
        ("4.5*^-2", "4.5x", "property is not a number"),
        ("InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4\n", "", "truncated record"),
        ("1.2*^-5", "nan", "coordinates are not finite"),
    ],
)
def test_bad_qm9_form(tmp_path, old, new, kind):
    (tmp_path / "a.xyz").write_text(QM9_FORM.replace(old, new))
    structures, seen = collect(tmp_path / "a.xyz")
    assert structures == []
    assert seen[0][1].startswith(kind + ": ")


def test_plain_frames_with_numbers_and_extra_columns(tmp_path):
    (tmp_path / "a.xyz").write_text("\n" + PLAIN + "\n\n" + PLAIN.replace("water", ""))
    first, second = io.read(tmp_path / "a.xyz")
    assert_same(first, water().replace(charges=None, bonds=None, properties={}))
    assert second.name == ""


def test_ase_opens_our_xyz_identically(tmp_path):
    structures = [water(), ammonium(), *(water().replace(name=name) for name in ("C[C@H](N)/C=C\\", 'a="b', "{x", ""))]
    io.write(tmp_path / "a.xyz", structures)
    for structure, atoms in zip(structures, ase.io.read(tmp_path / "a.xyz", index=":"), strict=True):
        assert atoms.numbers.tolist() == structure.numbers.tolist()
        np.testing.assert_allclose(atoms.positions, structure.positions, atol=1e-8)


def test_extxyz_round_trip_and_ase(tmp_path):
    awkward = water().replace(
        bonds=None, name='C[C@H](N)/C=C\\"', properties={"a key": "b c", "x": -1e-30, "n": 7, "Lattice": "odd", "q": ""}
    )
    structures = [awkward, ammonium().replace(bonds=None), rock_salt()]
    io.write(tmp_path / "a.extxyz", structures)
    back = list(io.read(tmp_path / "a.extxyz"))
    expected = awkward.replace(properties={"a key": "b c", "x": -1e-30, "n": 7, "Lattice_": "odd", "q": ""})
    for one, other in zip([expected, *structures[1:]], back, strict=True):
        assert_same(one, other, tolerance=1e-8)
    frames = ase.io.read(tmp_path / "a.extxyz", index=":")
    for structure, atoms in zip(structures, frames, strict=True):
        assert atoms.numbers.tolist() == structure.numbers.tolist()
        np.testing.assert_allclose(atoms.positions, structure.positions, atol=1e-8)
        assert atoms.info["name"] == structure.name
    assert frames[0].info["a key"] == "b c"
    assert frames[0].info["n"] == 7
    assert frames[1].arrays["formal_charges"].tolist() == [1, 0, 0, 0, 0]
    assert not frames[1].pbc.any()
    assert frames[2].pbc.all()
    np.testing.assert_array_equal(frames[2].cell[:], structures[2].lattice)
    assert frames[2].info["band_gap"] == 5.25


def test_reads_what_ase_writes(tmp_path):
    slab = ase.Atoms("CuO", [[0, 0, 0], [0, 0, 1.8]], cell=[3, 3, 12], pbc=[True, True, False], info={"tag": "slab"})
    box = ase.Atoms("H2", [[0, 0, 0], [0, 0, 0.74]], cell=[5, 5, 5], pbc=False)
    crystal = ase.Atoms("NaCl", [[0, 0, 0], [2.8, 0, 0]], cell=np.diag([4.0, 5.0, 6.0]) + 0.1, pbc=True)
    crystal.arrays["forces"] = np.ones((2, 3))
    ase.io.write(tmp_path / "a.extxyz", [slab, box, crystal])
    first, second, third = io.read(tmp_path / "a.extxyz")
    assert first.properties == {"tag": "slab", "pbc": "T T F"}
    assert first.lattice is not None
    assert second.lattice is None
    np.testing.assert_allclose(third.lattice, crystal.cell[:])
    io.write(tmp_path / "b.extxyz", first)
    assert ase.io.read(tmp_path / "b.extxyz").pbc.tolist() == [True, True, False]


def test_header_beyond_the_plain_kind_goes_through_ase(tmp_path):
    text = '2\nProperties=Z:I:1:pos:R:3 Lattice="4 0 0 0 4 0 0 0 4" data="_JSON {\\"a\\": 1}"\n11 0 0 0\n17 2 2 2\n'
    (tmp_path / "a.extxyz").write_text(text + text.replace("17 2 2 2", "17 2 2 x"))
    (structure,), seen = collect(tmp_path / "a.extxyz")
    assert structure.numbers.tolist() == [11, 17]
    np.testing.assert_allclose(structure.lattice, 4 * np.eye(3))
    assert seen[0][0] == 1
    assert seen[0][1].startswith("malformed extxyz frame: line 6")


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (PLAIN.replace("H 0.0", "Hx 0.0"), "unknown element"),
        (PLAIN.replace("0.1173", "inf"), "coordinates are not finite"),
        (PLAIN.replace("0.1173", "zero"), "coordinates are not numbers"),
        (PLAIN.replace("O 0.0 0.0 0.1173", "O 0.0 0.0"), "truncated record"),
        ('1\nLattice="1 0 0" Properties=species:S:1:pos:R:3\nO 0 0 0\n', "malformed Lattice"),
        ('1\nLattice="1 0 0 0 1 0 0 0 nan"\nO 0 0 0\n', "malformed Lattice"),
        ("1\nProperties=species:S:x:pos:R:3\nO 0 0 0\n", "malformed Properties"),
        ("1\nProperties=species:S:1:pos:R:3:formal_charges:I:1\nO 0 0 0 half\n", "charges are not integers"),
        ("0\n\n", "no atoms"),
    ],
)
def test_bad_frame_is_reported_and_the_next_one_is_read(tmp_path, frame, kind):
    (tmp_path / "a.xyz").write_text(frame + PLAIN)
    structures, seen = collect(tmp_path / "a.xyz")
    assert [s.name for s in structures] == ["water"]
    assert [(index, reason.partition(":")[0]) for index, reason in seen] == [(0, kind)]
    with pytest.raises(InputError, match="record 1: " + kind):
        next(io.read(tmp_path / "a.xyz"))


def test_reading_goes_on_behind_lines_that_belong_to_no_frame(tmp_path):
    (tmp_path / "a.xyz").write_text(PLAIN + "garbage\nmore 1\n\n" + PLAIN)
    structures, seen = collect(tmp_path / "a.xyz")
    assert len(structures) == 2
    assert seen == [(1, "no count of atoms: line 6: 'garbage'")]


def test_truncated_last_frame(tmp_path):
    (tmp_path / "a.xyz").write_text(PLAIN + "\n".join(PLAIN.splitlines()[:4]))
    structures, seen = collect(tmp_path / "a.xyz")
    assert len(structures) == 1
    assert seen == [(1, "truncated record: line 6: 3 atoms announced, the file ends after 2")]


@pytest.mark.parametrize(
    ("count", "reason"),
    [
        ("2", "counts do not match: line 10: an atom behind the 2 announced"),
        ("4", "truncated record: line 6: 4 atoms announced, the next frame begins after 3"),
        ("0", "no atoms: line 6: the frame announces none"),
        ("-3", "no count of atoms: line 6: '-3'"),
        ("3.0", "no count of atoms: line 6: '3.0'"),
        ("999999999", "too many atoms: line 6: 999,999,999 announced, 1,000,000 allowed"),
        ("999999", "truncated record: line 6: 999999 atoms announced, the next frame begins after 3"),
        ("9" * 6000, "no count of atoms: line 6: '" + "9" * 40 + "'"),
    ],
)
def test_wrong_count_costs_one_frame(tmp_path, count, reason):
    bad = PLAIN.replace("water", "bad").replace("3", count, 1)
    (tmp_path / "a.xyz").write_text(PLAIN + bad + PLAIN.replace("water", "last"))
    structures, seen = collect(tmp_path / "a.xyz")
    assert [s.name for s in structures] == ["water", "last"]
    assert seen == [(1, reason)]


@pytest.mark.parametrize(
    ("comment", "kind"),
    [
        ('Properties=species:S:1:pos:R:999999999 Lattice="1 0 0 0 1 0 0 0 1"', "malformed Properties"),
        ("Properties=species:S:1:pos:R:9999", "truncated record"),
        ("Properties=species:S:1:pos:R:" + "9" * 5000, "malformed Properties"),
        ('Properties=species:S:1:pos:R:3 name="open', "malformed comment line"),
        ("Properties=species:S:1:pos:R:3:formal_charges:I:1", "truncated record"),
    ],
)
def test_bad_extended_comment(tmp_path, comment, kind):
    (tmp_path / "a.xyz").write_text(f"1\n{comment}\nO 0.0 0.0 0.0\n" + PLAIN)
    structures, seen = collect(tmp_path / "a.xyz")
    assert [s.name for s in structures] == ["water"]
    assert [reason.partition(":")[0] for _, reason in seen] == [kind]


@pytest.mark.parametrize(("charge", "kind"), [("128", "charge out of range"), ("9" * 40, "charge out of range")])
def test_charges_that_no_library_holds(tmp_path, charge, kind):
    comment = "Properties=species:S:1:pos:R:3:formal_charges:I:1"
    (tmp_path / "a.xyz").write_text(f"1\n{comment}\nO 0 0 0 {charge}\n1\n{comment}\nO 0 0 0 -127\n")
    (structure,), seen = collect(tmp_path / "a.xyz")
    assert structure.charges.tolist() == [-127]
    assert seen[0][1].startswith(f"{kind}: line 3: ")


@pytest.mark.parametrize("comment", ['"\\' * 50_000, '" ' * 50_001, "a=" * 50_000, "\\" * 100_001, " " * 100_000])
def test_comment_of_quotes_takes_no_time(tmp_path, comment):
    (tmp_path / "a.xyz").write_text(f"1\nProperties=species:S:1:pos:R:3 {comment}\nO 0 0 0\n")
    began = time.perf_counter()
    collect(tmp_path / "a.xyz")
    assert time.perf_counter() - began < 2


def test_stream_that_breaks_between_two_frames(tmp_path):
    whole = gzip.compress(PLAIN.encode())
    (tmp_path / "a.xyz.gz").write_bytes(whole + whole[:9])
    structures, seen = collect(tmp_path / "a.xyz.gz")
    assert [s.name for s in structures] == ["water"]
    assert seen == [(1, "truncated file: the gzip stream ends in the middle; the rest of the file was not read")]


@pytest.mark.parametrize("number", ["1_0.5", "0x1p3", "1,5"])
def test_what_is_a_number_elsewhere(tmp_path, number):
    (tmp_path / "a.xyz").write_text(PLAIN.replace("0.1173", number) + PLAIN)
    structures, seen = collect(tmp_path / "a.xyz")
    assert len(structures) == 1
    assert seen == [(0, f"coordinates are not numbers: line 3: {number!r}")]


def test_name_with_line_breaks_stays_one_line(tmp_path):
    structure = Structure(numbers=[2], positions=[[0, 0, 0]], name="a\r\nb\nc")
    for ending in ("xyz", "extxyz"):
        io.write(tmp_path / f"a.{ending}", [structure, structure])
        assert [s.name for s in io.read(tmp_path / f"a.{ending}")] == ["a b c"] * 2
