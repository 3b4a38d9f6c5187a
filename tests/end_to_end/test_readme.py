"""The README's blocks marked `<!-- tested -->` run as they stand, in order, in a folder of their own."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import molgen
from molgen.datasets.find import open_structures

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"<!-- tested -->\n```(\w+)\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("readme")
    (path / "checkpoints").symlink_to(ROOT / "checkpoints")
    return path


def run(command, folder):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=folder, env=environment, shell=isinstance(command, str), capture_output=True, text=True
    )
    # A model of 100 steps makes molecules that cannot be relaxed, and any model a crystal now and then: exit code 5.
    allowed = {0, 5} if "molgen relax" in command or "--rank" in command else {0}
    assert done.returncode in allowed, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_readme_has_tested_blocks():
    assert [language for language, _ in BLOCKS] == ["bash", "bash", "bash", "python", *["bash"] * 5]


def test_start(folder):
    outputs = run_lines(BLOCKS[0][1], folder)
    assert "protocol explicit" in outputs["score"]
    assert "novelty" in outputs["score"]
    assert (folder / "molecules.sdf").read_text().count("$$$$") == 20


def test_formula_and_fragment(folder):
    run_lines(BLOCKS[1][1], folder)
    isomers, grown = (list(molgen.read(folder / name)) for name in ("isomers.sdf", "grown.sdf"))
    assert [sorted(molecule.numbers.tolist()) for molecule in isomers] == [[1] * 10 + [6] * 7 + [8] * 2] * 8
    assert len(grown) == 8
    for molecule in grown:
        assert 15 <= len(molecule) <= 20
        assert molecule.numbers[:4].tolist() == isomers[0].numbers[:4].tolist()


def test_the_commands_of_a_whole_run(folder):
    outputs = run_lines(BLOCKS[2][1], folder)
    assert {"data", "train", "sample", "score", "likelihood", "convert", "info", "models"} == set(outputs)
    assert "molecule stability" in outputs["score"]
    assert (folder / "tiny.sdf").read_text().count("$$$$") == 20
    assert len((folder / "tiny_rows.csv").read_text().splitlines()) == 21


def test_python_block(folder):
    check = "\nassert len(mols) == len(scores.rows) == 4 and scores.metrics.protocol.nunique() == 3\n"
    printed = run([sys.executable, "-c", BLOCKS[3][1] + check], folder)
    metrics, _, rows = printed.partition("] ")
    assert {line.split()[1] for line in metrics.splitlines()[1:-2]} == {"edm", "explicit", "posebusters"}
    assert rows.splitlines()[-1].startswith("[4 rows x ")


def test_crystals(folder):
    outputs = run_lines(BLOCKS[4][1], folder)
    assert all(f"protocol {name}" in outputs["score"] for name in ("cdvae-2021", "strict", "symmetry"))
    assert len(list(molgen.read(folder / "crystals.cif"))) == 20
    assert [crystal.properties["formula"] for crystal in molgen.read(folder / "halide.cif")] == ["Cs2AgBiBr6"] * 2
    for crystal in molgen.read(folder / "oxides.extxyz"):
        assert set(crystal.numbers.tolist()) == {3, 8, 25}
        assert 4 <= len(crystal) <= 12
    assert len(list((folder / "cifs").iterdir())) == 4
    with zipfile.ZipFile(folder / "oxides.poscar.zip") as archive:
        assert len(archive.namelist()) == 5


def test_training_on_crystals(folder):
    run_lines(BLOCKS[5][1], folder)
    made = list(molgen.read(folder / "SrTiO3.cif"))
    assert sorted(len(crystal) for crystal in made) == [5, 5, 10, 10]
    assert all(set(crystal.numbers.tolist()) == {8, 22, 38} for crystal in made)


def test_symmetric_crystals(folder):
    outputs = run_lines(BLOCKS[6][1], folder)
    assert re.search(r"formal validity +100\.00 % +12 / 12", outputs["score"])
    made = list(molgen.read(folder / "symmetric.cif"))
    assert len(made) == 12
    assert sum(int(one.properties["space_group_number"]) in (221, 225) for one in made) >= 8
    for line in (folder / "genes.jsonl").read_text().splitlines():
        assert {symbol for symbol, _ in json.loads(line)["orbits"]} == {"Li", "Mn", "O"}
    assert len(list(molgen.read(folder / "made.extxyz"))) == 12
    formulas = [json.loads(line)["formula"] for line in (folder / "LiFePO4.jsonl").read_text().splitlines()]
    assert formulas == ["Fe2Li2O8P2"] * 4


def test_stable_crystals(folder):
    outputs = run_lines(BLOCKS[7][1], folder)
    assert re.search(r"known energy +100\.00 % +4 / 4", outputs["score"])
    found = list(open_structures(f"{folder / 'polymorphs'}/"))
    above = [crystal.properties["e_above_hull_eV_per_atom"] for crystal in found]
    assert above == sorted(above)
    assert 0.0 < above[0] < 0.5
    assert sum(crystal.properties["times_found"] for crystal in found) == 4
    assert "Convex hull of O-Ti" in (folder / "stability.html").read_text()


def test_scoring_with_every_kind_of_protocol(folder):
    outputs = run_lines(BLOCKS[8][1], folder)
    assert "distances from the reference" in outputs["score"]
    assert (folder / "report.html").stat().st_size > 100_000
    assert (folder / "relaxed.sdf").read_text().count("$$$$") == 20


def run_lines(block, folder):
    """What each command of a block printed, by subcommand."""
    return {line.split()[1]: run(line, folder) for line in block.splitlines() if line.strip()}
