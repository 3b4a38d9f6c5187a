"""Crystals that are not what they should be: each gives a reason for its record, or is read; the rest goes on."""

import numpy as np
import pytest

from molgen import io
from molgen.errors import InputError
from molgen.io.annotations import cif_items, comment_with, read_cif_items, split_comment
from molgen.io.records import Skipped
from molgen.structure import Structure
from tests.io.molecules import rock_salt

CELL = "_cell_length_a {a}\n_cell_length_b {b}\n_cell_length_c {c}\n_cell_angle_alpha {al}\n_cell_angle_beta 90\n"
CELL += "_cell_angle_gamma 90\n"
SITES = "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
SITES += "_atom_site_occupancy\n"


def cif(rows, name="x", a=4, b=4, c=4, al=90, symmetry="_symmetry_space_group_name_H-M 'P 1'\n"):
    return f"data_{name}\n{symmetry}{CELL.format(a=a, b=b, c=c, al=al)}{SITES}" + "".join(f"{row}\n" for row in rows)


GOOD = "Na1 Na 0 0 0 1"
BAD = {
    "partially occupied": (cif(["Na1 Na 0 0 0 0.7", "Cl1 Cl 0.5 0.5 0.5 1"]), "not an ordered crystal"),
    "shared site": (cif(["Na1 Na 0 0 0 0.5", "K1 K 0 0 0 0.5"]), "not an ordered crystal"),
    "overfull site": (cif(["Na1 Na 0 0 0 1", "K1 K 0 0 0 1"]), "not an ordered crystal"),
    "zero length": (cif([GOOD], a=0), "zero volume"),
    "flat": (cif([GOOD], al=0), "malformed lattice"),
    "length that is not a number": (cif([GOOD], a="?"), "malformed CIF block"),
    "no cell": (f"data_x\n{SITES}{GOOD}\n", "malformed CIF block"),
    "no atoms": (cif([]), "malformed CIF block"),
    "unknown element": (cif(["Xx1 Xx 0 0 0 1"]), ""),
    "dummy": (cif(["X1 X 0 0 0 1"]), ""),
    "deuterium": (cif(["D1 D 0 0 0 1"]), None),
    "coordinate that is not a number": (cif(["Na1 Na 0 a 0 1"]), ""),
    "nan": (cif(["Na1 Na 0 nan 0 1"]), ""),
    "infinite cell": (cif([GOOD], a="inf"), ""),
    "broken symmetry": (cif([GOOD], symmetry="_symmetry_space_group_name_H-M 'Q 9 9'\n"), None),
    "no symmetry": (cif([GOOD], symmetry=""), None),
    "needle": (cif([GOOD], a=0.5, c=500), None),
}


@pytest.mark.parametrize("case", BAD)
def test_a_block_beside_good_ones(tmp_path, case):
    """The neighbours of whatever it is are read."""
    text, kind = BAD[case]
    (tmp_path / "a.cif").write_text(cif([GOOD], name="before") + text + cif([GOOD], name="after"))
    seen = Skipped()
    names = [s.name for s in io.read(tmp_path / "a.cif", on_error=seen.add)]
    if kind is None and not seen.total:
        assert names == ["before", "x", "after"]
        return
    assert names == ["before", "after"]
    (found,) = seen.counts
    assert found
    assert found.startswith(kind or "")


@pytest.mark.parametrize(
    "text",
    [
        "x\n1.0\n4 0 0\n0 4 0\n0 0 0\nNa\n1\ndirect\n0 0 0\n",
        "x\n1.0\n4 0 0\n0 4 0\n4 4 0\nNa\n1\ndirect\n0 0 0\n",
        "x\n1.0\n4 0 0\n0 4 0\n0 0 4\nXx\n1\ndirect\n0 0 0\n",
        "x\n1.0\n4 0 0\n0 4 0\n0 0 4\nNa\n2\ndirect\n0 0 0\n",
        "x\n0.0\n4 0 0\n0 4 0\n0 0 4\nNa\n1\ndirect\n0 0 0\n",
        "x\n",
    ],
)
def test_poscars(tmp_path, text):
    """Each is told, or read as what it states and then refused where a volume is needed."""
    (tmp_path / "POSCAR").write_text(text)
    seen = Skipped()
    read = list(io.read(tmp_path / "POSCAR", on_error=seen.add))
    assert len(read) + seen.total == 1
    for structure in read:
        with pytest.raises(InputError, match=r"^zero volume: |^no atoms"):
            io.write(tmp_path / "b.cif", structure)


def test_crystals_that_no_cell_file_can_hold(tmp_path):
    flat = rock_salt().replace(lattice=np.diag([4.0, 4.0, 0.0]))
    quotes = rock_salt().replace(properties={"note": "\"both\" kinds of 'quotes'"})
    for name in ("a.cif", "a.zip", "a.poscar.zip"):
        with io.open_writer(tmp_path / name) as writer:
            with pytest.raises(InputError, match=r"^zero volume: "):
                writer.write(flat)
            if name != "a.poscar.zip":
                with pytest.raises(InputError, match=r"^property cannot be written: "):
                    writer.write(quotes)
            writer.write(rock_salt())
        assert writer.count == 1


PROPERTIES = {
    "target": "mp-149",
    "space_group": "P4_2/mnm",
    "space group": "it's here",
    "symprec": 0.1,
    "k": -7,
    "text": 'says "yes"',
    "empty": "",
    "underscore": "_x",
    "hash": "a # b=c",
    "path": "C:\\x",
}
READ = {key.replace(" ", "_"): value for key, value in PROPERTIES.items() if key != "space group"}


def test_properties_travel_in_cif_and_poscar(tmp_path):
    values = {**READ, "note": "it's here"}
    salt = rock_salt().replace(name="my salt", properties=values)
    io.write(tmp_path / "a.cif", salt)
    (back,) = io.read(tmp_path / "a.cif")
    assert back.properties == values
    io.write(tmp_path / "POSCAR", salt)
    (back,) = io.read(tmp_path / "POSCAR")
    assert (back.name, back.properties) == ("my salt", values)


def test_names_of_properties_are_made_fit():
    assert read_cif_items(cif_items({"a b": 1})) == {"a_b": 1}
    assert split_comment(comment_with("x", {"a b": 1})) == ("x", {"a_b": 1})


@pytest.mark.parametrize("comment", ["silicon", "a # b", "a # b = c", "# x", "", "a # k=1 rest", "Si # 2"])
def test_comments_of_other_programs_are_names(comment):
    assert split_comment(comment) == (comment.strip(), {})


def test_mutated_annotations_never_crash():
    rng = np.random.default_rng(0)
    lines, comment = cif_items(READ), comment_with("x", READ)
    alphabet = list("'\"\\ =#_\t\x00é\n-.0aZ")
    for _ in range(2000):
        mutated = []
        for line in [*lines, comment]:
            letters = list(line)
            for place in rng.integers(0, len(letters), 3):
                letters[place] = str(rng.choice(alphabet))
            mutated.append("".join(letters))
        assert isinstance(read_cif_items(mutated[:-1]), dict)
        name, properties = split_comment(mutated[-1])
        assert isinstance(name, str)
        assert all(isinstance(value, int | float | str) for value in properties.values())


def test_one_atom_cells_of_all_elements(tmp_path):
    atoms = [
        Structure(numbers=[z], positions=[[0.1, 0.2, 0.3]], lattice=3 * np.eye(3), name=str(z)) for z in range(1, 104)
    ]
    io.write(tmp_path / "a.cif", atoms)
    assert [s.numbers.tolist() for s in io.read(tmp_path / "a.cif")] == [[z] for z in range(1, 104)]
