import numpy as np
import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.cli.app import app
from molgen.structure import Structure
from tests.io.molecules import METHANE_POSITIONS, ammonium, assert_same, benzene, methyl, rock_salt, water


def run(*words):
    return CliRunner().invoke(app, ["convert", *map(str, words)])


def leftovers(folder):
    return [path.name for path in folder.iterdir() if "partial" in path.name]


def test_converts_and_says_how_many(tmp_path):
    io.write(tmp_path / "a.sdf", [water(), benzene()])
    result = run(tmp_path / "a.sdf", tmp_path / "b.sdf.gz")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "2 structures written" in result.stderr
    for one, other in zip([water(), benzene()], io.read(tmp_path / "b.sdf.gz"), strict=True):
        assert_same(one, other)
    assert leftovers(tmp_path) == []


def test_says_what_the_format_has_no_place_for(tmp_path):
    io.write(tmp_path / "a.sdf", [water(), methyl()])
    result = run(tmp_path / "a.sdf", tmp_path / "b.xyz")
    assert result.exit_code == 0
    assert "bonds (2), properties (1)" in result.stderr


def test_skipped_records_are_counted_by_reason(tmp_path):
    io.write(tmp_path / "a.extxyz", [water(), rock_salt()])
    with (tmp_path / "a.extxyz").open("a") as file:
        file.write("1\n\nXx 0 0 0\n1\n\nQq 0 0 0\n1\n\nH 0 0 nan\n")
    result = run(tmp_path / "a.extxyz", tmp_path / "b.cif")
    assert result.exit_code == 5
    assert "2 x unknown element (record 3: unknown element: line 12: 'Xx' is not an element" in result.stderr
    assert "1 x coordinates are not finite (record 5" in result.stderr
    assert "1 x no lattice (record 1" in result.stderr
    assert "4 of 5 structures were skipped" in result.stderr
    assert len(list(io.read(tmp_path / "b.cif"))) == 1


@pytest.mark.parametrize("name", ["POSCAR", "CONTCAR", "b.vasp.gz"])
def test_single_structure_formats(tmp_path, name):
    io.write(tmp_path / "a.extxyz", [rock_salt(), rock_salt()])
    result = run(tmp_path / "a.extxyz", tmp_path / name)
    assert result.exit_code == 5
    assert "one structure per file" in result.stderr
    assert len(list(io.read(tmp_path / name))) == 1


def test_refuses_to_overwrite(tmp_path):
    io.write(tmp_path / "a.xyz", water())
    (tmp_path / "b.sdf").write_text("precious")
    result = run(tmp_path / "a.xyz", tmp_path / "b.sdf")
    assert result.exit_code == 6
    assert "--overwrite" in result.stderr
    assert (tmp_path / "b.sdf").read_text() == "precious"
    assert run(tmp_path / "a.xyz", tmp_path / "b.sdf", "--overwrite").exit_code == 0
    assert len(list(io.read(tmp_path / "b.sdf"))) == 1


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [("empty.sdf", "b.xyz", 3), ("garbage.sdf", "b.xyz", 3), ("absent.sdf", "b.xyz", 4), ("good.xyz", "b.doc", 3)],
)
def test_bad_input_leaves_nothing_behind(tmp_path, source, target, code):
    (tmp_path / "empty.sdf").write_text("")
    (tmp_path / "garbage.sdf").write_text("a\nb\nc\nd\ne\n$$$$\n")
    io.write(tmp_path / "good.xyz", water())
    result = run(tmp_path / source, tmp_path / target)
    assert result.exit_code == code
    assert result.stderr.startswith("error: ")
    assert not (tmp_path / target).exists()
    assert leftovers(tmp_path) == []


def methane():
    """Coordinates alone: no bonds, no charges."""
    return Structure(numbers=[6, 1, 1, 1, 1], positions=METHANE_POSITIONS, name="methane")


