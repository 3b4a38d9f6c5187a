"""Killed without warning (SIGKILL, as by a power cut), continued by the same command: the result of an unbroken run."""

import csv
import json
import os
import subprocess
import sys

import pytest
import torch
from typer.testing import CliRunner

from molgen import io
from molgen.checkpoint import Checkpoint
from molgen.cli.app import app
from molgen.structure import Structure
from tests.sampling.conftest import bondflow_checkpoint  # noqa: F401 - fixture

DIE_IN_THE_SECOND_CHUNK = """
import os, signal
from molgen.sampling.output import SampleFile
add = SampleFile.add
def torn(file, structures):
    for number, structure in enumerate(structures):
        if number == 20:
            file._writer.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        yield structure
def add_and_die(self, structures, *rest):
    add(self, torn(self, structures) if self.chunks_done else structures, *rest)
SampleFile.add = add_and_die
from molgen.cli.app import main
main()
"""
"""The program, which dies when 20 molecules of the second chunk are in the file and not in the sidecar."""

DIE_AFTER_STEP_5 = """
import os, signal
from molgen.training.recorder import Recorder
before = Recorder.on_train_batch_end
def end_and_die(self, trainer, *rest):
    before(self, trainer, *rest)
    if trainer.global_step == 5:
        os.kill(os.getpid(), signal.SIGKILL)
Recorder.on_train_batch_end = end_and_die
from molgen.cli.app import main
main()
"""
"""The program, which dies after step 5; the state is saved at steps 2 and 4."""

TRAINING = (
    *("data.name=embedded", "data.batch_size=8", "training.steps=8", "training.validate_every=2"),
    *("training.log_every=1", "training.validate_structures=8", "training.sample_structures=0"),
)
MODELS = {
    "bondflow_qm9": ("model.hidden=32", "model.pair=8", "model.layers=2", "model.heads=2", "model.fragments=0.3"),
    "eqgat_qm9_small": ("model.hidden=32", "model.vectors=4", "model.edges=4", "model.pair_hidden=8", "model.layers=2"),
}
PIECE = Structure(
    numbers=[6, 8, 6], positions=[[5.0, -3.0, 7.0], [6.2, -3.0, 7.2], [4.2, -1.8, 6.4]], bonds=[[0, 1, 2], [0, 2, 1]]
)


def run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output


def killed(program, *words):
    command = [sys.executable, "-c", program, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=300)
    assert done.returncode == -9, done.stderr


@pytest.mark.parametrize(
    ("name", "given"), [("out.sdf", None), ("out.extxyz.gz", "formula"), ("out.sdf.gz", "fragment")], ids=str
)
def test_sampling(bondflow_checkpoint, tmp_path, name, given):  # noqa: F811
    io.write(tmp_path / "piece.sdf", PIECE)
    value = {None: [], "formula": ["--formula", "C3H4O"], "fragment": ["--fragment", tmp_path / "piece.sdf"]}[given]
    words = ["sample", bondflow_checkpoint, "-n", 150, "--steps", 3, "--set", "category_noise=2", *value, "-o"]
    whole, out = tmp_path / f"whole_{name}", tmp_path / name
    run(*words, whole)
    killed(DIE_IN_THE_SECOND_CHUNK, *words, out)
    state = json.loads(out.with_name(name + ".json").read_text())
    assert state["written"] == 64
    assert out.stat().st_size > state["bytes"]
    run(*words, out)
    assert out.read_bytes() == whole.read_bytes()
    after, unbroken = (json.loads(path.with_name(path.name + ".json").read_text()) for path in (out, whole))
    for key in ("settings", "counts", "written", "not_finite", "complete", "bytes"):
        assert after[key] == unbroken[key], key


@pytest.mark.parametrize("recipe", MODELS)
def test_training(tmp_path, recipe):
    words = ["train", recipe, *MODELS[recipe], *TRAINING, "--device", "cpu", "--out"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(*words, whole)
    killed(DIE_AFTER_STEP_5, *words, broken)
    assert Checkpoint.load(broken).provenance["steps"] == 4
    run(*words, broken, "--resume")
    ended, unbroken = Checkpoint.load(broken), Checkpoint.load(whole)
    assert ended.sha256() == unbroken.sha256()
    states = [torch.load(path / "checkpoints" / "last.ckpt", weights_only=True) for path in (broken, whole)]
    assert states[0]["global_step"] == states[1]["global_step"] == 8
    assert all(torch.equal(states[0]["state_dict"][name], value) for name, value in states[1]["state_dict"].items())
    losses = [[row["train_loss"] for row in csv.DictReader((p / "metrics.csv").open())] for p in (broken, whole)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 8
    assert len(set(losses[0])) == 8
