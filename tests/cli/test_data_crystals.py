"""`molgen data` with crystals: one's own, a published set from a server on this machine, and wrong usage."""

import json
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.cli.app import app
from molgen.cli.prepare import CRYSTALS
from molgen.datasets import crystal_sets, find
from molgen.datasets.download import RemoteFile, blob_id
from molgen.datasets.layout import SPLITS
from molgen.datasets.packed import PackedDataset
from molgen.structure import Structure
from tests.datasets.crystals import ALL, BAD, cif, write_csv


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MOLGEN_DATA", str(tmp_path / "home"))
    monkeypatch.setattr(find, "REPOSITORY_DATA", tmp_path / "nowhere")
    return tmp_path / "home"


def run(*words):
    return CliRunner().invoke(app, ["data", *map(str, words)])


def test_a_folder_of_cifs_from_prepare_to_describe(home, tmp_path):
    (tmp_path / "cifs").mkdir()
    for number, structure in enumerate(ALL * 3):
        io.write(tmp_path / "cifs" / f"{number}.cif", structure)
    (tmp_path / "cifs" / "disordered.cif").write_text(BAD["not an ordered crystal"])
    result = run("prepare", tmp_path / "cifs", "--name", "mine", "--split", "0.6/0.2/0.2", "--workers", "1")
    assert result.exit_code == 0, result.output
    assert "mine: 9 structures (train 5  valid 2  test 2)" in result.stdout
    assert "left out     1 crystals" in result.stderr
    assert "1 x not an ordered crystal (no split 1)" in result.stderr
    assert "C Na Cl Cs" in run("list").stdout
    text = run("describe", "mine", "--verify").stdout
    assert "systems      cubic 100.0%" in text
    assert "left out     1 crystals" in text
    facts = json.loads(run("describe", "mine", "--json").stdout)["crystals"]
    assert facts["space_groups"] == {"221": 3, "225": 3, "227": 3}


def test_an_unreadable_record_is_exit_code_5(home, tmp_path):
    write_csv(tmp_path / "my.csv", [{"cif": cif()}, {"cif": BAD["malformed CIF block"]}])
    result = run("prepare", tmp_path / "my.csv", "--split", "1/0/0")
    assert result.exit_code == 5
    assert "1 of 2 records could not be used: 1 x malformed CIF block" in result.stderr
    assert len(PackedDataset.open(home / "my")) == 1


def test_a_published_set_is_downloaded_once(home, tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        files = {}
        for split, word in zip(SPLITS, ("train", "val", "test"), strict=True):
            path = write_csv(site / f"{word}.csv", [{"material_id": word, "cif": cif()}])
            url = f"http://127.0.0.1:{server.server_address[1]}/{path.name}"
            files[split] = RemoteFile(url, f"mp20_{word}.csv", f"git:{blob_id(path)}")
        published = replace(crystal_sets.CRYSTAL_SETS["mp20"], files=files, counts=dict.fromkeys(SPLITS, 2))
        monkeypatch.setattr(crystal_sets, "CRYSTAL_SETS", {"mp20": published})
        first = run("prepare", "mp20")
        server.shutdown()
    assert first.exit_code == 0, first.output
    assert "mp20: 3 structures (train 1  valid 1  test 1)" in first.stdout
    assert "the source lacks 3 crystals of this data set: train 1, valid 1, test 1" in first.stderr
    meta = PackedDataset.open(home / "mp20").meta
    assert meta["source"] == " ".join(remote.url for remote in files.values())
    again = run("prepare", "mp20", "--overwrite")  # the server is gone
    assert again.exit_code == 0, again.output
    assert PackedDataset.open(home / "mp20").fingerprint == meta["fingerprint"]


def test_a_set_without_training_crystals_says_so(home, tmp_path):
    (tmp_path / "mpts").mkdir()
    write_csv(tmp_path / "mpts" / "val.csv", [{"cif": cif()}])
    result = run("prepare", "mpts52", "--source", tmp_path / "mpts")
    assert result.exit_code == 0, result.output
    assert "no train split: mpts52 serves for scoring, not for training" in result.stderr
    assert "as published; this source has no train split and no test split" in run("describe", "mpts52").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mp20", "--split", "1/0/0"), "--split goes with"),
        (("mp20", "--no-hydrogens"), "--no-hydrogens goes with"),
        (("qm9", "--workers", "2"), "--workers goes with"),
        (("crystals.extxyz", "--no-hydrogens"), "--no-hydrogens goes with molecules"),
        (("molecules.extxyz", "--workers", "2"), "--workers goes with crystals"),
    ],
)
def test_options_that_do_not_go_together(home, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    io.write("crystals.extxyz", ALL)
    io.write("molecules.extxyz", [Structure(numbers=[8], positions=[[0, 0, 0]])])
    result = run("prepare", *words)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not home.exists()


def test_a_list_counts_many_elements(home, tmp_path):
    many = Structure(
        numbers=range(1, 13), positions=[[3.0 * k, 0, 0] for k in range(12)], lattice=[[36, 0, 0], [0, 6, 0], [0, 0, 6]]
    )
    io.write(tmp_path / "many.extxyz", [many])
    run("prepare", tmp_path / "many.extxyz", "--split", "1/0/0")
    assert "1/0/0                 12 elements" in run("list").stdout


def test_every_published_set_has_a_name_and_a_command():
    assert set(CRYSTALS) == set(crystal_sets.CRYSTAL_SETS) <= set(find.COMMANDS)
    for name, published in crystal_sets.CRYSTAL_SETS.items():
        assert list(published.files) == list(published.counts) == list(SPLITS)
        assert published.name == name
