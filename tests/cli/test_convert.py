import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.cli.app import app
from tests.io.molecules import assert_same, benzene, methyl, rock_salt, water


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