def crowded():
    """Five hydrogens around carbon: no bond perception can make sense of it."""
    positions = np.vstack([METHANE_POSITIONS, [[0.0, 0.0, 1.09]]])
    return Structure(numbers=[6, 1, 1, 1, 1, 1], positions=positions, name="CH5")


def written_bonds(path):
    return [None if s.bonds is None else sorted(s.bonds.tolist()) for s in io.read(path)]


METHANE_BONDS = [[0, 1, 1], [0, 2, 1], [0, 3, 1], [0, 4, 1]]


def test_bonds_are_perceived_where_none_are_stated_and_stderr_says_so(tmp_path):
    io.write(tmp_path / "a.xyz", [methane(), methane()])
    result = run(tmp_path / "a.xyz", tmp_path / "b.sdf")
    assert result.exit_code == 0
    assert "bonds of 2 structures perceived by xyz2mol" in result.stderr
    assert "--bonds none" in result.stderr
    assert written_bonds(tmp_path / "b.sdf") == [METHANE_BONDS] * 2


@pytest.mark.parametrize("source", ["lookup", "xyz2mol", "openbabel"])
def test_bond_sources(tmp_path, source):
    if source == "openbabel":
        pytest.importorskip("openbabel")
    io.write(tmp_path / "a.xyz", methane())
    result = run(tmp_path / "a.xyz", tmp_path / "b.sdf", "--bonds", source)
    assert result.exit_code == 0
    assert f"bonds of 1 structures perceived by {source}\n" in result.stderr
    assert written_bonds(tmp_path / "b.sdf") == [METHANE_BONDS]


def test_stated_bonds_win_unless_another_source_is_asked_for(tmp_path):
    stretched = water().replace(bonds=[[0, 1, 1], [1, 2, 1]])
    io.write(tmp_path / "a.sdf", stretched)
    for source, expected in (
        ("auto", [[0, 1, 1], [1, 2, 1]]),
        ("file", [[0, 1, 1], [1, 2, 1]]),
        ("xyz2mol", [[0, 1, 1], [0, 2, 1]]),
        ("none", None),
    ):
        result = run(tmp_path / "a.sdf", tmp_path / f"{source}.sdf", "--bonds", source)
        assert result.exit_code == 0
        assert ("perceived by" in result.stderr) is (source == "xyz2mol")
        assert written_bonds(tmp_path / f"{source}.sdf") == [expected]


def test_structures_without_bonds_are_counted_and_the_rest_is_intact(tmp_path):
    io.write(tmp_path / "a.xyz", [methane(), crowded(), methane()])
    result = run(tmp_path / "a.xyz", tmp_path / "b.sdf")
    assert result.exit_code == 5
    assert "without bonds: 1 x too many neighbours (record 2: too many neighbours: atom 0 C has 5)" in result.stderr
    assert "1 of 3 structures were written without bonds" in result.stderr
    assert written_bonds(tmp_path / "b.sdf") == [METHANE_BONDS, None, METHANE_BONDS]
    assert [s.name for s in io.read(tmp_path / "b.sdf")] == ["methane", "CH5", "methane"]


def test_a_format_that_needs_bonds_skips_those_without(tmp_path):
    io.write(tmp_path / "a.xyz", [crowded(), methane()])
    result = run(tmp_path / "a.xyz", tmp_path / "b.smi")
    assert result.exit_code == 5
    assert "skipped: 1 x too many neighbours (record 1" in result.stderr
    assert "1 of 2 structures were skipped" in result.stderr
    assert (tmp_path / "b.smi").read_text() == "C methane\n"


def test_file_without_bonds_asked_for_its_bonds(tmp_path):
    io.write(tmp_path / "a.xyz", methane())
    result = run(tmp_path / "a.xyz", tmp_path / "b.sdf", "--bonds", "file")
    assert result.exit_code == 5
    assert "without bonds: 1 x no bonds" in result.stderr


