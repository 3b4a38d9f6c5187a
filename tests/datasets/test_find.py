import numpy as np
import pytest

from molgen import io
from molgen.datasets import find
from molgen.datasets.packed import PackWriter
from molgen.errors import InputError, MissingError


@pytest.fixture
def home(tmp_path, monkeypatch, water, carbon_monoxide):
    monkeypatch.setenv("MOLGEN_DATA", str(tmp_path / "home"))
    with PackWriter(tmp_path / "home" / "two", name="two") as writer:
        writer.add(water)
        writer.add(carbon_monoxide)
        writer.finish(np.array([0, 2]), {})
    return tmp_path / "home"


def test_by_name_and_by_folder(home):
    assert find.resolve("two") == home / "two"
    assert find.resolve(str(home / "two")) == home / "two"
    assert find.resolve(home / "two") == home / "two"
    assert find.open_dataset("two").name == "two"


def test_default_home_is_data_in_the_current_folder(home, monkeypatch):
    monkeypatch.delenv("MOLGEN_DATA")
    monkeypatch.chdir(home.parent)
    home.rename(home.parent / "data")
    assert find.resolve("two").resolve() == home.parent / "data" / "two"


def test_embedded_set_is_found_from_anywhere(home):
    assert find.resolve("embedded") == find.REPOSITORY_DATA / "embedded"
    assert {"two", "embedded"} <= {folder.name for folder in find.available()}


def test_half_made_folders_are_not_listed(home):
    (home / ".three.partial-x").mkdir()
    (home / ".three.partial-x" / "meta.json").write_text("{}")
    assert not any(folder.name.startswith(".") for folder in find.available())


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("qm9", "molgen data prepare qm9"),
        ("qm9-noh", "molgen data prepare qm9 --no-hydrogens"),
        ("qm9-noh-bonds", "molgen data prepare qm9 --no-hydrogens --bonds"),
        ("geom-drugs", "molgen data prepare geom --source rdkit_folder.tar.gz"),
        ("mine", "molgen data prepare FILE --name mine"),
    ],
)
def test_missing_says_the_command(home, name, command, monkeypatch):
    monkeypatch.setattr(find, "REPOSITORY_DATA", home)
    with pytest.raises(MissingError, match=f"no data set '{name}'") as caught:
        find.resolve(name)
    assert caught.value.hint.startswith(command)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "downloads", "a b"])
def test_names_that_cannot_be_found_again(home, name):
    with pytest.raises(InputError, match="cannot name a data set"):
        find.folder_for(name)


def test_open_structures_from_splits_and_files(home, water, tmp_path):
    assert [s.name for s in find.open_structures("two")] == ["water", "CO"]
    assert [s.name for s in find.open_structures("two:test")] == ["CO"]
    assert [s.name for s in find.open_structures(f"{home / 'two'}:train")] == ["water"]
    io.write(tmp_path / "w.sdf", [water])
    assert [s.name for s in find.open_structures(tmp_path / "w.sdf")] == ["water"]
    with pytest.raises(InputError, match="unknown split 'tset'"):
        find.open_structures("two:tset")
    with pytest.raises(MissingError):
        find.open_structures("absent.sdf")


def test_bad_records_of_a_file_reach_the_callback(home, water, tmp_path):
    path = tmp_path / "w.xyz"
    io.write(path, [water])
    path.write_text(path.read_text() + "1\n\nXx 0 0 0\n")
    seen = []
    assert len(list(find.open_structures(path, lambda record, reason: seen.append((record, reason))))) == 1
    assert seen[0][0] == 1
    assert "unknown element" in seen[0][1]


def test_a_split_is_added_to_data_sets_without_one(home, monkeypatch):
    """By name or folder; files and what names a split stay as they are."""
    name = next(home.iterdir()).name
    for spec in (name, str(home / name)):
        assert find.with_split(spec, "train") == f"{spec}:train"
        assert find.with_split(f"{spec}:test", "train") == f"{spec}:test"
    monkeypatch.chdir(home.parent)
    relative = f"{home.name}/{name}"
    assert find.with_split(relative, "train") == f"{relative}:train"
    assert find.with_split("some.cif", "train") == "some.cif"
