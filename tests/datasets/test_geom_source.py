import tarfile
import zipfile

import pytest

from molgen.datasets import geom_source
from molgen.datasets.geom_source import open_geom
from molgen.errors import InputError, MissingError
from tests.datasets.geom import embedded, molecule, rdkit_folder, split_pickles, write_archive


@pytest.fixture(scope="module")
def molecules():
    return [molecule(smiles, 2) for smiles in ("CCO", "CN", "CC(=O)O")]


def names(path):
    return [record.name.rpartition("/")[2] for record in open_geom(path).records(30)]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_whatever_its_name_says(tmp_path, molecules, mode):
    """Dataverse serves rdkit_folder.tar.gz as a plain tar."""
    path = rdkit_folder(tmp_path / "rdkit_folder.tar.gz", molecules, mode)
    source = open_geom(path)
    records = list(source.records(30))
    assert [record.name for record in records] == [f"rdkit_folder/drugs/{m['smiles']}.pickle" for m in molecules]
    assert all(record.split is None for record in records)
    assert 0 < source.read <= 1


def test_zip_and_unpacked_folders(tmp_path, molecules):
    with tarfile.open(rdkit_folder(tmp_path / "a.tar", molecules, "w")) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    inside = tmp_path / "unpacked" / "rdkit_folder"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in sorted(inside.rglob("*.*")):
            archive.writestr(str(file.relative_to(tmp_path / "unpacked")), file.read_bytes())
    expected = sorted(names(tmp_path / "a.tar"))
    for path in (tmp_path / "a.zip", tmp_path / "unpacked", inside, inside / "drugs"):
        assert sorted(names(path)) == expected, path


def test_only_molecules_are_read(tmp_path, molecules, monkeypatch):
    """Nothing of QM9's folder, of the summaries or of hidden files, and no file too large for a molecule."""
    more = [
        ("rdkit_folder/drugs/._CCO.pickle", b"resource fork"),
        ("rdkit_folder/README", b"text"),
        ("rdkit_folder/drugs/large.pickle", bytes(200_000)),
    ]
    monkeypatch.setattr(geom_source, "LARGEST_PICKLE", 100_000)
    source = open_geom(rdkit_folder(tmp_path / "a.tar.gz", molecules, more=more))
    assert len(list(source.records(30))) == 3
    assert source.too_large == ["rdkit_folder/drugs/large.pickle"]


def test_splits_of_their_own(tmp_path):
    mol = embedded("CCO")
    folder = split_pickles(
        tmp_path / "midi", {"train": [("CCO", [mol] * 9), ("OCC", [mol])], "val": [("C(O)C", [mol])], "test": []}
    )
    source = open_geom(folder)
    assert source.has_splits
    found = [(r.content.smiles, len(r.content.conformers), r.split) for r in source.records(4)]
    assert found == [("CCO", 4, 0), ("OCC", 1, 0), ("C(O)C", 1, 1)]
    assert 0 < source.read <= 1


@pytest.mark.parametrize("content", [b"", b"\x80\x04]\x94(cos\nsystem\n", b"\x80\x04}."])
def test_damaged_split_pickles_are_named(tmp_path, content):
    folder = split_pickles(tmp_path / "midi", {"train": [], "val": [], "test": []})
    (folder / "val_data.pickle").write_bytes(content)
    with pytest.raises(InputError, match=r"val_data\.pickle: the pickle"):
        list(open_geom(folder).records(30))


def test_what_is_not_there(tmp_path):
    with pytest.raises(MissingError, match="there is no") as caught:
        open_geom(tmp_path / "rdkit_folder.tar.gz")
    assert "10.7910/DVN/JNGTDF" in caught.value.hint
    folder = split_pickles(tmp_path / "midi", {"train": []})
    with pytest.raises(MissingError, match=r"lacks val_data\.pickle and test_data\.pickle"):
        open_geom(folder)
    with pytest.raises(InputError, match="one pickle") as caught:
        open_geom(folder / "train_data.pickle")
    assert str(folder) in caught.value.hint
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds neither drugs/ nor"):
        open_geom(tmp_path / "empty")


def test_other_archives(tmp_path, molecules):
    other = write_archive(tmp_path / "drugs_crude.msgpack.tar.gz", [("drugs_crude.msgpack", b"\x81")])
    with pytest.raises(InputError, match=r"it holds drugs_crude\.msgpack") as caught:
        names(other)
    assert "rdkit_folder.tar.gz" in caught.value.hint
    only_qm9 = rdkit_folder(tmp_path / "b.tar.gz", [])
    with pytest.raises(InputError, match=r"no drugs/\*\.pickle"):
        names(only_qm9)
    (tmp_path / "text.tar.gz").write_text("<html>not found</html>")
    with pytest.raises(InputError, match="truncated, damaged or not the archive"):
        names(tmp_path / "text.tar.gz")
    cut = tmp_path / "cut.tar.gz"
    whole = rdkit_folder(tmp_path / "whole.tar.gz", molecules).read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="truncated, damaged or not the archive"):
        names(cut)
