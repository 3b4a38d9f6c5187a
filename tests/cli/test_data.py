import hashlib
import json
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import numpy as np
import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.cli.app import app
from molgen.datasets import find, own, qm9
from molgen.datasets.download import RemoteFile
from molgen.datasets.packed import PackedDataset
from molgen.structure import Structure
from tests.datasets.conftest import qm9_text


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MOLGEN_DATA", str(tmp_path / "home"))
    monkeypatch.setattr(find, "REPOSITORY_DATA", tmp_path / "nowhere")
    return tmp_path / "home"


@pytest.fixture
def sdf(tmp_path):
    atoms = Structure(
        numbers=[6, 8], positions=[[0, 0, 0], [1.128, 0, 0]], charges=[-1, 1], bonds=[[0, 1, 3]], name="CO"
    )
    io.write(tmp_path / "my.sdf", [atoms] * 10)
    return tmp_path / "my.sdf"


def run(*words):
    return CliRunner().invoke(app, ["data", *map(str, words)])


def test_own_file_list_describe(home, sdf):
    result = run("prepare", sdf, "--name", "mine", "--split", "0.6/0.2/0.2", "--seed", "4")
    assert result.exit_code == 0, result.output
    assert "mine: 10 structures (train 6  valid 2  test 2)" in result.stdout
    assert PackedDataset.open(home / "mine").fingerprint in result.stdout
    assert "10 structures  6/2/2" in run("list").stdout
    text = run("describe", "mine", "--verify")
    assert "states       charges, bonds, names" in text.stdout
    assert "verified" in text.stderr
    document = json.loads(run("describe", "mine", "--json").stdout)
    assert document["splits"] == {"train": 6, "valid": 2, "test": 2}
    assert document["elements"] == ["C", "O"]
    assert document["size_histogram"]["train"] == {"2": 6}


def test_default_name_and_refusal_to_overwrite(home, sdf):
    assert run("prepare", sdf).exit_code == 0
    before = (home / "my" / "meta.json").stat().st_mtime_ns
    result = run("prepare", sdf)
    assert result.exit_code == 6
    assert "already exists" in result.stderr
    assert "--overwrite" in result.stderr
    assert (home / "my" / "meta.json").stat().st_mtime_ns == before
    assert run("prepare", sdf, "--overwrite").exit_code == 0


def test_unreadable_records_give_exit_code_5(home, sdf):
    sdf.write_text(sdf.read_text().replace("C  ", "Qq ", 1))
    result = run("prepare", sdf)
    assert result.exit_code == 5
    assert "1 of 10 records could not be used: 1 x unknown element (record 1: " in result.stderr
    assert "my: 9 structures" in result.stdout
    assert "skipped      1 unreadable records" in run("describe", "my").stdout


def test_nothing_prepared_and_missing(home):
    result = run("list")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "molgen data prepare qm9" in result.stderr
    result = run("describe", "qm9")
    assert result.exit_code == 4
    assert "cure: molgen data prepare qm9" in result.stderr
    assert run("prepare", "absent.sdf").exit_code == 4


def test_damage(home, sdf):
    run("prepare", sdf)
    path = home / "my" / "positions.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert run("describe", "my").exit_code == 0
    result = run("describe", "my", "--verify")
    assert result.exit_code == 3
    assert "damaged" in result.stderr
    path.write_bytes(content[:-4])
    assert run("describe", "my").exit_code == 3
    assert "my: damaged" in run("list").stderr


def test_wrong_usage(home, sdf):
    assert run("prepare", "qm9", "--split", "1/0/0").exit_code == 2
    assert run("prepare", sdf, "--source", sdf).exit_code == 2
    assert run("prepare", sdf, "--split", "most").exit_code == 2
    assert run("prepare", sdf, "--bonds").exit_code == 2
    assert run("prepare", sdf, "--workers", "2").exit_code == 2
    assert run("prepare", sdf, "--embed", "--workers", "0").exit_code == 2
    assert run("prepare", sdf, "--limit", "2").exit_code == 2
    assert run("prepare", sdf, "--conformers", "2").exit_code == 2
    assert run("prepare", "qm9", "--embed").exit_code == 2
    assert run("prepare", sdf, "--embed").exit_code == 3
    assert run("prepare", sdf, "--split", "0.5/0.1/0.1").exit_code == 3
    assert run("prepare", sdf, "--name", "../x").exit_code == 3
    assert not home.exists() or not list(home.iterdir())


