import json
import re

import pytest
from typer.testing import CliRunner

from molgen.cli.app import app
from molgen.datasets import find
from molgen.datasets.packed import PackedDataset
from tests.datasets.geom import molecule, rdkit_folder, split_pickles, write_archive


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MOLGEN_DATA", str(tmp_path / "home"))
    monkeypatch.setattr(find, "REPOSITORY_DATA", tmp_path / "nowhere")
    return tmp_path / "home"


@pytest.fixture(scope="module")
def molecules():
    return [molecule("C" * k + "O", 3) for k in range(1, 11)]


@pytest.fixture
def archive(tmp_path, molecules):
    return rdkit_folder(tmp_path / "rdkit_folder.tar.gz", molecules)


def run(*words):
    return CliRunner().invoke(app, ["data", *map(str, words)])


def test_archive_to_data_set(home, archive):
    result = run("prepare", "geom", "--source", archive, "--conformers", "2")
    assert result.exit_code == 0, result.output
    assert "geom-drugs: 20 structures (train 16  valid 2  test 2)" in result.stdout
    data = PackedDataset.open(home / "geom-drugs")
    assert data.fingerprint in result.stdout
    assert "split by molecule, 80/10/10 by MiDi's rule over the 10 molecules" in result.stderr
    lines = run("describe", "geom-drugs", "--verify").stdout
    assert "states       charges, bonds, names" in lines
    assert "cleaning     as in GEOM-Drugs revisited" in lines
    assert "property     total_energy [Ha]: known for 20" in lines
    document = json.loads(run("describe", "geom-drugs", "--json").stdout)
    assert document["about"]["conformers"].startswith("the 2 lowest of each molecule")
    assert run("prepare", "geom", "--source", archive).exit_code == 6
    assert run("prepare", "geom", "--source", archive, "--no-hydrogens").exit_code == 0
    assert PackedDataset.open(home / "geom-drugs-noh").elements == [6, 8]


def test_split_files_and_pickles_of_the_splits(home, archive, tmp_path, molecules):
    smiles = [entry["smiles"] for entry in molecules]
    for name, part in (("train", smiles[:4]), ("val", smiles[4:7]), ("test", smiles[7:])):
        (tmp_path / f"{name}_smiles.txt").write_text("\n".join(part))
    result = run("prepare", "geom", "--source", archive, "--split-files", tmp_path)
    assert "(train 12  valid 9  test 9)" in result.stdout, result.output
    entries = [(entry["smiles"], [c["rd_mol"] for c in entry["conformers"]]) for entry in molecules]
    midi = split_pickles(tmp_path / "midi", {"train": entries[:4], "val": entries[4:7], "test": entries[7:]})
    result = run("prepare", "geom", "--source", midi, "--name", "midi")
    assert "midi: 30 structures (train 12  valid 9  test 9)" in result.stdout, result.output
    result = run("prepare", "geom", "--source", midi, "--name", "other", "--split-files", tmp_path)
    assert result.exit_code == 3
    assert "has its own split" in result.stderr


def test_damaged_molecules_give_exit_code_5(home, tmp_path, molecules):
    archive = rdkit_folder(tmp_path / "a.tar.gz", molecules, more=[("drugs/bad.pickle", b"\x80\x03}q")])
    result = run("prepare", "geom", "--source", archive)
    assert result.exit_code == 5
    assert "1 of 11 records could not be used: 1 x damaged pickle (record 11: damaged pickle: drugs/bad.pickle" in (
        result.stderr
    )
    assert len(PackedDataset.open(home / "geom-drugs")) == 30


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (("rdkit_folder/drugs/C.pickle", b"\x80\x03cos\nsystem\nX\x04\x00\x00\x00true\x85R."), "asks for 'os.system'"),
        (("drugs_crude.msgpack", b"\x81"), "it holds drugs_crude.msgpack"),
        (("rdkit_folder/qm9/C.pickle", b"\x80\x03}."), "no molecule of GEOM-Drugs"),
        (("rdkit_folder/drugs/C.pickle", b"\x80\x03}."), "all 1 records were skipped: 1 x damaged pickle"),
    ],
)
def test_wrong_archives(home, tmp_path, content, sentence):
    result = run("prepare", "geom", "--source", write_archive(tmp_path / "a.tar.gz", [content]))
    assert result.exit_code == 3
    assert sentence in result.stderr
    assert not home.exists() or list(home.iterdir()) == []


def test_without_a_source_says_where_to_get_it(home):
    for words in ((), ("--source", home / "absent.tar.gz")):
        result = run("prepare", "geom", *words)
        assert result.exit_code == 4
        assert re.search(r"cure: get rdkit_folder\.tar\.gz \(50 GB\) from Harvard Dataverse", result.stderr)


@pytest.mark.parametrize(
    "option",
    [
        ("--split", "1/0/0"),
        ("--seed", "1"),
        ("--embed",),
        ("--bonds",),
        ("--limit", "3"),
        ("--excluded", "x"),
        ("--workers", "0"),
        ("--conformers", "0"),
    ],
)
def test_wrong_usage(home, archive, option):
    assert run("prepare", "geom", "--source", archive, *option).exit_code == 2


def test_options_of_geom_alone(home, archive):
    assert run("prepare", "qm9", "--split-files", archive).exit_code == 2
    assert run("prepare", archive, "--split-files", archive).exit_code == 2
    assert run("prepare", "qm9", "--conformers", "3").exit_code == 2