def test_assumed_charge_is_said_and_written(tmp_path):
    io.write(tmp_path / "a.xyz", ammonium())
    result = run(tmp_path / "a.xyz", tmp_path / "b.sdf")
    assert result.exit_code == 0
    assert "assumed for bonds: 1 x charge +1 assumed (record 1" in result.stderr
    assert next(io.read(tmp_path / "b.sdf")).charges.tolist() == [1, 0, 0, 0, 0]


def test_no_bonds_are_perceived_across_a_cell_or_for_formats_without_bonds(tmp_path):
    io.write(tmp_path / "a.extxyz", rock_salt())
    for target in ("b.sdf", "b.cif"):
        result = run(tmp_path / "a.extxyz", tmp_path / target)
        assert result.exit_code == 0
        assert "perceived by" not in result.stderr


@pytest.mark.parametrize(
    ("target", "source", "message"),
    [("b.xyz", "lookup", "no place for bonds"), ("b.sdf", "guess", "unknown bond source"), ("b.sdf", "", "unknown")],
)
def test_bond_sources_that_make_no_sense(tmp_path, target, source, message):
    io.write(tmp_path / "a.xyz", methane())
    result = run(tmp_path / "a.xyz", tmp_path / target, "--bonds", source)
    assert result.exit_code == 3
    assert message in result.stderr
    assert not (tmp_path / target).exists()


def test_a_file_is_not_converted_to_itself(tmp_path):
    io.write(tmp_path / "a.sdf", [water()])
    (tmp_path / "link.sdf").symlink_to(tmp_path / "a.sdf")
    before = (tmp_path / "a.sdf").read_bytes()
    for target in ("a.sdf", "link.sdf", "../" + tmp_path.name + "/a.sdf"):
        result = run(tmp_path / "a.sdf", tmp_path / target, "--overwrite")
        assert result.exit_code == 3
        assert "are the same file" in result.stderr
    assert (tmp_path / "a.sdf").read_bytes() == before
    assert leftovers(tmp_path) == []


def test_interruption_leaves_no_half_file_under_the_final_name(tmp_path, monkeypatch):
    import molgen.datasets.find

    def interrupted(spec, on_error):
        yield water()
        raise KeyboardInterrupt

    monkeypatch.setattr(molgen.datasets.find, "open_structures", interrupted)
    result = run("anything", tmp_path / "b.sdf")
    assert result.exit_code == 130
    assert not (tmp_path / "b.sdf").exists()
    assert "the first 1 structures are in" in result.stderr
    assert [s.name for s in io.read(tmp_path / ".partial.b.sdf")] == ["water"]


def test_folder_that_does_not_exist(tmp_path):
    io.write(tmp_path / "a.xyz", water())
    result = run(tmp_path / "a.xyz", tmp_path / "no" / "b.sdf")
    assert result.exit_code == 6
    assert "cannot write" in result.stderr


def test_split_of_a_packed_data_set(tmp_path):
    from molgen.datasets.find import open_dataset

    result = run("embedded:test", tmp_path / "b.extxyz.gz")
    assert result.exit_code == 0
    data = open_dataset("embedded")
    written = list(io.read(tmp_path / "b.extxyz.gz"))
    assert len(written) == len(data.indices("test")) > 0
    first = data.structure(int(data.indices("test")[0]))
    assert_same(written[0], first.replace(bonds=None), tolerance=1e-6)


def shaken_salt(seed):
    rng = np.random.default_rng(seed)
    lattice = 5.64 * np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]) + 0.01 * rng.normal(size=(3, 3))
    positions = np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]]) @ lattice + 0.01 * rng.normal(size=(2, 3))
    return Structure(numbers=[11, 17], positions=positions, lattice=lattice[[1, 0, 2]], name=f"salt {seed}")