def test_interrupt_leaves_nothing(home, sdf, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(own.PackWriter, "finish", interrupted)
    assert run("prepare", sdf).exit_code == 130
    assert list(home.iterdir()) == []


def test_qm9_offline(home, monkeypatch):
    monkeypatch.setattr(qm9, "UNCHARACTERISED", RemoteFile("http://127.0.0.1:9/list", "uncharacterized.txt", "md5:0"))
    result = run("prepare", "qm9")
    assert result.exit_code == 4
    assert "cannot download http://127.0.0.1:9/list" in result.stderr
    assert "--source" in result.stderr


def test_qm9_lacking_molecules_are_reported(home, tmp_path):
    arrays = {"gdb_index": [1, 2], "edm_split": [0, 1], "n_atoms": [1, 2], "z": [6, 7, 1], "pos": np.eye(3)}
    np.savez(tmp_path / "part.npz", **arrays)
    result = run("prepare", "qm9", "--source", tmp_path / "part.npz")
    assert result.exit_code == 0, result.output
    assert (
        "the source lacks 130,829 molecules of this data set: train 99,999, valid 17,747, test 13,083" in result.stderr
    )
    assert "valid        1 of 17,748; the source lacks 17,747" in run("describe", "qm9").stdout
    assert run("prepare", "qm9", "--source", tmp_path / "part.npz", "--no-hydrogens").exit_code == 0
    assert PackedDataset.open(home / "qm9-noh").elements == [6, 7]


def test_qm9_bonds(home, tmp_path):
    """Water, and hydrogen cyanide whose SMILES is that of its isomer."""
    water = [[0.0, 0.0, 0.119], [0.0, 0.763, -0.477], [0.0, -0.763, -0.477]]
    cyanide = [[0.0, 0.0, 0.0], [1.156, 0.0, 0.0], [-1.066, 0.0, 0.0]]
    arrays = {"gdb_index": [3, 5], "edm_split": [0, 2], "n_atoms": [3, 3], "z": [8, 1, 1, 6, 7, 1]}
    np.savez(tmp_path / "part.npz", **arrays, pos=[*water, *cyanide], smiles_gdb=["O", "[C-]#[NH+]"])
    result = run("prepare", "qm9", "--bonds", "--source", tmp_path / "part.npz", "--workers", "1")
    assert result.exit_code == 0, result.output
    assert "qm9-bonds: 1 structures (train 1  valid 0  test 0)" in result.stdout
    assert "the source lacks 130,829 molecules" in result.stderr
    assert "1 x other neighbours than the SMILES (test 1)" in result.stderr
    assert "gdb_5: perceived C#N, the SMILES is [C-]#[NH+]" in result.stderr
    assert PackedDataset.open(home / "qm9-bonds").structure(0).bonds.tolist() == [[0, 1, 1], [0, 2, 1]]
    text = run("describe", "qm9-bonds").stdout
    assert "bonds        xyz2mol, checked against GDB SMILES, kekulised" in text
    assert "left out     1 molecules" in text
    result = run("prepare", "qm9", "--bonds", "--no-hydrogens", "--source", tmp_path / "part.npz")
    assert "qm9-noh-bonds: 1 structures" in result.stdout


def test_smiles_embedded(home, tmp_path):
    (tmp_path / "list.csv").write_text("smiles,split\nCO,train\nCCO,test\nOC,test\nOB(O)O,valid\n")
    result = run("prepare", tmp_path / "list.csv", "--embed", "--name", "drugs")
    assert result.exit_code == 5, result.output
    assert "drugs: 2 structures (train 1  valid 0  test 1)" in result.stdout
    assert "1 of 3 records could not be used: 1 x no parameters" in result.stderr
    assert "repeated     1 molecules that occurred before, packed once; 1 of them in another split" in result.stderr
    text = run("describe", "drugs").stdout
    assert "geometry     ETKDGv3 + MMFF94s, not DFT" in text
    assert "repeated     1 molecules" in text
    assert run("prepare", tmp_path / "list.csv", "--embed", "--split", "1/0/0", "--name", "x").exit_code == 3


def test_interrupted_embedding_says_how_to_go_on(home, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    (tmp_path / "list.smi").write_text("CO\nCCO\n")
    monkeypatch.setattr(own.PackWriter, "finish", interrupted)
    result = run("prepare", tmp_path / "list.smi", "--embed")
    assert result.exit_code == 130
    assert "2 molecules are kept; the same command goes on with the others" in result.stderr
    monkeypatch.undo()
    monkeypatch.setenv("MOLGEN_DATA", str(home))
    assert "list: 2 structures" in run("prepare", tmp_path / "list.smi", "--embed").stdout


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A server with a distribution of three molecules, the last of them uncharacterised, in place of figshare."""
    folder = tmp_path / "published"
    folder.mkdir()
    molecule = Structure(numbers=[6, 1], positions=[[0, 0, 0], [0, 0, 1.09]])
    with tarfile.open(folder / "3195389", "w:bz2") as archive:
        for index in (1, 2, 9):
            text = qm9_text(index, molecule).encode()
            info = tarfile.TarInfo(f"dsgdb9nsd_{index:06d}.xyz")
            info.size = len(text)
            archive.addfile(info, BytesIO(text))
    (folder / "3195404").write_text("".join(f"{k} C C\n" for k in range(9, 9 + qm9.EXCLUDED)))
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        for what, name in (("ARCHIVE", "3195389"), ("UNCHARACTERISED", "3195404")):
            checksum = "md5:" + hashlib.md5((folder / name).read_bytes()).hexdigest()
            remote = RemoteFile(
                f"http://127.0.0.1:{server.server_address[1]}/{name}", getattr(qm9, what).name, checksum
            )
            monkeypatch.setattr(qm9, what, remote)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_qm9_downloaded(home, published):
    result = run("prepare", "qm9")
    assert result.exit_code == 0, result.output
    assert "qm9: 2 structures" in result.stdout
    data = PackedDataset.open(home / "qm9")
    assert data.meta["uncharacterised"] == 1
    assert data.meta["source"] == qm9.ARCHIVE.url
    published.shutdown()
    assert run("prepare", "qm9", "--no-hydrogens").exit_code == 0
    assert sorted(path.name for path in (home / "downloads").iterdir()) == [
        "dsgdb9nsd.xyz.tar.bz2",
        "uncharacterized.txt",
    ]


@pytest.mark.parametrize("command", ["prepare", "list", "describe"])
def test_help_has_an_example(command):
    assert "Example" in run(command, "--help").stdout
