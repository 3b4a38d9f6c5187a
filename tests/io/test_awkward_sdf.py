"""SDF records that are wrong in one way at a time: each gives a reason with its line, and the others are read."""

import time

import pytest

from molgen import io
from molgen.errors import InputError
from tests.io.molecules import ammonium, methyl, water
from tests.io.test_awkward_files import collect, names


@pytest.fixture
def sdf(tmp_path):
    """Three records: water (lines 1 to 20), ammonium, methyl."""
    path = tmp_path / "a.sdf"
    io.write(path, [water(), ammonium(), methyl()])
    return path


LAST_BOND = "  1  5  1  0\nM  CHG"
HYDROGEN = "    0.6291    0.6291    0.6291 H"
V2000_CHANGES = [
    (" N   0", " Nq  0", "unknown element: line 25: 'Nq' is not an element"),
    (" N   0", " R#  0", "unknown element: line 25: 'R#' is not an element"),
    (" N   0", " *   0", "unknown element: line 25: '*' is not an element"),
    (" N   0", " LP  0", "unknown element: line 25: 'LP' is not an element"),
    (HYDROGEN, "       nan    0.6291    0.6291 H", "coordinates are not finite: line 26"),
    (HYDROGEN, "    0_6291    0.6291    0.6291 H", "coordinates are not numbers: line 26: '0_6291'"),
    (LAST_BOND, "  1  6  1  0\nM  CHG", "impossible bond: line 33: between atoms 1 and 6 of 5"),
    (LAST_BOND, "  1  1  1  0\nM  CHG", "impossible bond: line 33: between atoms 1 and 1 of 5"),
    (LAST_BOND, "  4  1  1  0\nM  CHG", "impossible bond: line 33: atoms 4 and 1 are bonded twice"),
    (LAST_BOND, "  1  5  8  0\nM  CHG", "unknown bond type: line 33: 8 "),
    (LAST_BOND, "  1  5  9  0\nM  CHG", "unknown bond type: line 33: 9 "),
    (LAST_BOND, "  1  5\nM  CHG", "not an SDF record: line 33: '  1  5' is not a bond"),
    (LAST_BOND, "  1  51_0\nM  CHG", "not an SDF record: bonds from line 30: a number holds an underscore"),
    ("M  CHG  1   1   1", "M  CHG  1   1 200", "charge out of range: line 34: a formal charge of 200"),
    ("M  CHG  1   1   1", "M  CHG  1   1 " + "9" * 30, "charge out of range: line 34"),
    ("M  CHG  1   1   1", "M  CHG  1   6   1", "not an SDF record: line 34: cannot make sense of 'M  CHG"),
    ("  5  4  0", "  4  4  0", "counts do not match: line 29: an atom where a bond is due"),
    ("  5  4  0", "  6  4  0", "coordinates are not numbers: line 30"),
    ("  5  4  0", "  5  3  0", "counts do not match: line 33: '1  5  1  0' behind"),
    ("  5  4  0", "  5  5  0", "not an SDF record: line 34: 'M  CHG  1' is not a bond"),
    ("  5  4  0", "  5999  0", "truncated record: line 24: 5 atoms and 999 bonds announced"),
    ("  5  4  0", " -5  4  0", "truncated record: line 24: -5 atoms"),
    ("  5  4  0", "         ", "not an SDF record: line 24: '' is not a count of atoms"),
    ("1   1\nM  END", "1   1\nM  EMD", "truncated record: line 21: no M  END"),
]


@pytest.mark.parametrize(("old", "new", "reason"), V2000_CHANGES)
def test_broken_record_in_the_middle(sdf, old, new, reason):
    text = sdf.read_text()
    start = text.index("ammonium")
    assert old in text[start:]
    sdf.write_text(text[:start] + text[start:].replace(old, new, 1))
    structures, ((index, seen),) = collect(sdf)
    assert names(structures) == ["water", "methyl radical"]
    assert index == 1
    assert seen.startswith(reason)
    with pytest.raises(InputError, match=r"a\.sdf, record 2: "):
        list(io.read(sdf))