def awkward_crystals(path):
    """Two that can be handed out, left-handed; then one flat, one without a lattice, a needle of one atom."""
    flat = shaken_salt(3).replace(lattice=np.diag([4.0, 4.0, 0.0]))
    needle = Structure(numbers=[26], positions=np.zeros((1, 3)), lattice=np.diag([2.0, 2.0, 900.0]), name="needle")
    io.write(path, [shaken_salt(0), shaken_salt(1), flat, shaken_salt(2).replace(lattice=None), needle])


@pytest.mark.parametrize("target", ["b.cif", "b.zip", "b/", "b.poscar.zip", "b.extxyz"])
def test_symmetrised_crystals_in_every_container(tmp_path, target):
    from molgen.datasets.find import open_structures

    awkward_crystals(tmp_path / "a.extxyz")
    result = run(tmp_path / "a.extxyz", f"{tmp_path}/{target}", "--symmetrise", "0.1")
    assert result.exit_code == 5, result.stderr
    assert "1 x zero volume (record 3" in result.stderr
    assert "1 x no lattice (record 4" in result.stderr
    first, second, needle = open_structures(f"{tmp_path}/{target}".rstrip("/"))
    for salt in (first, second):
        assert (salt.properties["space_group"], salt.properties["symprec"]) == ("Fm-3m", 0.1)
        # A symmetrised CIF has the conventional cell.
        assert len(salt) == (2 if "poscar" in target or "extxyz" in target else 8)
    assert needle.properties["formula"] == "Fe"
    assert leftovers(tmp_path) == []


def test_niggli_cells_without_symmetrising(tmp_path):
    io.write(tmp_path / "a.extxyz", shaken_salt(0))
    assert run(tmp_path / "a.extxyz", tmp_path / "b.extxyz", "--niggli").exit_code == 0
    (salt,) = io.read(tmp_path / "b.extxyz")
    assert np.linalg.det(salt.lattice) > 0
    assert "symmetrised" not in salt.properties
    assert run(tmp_path / "a.extxyz", tmp_path / "c.extxyz", "--symmetrise", "0").exit_code == 3


def test_a_left_handed_crystal_is_not_mirrored_by_cif(tmp_path):
    """Lengths and angles alone would make the cell right-handed and leave the fractional coordinates."""
    chiral = Structure(
        numbers=[6, 9, 17, 35],
        positions=[[0.0, 0, 0], [1.1, 0.2, 0.1], [0.1, 1.5, 0.3], [-0.2, 0.1, 1.9]],
        lattice=[[0, 9.0, 0], [8.0, 0, 0], [0, 0, 10.0]],
    )
    io.write(tmp_path / "a.extxyz", chiral)
    assert run(tmp_path / "a.extxyz", tmp_path / "b.cif").exit_code == 0
    (back,) = io.read(tmp_path / "b.cif")
    assert np.linalg.det(back.lattice) > 0
    assert triple(back) == pytest.approx(triple(chiral), rel=1e-5)


def triple(structure):
    """Signed volume spanned by the three heavier atoms about the lightest, its sign the handedness."""
    inverse, positions = np.linalg.inv(structure.lattice), structure.positions[structure.numbers.argsort()]
    shift = (positions[1:] - positions[0]) @ inverse
    return np.linalg.det((shift - np.round(shift)) @ structure.lattice)


def test_a_folder_that_exists(tmp_path):
    io.write(tmp_path / "a.extxyz", [rock_salt(), rock_salt()])
    (tmp_path / "b").mkdir()
    assert run(tmp_path / "a.extxyz", tmp_path / "b").exit_code == 0
    (tmp_path / "b" / "precious.cif").write_text("precious")
    assert run(tmp_path / "a.extxyz", tmp_path / "b").exit_code == 6
    io.write(tmp_path / "a.extxyz", [rock_salt()])
    assert run(tmp_path / "a.extxyz", tmp_path / "b", "--overwrite").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["000000_NaCl.cif", "precious.cif"]
    assert leftovers(tmp_path) == []
