"""The README's blocks marked `<!-- tested -->` run as they stand, in order, in a folder of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_readme_has_tested_blocks():
    assert [language for language, _ in BLOCKS] == ["bash", "python"]


def test_shell_block(folder):
    (block,) = [text for language, text in BLOCKS if language == "bash"]
    outputs = {line.split()[1]: run(line, folder) for line in block.splitlines() if line.strip()}
    assert {"data", "train", "sample", "score", "likelihood", "convert", "info", "models"} == set(outputs)
    assert "molecule stability" in outputs["score"]
    assert (folder / "tiny.sdf").read_text().count("$$$$") == 20
    assert len((folder / "tiny_rows.csv").read_text().splitlines()) == 21


def test_python_block(folder):
    (block,) = [text for language, text in BLOCKS if language == "python"]
    check = "\nassert len(mols) == len(rows) == 4 and summary.rates['validity'].denominator == 4\n"
    run([sys.executable, "-c", block + check], folder)