def test_charge_codes_of_the_atom_block(sdf):
    """They count where no line of charges or radicals replaces them."""
    text = sdf.read_text()
    changed = text.replace(" O   0  0", " O   0  5").replace(" N   0  0", " N   0  9").replace(" C   0  0", " C   0  8")
    sdf.write_text(changed)
    structures, seen = collect(sdf)
    assert [s.charges.tolist()[0] for s in structures] == [-1, 1]
    line = text.count("\n", 0, text.index(" C   0")) + 1
    assert seen == [(2, f"charge out of range: line {line}: code '8' (known: 0 to 7)")]


def test_missing_separators(sdf):
    """The next molecule is found all the same; the one whose end is missing is not taken for complete."""
    text = sdf.read_text()
    sdf.write_text(text.replace("$$$$\n", "", 1))
    structures, seen = collect(sdf)
    assert names(structures) == ["ammonium", "methyl radical"]
    assert seen == [(0, "missing $$$$: line 20: the next molecule begins without one")]
    cut = text.index("    0.0000    0.7572")
    sdf.write_text(text[:cut] + text[text.index("ammonium") :])
    structures, seen = collect(sdf)
    assert names(structures) == ["ammonium", "methyl radical"]
    assert [index for index, _ in seen] == [0]
    # Within a data field that is not closed, a molecule cannot be told from the field's text.
    sdf.write_text(text.replace("a b\n\n$$$$\n", "a b\n", 1))
    structures, seen = collect(sdf)
    assert names(structures) == ["methyl radical"]
    assert seen[0][1].startswith("missing $$$$: line ")
    assert seen[0][1].endswith("a second M  END in this record")


def test_text_like_a_counts_line_in_a_data_field(sdf):
    field = "> <origin>\nwas once\n\n\n  3  2  0  0  0  0  0  0  0  0999 V3000 \n"
    field = field.replace("was once\n\n\n", "line\nline\nline\n")
    sdf.write_text(sdf.read_text().replace("> <energy>", field + "\n> <energy>", 1))
    structures, seen = collect(sdf)
    assert names(structures) == ["water", "ammonium", "methyl radical"]
    assert structures[0].properties["energy"] == -76.4
    assert seen == []


@pytest.mark.parametrize("atoms", [999, 1000, 1005])
def test_v2000_holds_999_atoms(tmp_path, atoms):
    rows = [f"{1.5 * k:10.4f}{0:10.4f}{0:10.4f} C   0  0" for k in range(atoms)]
    for bonds in (0, atoms - 1):
        lines = [f"{k:3d}{k + 1:3d}  1" for k in range(1, bonds + 1)]
        counts = f"{atoms:3d}{bonds:3d}  0  0  0  0  0  0  0  0999 V2000"
        text = "\n".join(["chain", "", "", counts, *rows, *lines, "M  END", "$$$$", ""])
        (tmp_path / "a.sdf").write_text(text)
        structures, seen = collect(tmp_path / "a.sdf")
        assert [len(s) for s in structures] == ([999] if atoms == 999 else [])
        assert all(reason.startswith(("counts do not match: line ", "not an SDF record: line 4")) for _, reason in seen)
        assert len(seen) + len(structures) == 1


def v3000(atoms, bonds=(), counts=None):
    n, m = counts or (len(atoms), len(bonds))
    head = [
        "big",
        "",
        "",
        "  0  0  0     0  0            999 V3000",
        "M  V30 BEGIN CTAB",
        f"M  V30 COUNTS {n} {m} 0 0 0",
    ]
    body = ["M  V30 BEGIN ATOM", *(f"M  V30 {row}" for row in atoms), "M  V30 END ATOM"]
    body += ["M  V30 BEGIN BOND", *(f"M  V30 {row}" for row in bonds), "M  V30 END BOND"] if bonds else []
    return "\n".join([*head, *body, "M  V30 END CTAB", "M  END", "$$$$", ""])


@pytest.mark.parametrize(
    ("atoms", "bonds", "counts", "reason"),
    [
        (["1 C 0 0 0 0", "1 H 1 0 0 0"], [], None, "not an SDF record: line 9: a second atom 1"),
        (["1 C 0 0 0 0", "2 H 1 0 0 0"], ["1 1 1 7"], None, "impossible bond: line 12: there is no atom 7"),
        (["1 C 0 0 0 0", "2 H 1 0 0 0"], ["1 9 1 2"], None, "unknown bond type: line 12: 9 "),
        (["1 C 0 0 0 0 CHG=200"], [], None, "charge out of range: line 8: "),
        (["1 C 0 0 0 0 CHG=" + "9" * 50], [], None, "charge out of range: line 8: "),
        (["1 C 0 1_0 0 0"], [], None, "coordinates are not numbers: line 8: '1_0'"),
        (["1 C 0 0 0 0"], [], (999999999, 0), "truncated record: line 4: 999999999 atoms"),
        (["1 C 0 0 0 0"], [], (-1, 0), "truncated record: line 4: -1 atoms"),
        (["1 [C,N] 0 0 0 0"], [], None, "unknown element: line 8: "),
    ],
)
def test_broken_v3000(tmp_path, atoms, bonds, counts, reason):
    (tmp_path / "a.sdf").write_text(v3000(["1 O 0 0 0 0"]) * 2 + v3000(atoms, bonds, counts) + v3000(["1 O 0 0 0 0"]))
    structures, ((index, seen),) = collect(tmp_path / "a.sdf")
    assert len(structures) == 3
    assert index == 2
    shift = 2 * v3000(["1 O 0 0 0 0"]).count("\n")
    line = int(reason.partition("line ")[2].partition(":")[0])
    assert seen.startswith(reason.replace(f"line {line}", f"line {line + shift}"))


def test_one_record_of_100_000_lines(tmp_path):
    rows = [f"{k} C {1.5 * k} 0 0 0" for k in range(1, 50_001)]
    bonds = [f"{k} 1 {k} {k + 1}" for k in range(1, 50_000)]
    (tmp_path / "a.sdf").write_text(v3000(rows, bonds) + v3000(["1 O 0 0 0 0"]))
    began = time.perf_counter()
    (big, small), seen = collect(tmp_path / "a.sdf")
    assert time.perf_counter() - began < 10
    assert (len(big), len(big.bonds), len(small), seen) == (50_000, 49_999, 1, [])


def test_continuation_lines_take_linear_time(tmp_path):
    (tmp_path / "a.sdf").write_text(v3000(["1 C 0 0 0 0"]).replace("M  V30 END ATOM", "M  V30 x-\n" * 200_000))
    began = time.perf_counter()
    _, ((_, reason),) = collect(tmp_path / "a.sdf")
    assert time.perf_counter() - began < 5
    assert reason.startswith("truncated record: line 200010: 2 fields where 5 are needed")


def test_hydrogen_isotopes(sdf):
    sdf.write_text(sdf.read_text().replace(" H   0", " D   0", 1).replace(" H   0", " T   0", 1))
    structures, seen = collect(sdf)
    assert structures[0].numbers.tolist() == [8, 1, 1]
    assert seen == []


def test_odd_names_of_properties(sdf):
    odd = ["", "a b", "<", "naïve", "$$$$", "a" * 1000, "1", "name"]
    io.write(sdf, water().replace(properties={key: k for k, key in enumerate(odd)}))
    (structure,), seen = collect(sdf)
    assert structure.properties == {key.replace("<", "("): k for k, key in enumerate(odd)}
    assert seen == []
