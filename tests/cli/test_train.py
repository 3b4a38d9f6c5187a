import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from typer.testing import CliRunner

from molgen.checkpoint import Checkpoint
from molgen.cli.app import app
from molgen.config import load_recipe
from molgen.datasets import find
from molgen.training.run import train
from tests.training.conftest import OVERRIDES, pack


def run(*words):
    return CliRunner().invoke(app, ["train", *map(str, words)])


def test_dry_run_prints_the_whole_recipe_and_touches_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("edm_qm9", "training.learning_rate=2e-4", "--dry-run", "--out", tmp_path / "run")
    assert result.exit_code == 0
    printed = OmegaConf.to_container(OmegaConf.create(result.stdout))
    assert printed == load_recipe("edm_qm9", ["training.learning_rate=2e-4"]).to_dict()
    assert list(tmp_path.iterdir()) == []


def test_unknown_key(tmp_path):
    result = run("edm_qm9", "model.hiden=3", "--out", tmp_path / "run")
    assert result.exit_code == 3
    assert "unknown key model.hiden" in result.stderr
    assert "did you mean hidden?" in result.stderr
    assert not (tmp_path / "run").exists()


def test_missing_data_set(tmp_path, monkeypatch):
    monkeypatch.setenv("MOLGEN_DATA", str(tmp_path))
    monkeypatch.setattr(find, "REPOSITORY_DATA", tmp_path / "nowhere")
    result = run("edm_qm9", "--out", tmp_path / "run")
    assert result.exit_code == 4
    assert "no data set 'qm9'" in result.stderr
    assert "molgen data prepare qm9" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return pack(tmp_path_factory.mktemp("data") / "tiny")


def test_train_then_refuse_then_resume(tiny, tmp_path):
    words = ["edm_embedded", f"data.name={tiny}", *OVERRIDES, "--out", tmp_path / "run", "--device", "cpu"]
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "model.safetensors" in result.stderr
    assert result.stdout == ""
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.yaml", "metrics.csv", "checkpoints", "model.safetensors"} <= names
    again = run(*words)
    assert again.exit_code == 6
    assert "continue it with --resume" in again.stderr
    assert run(*words, "--resume").exit_code == 0
    assert run(*words[:-4], "--out", tmp_path / "other", "--resume").exit_code == 4
    other = run("bondflow_qm9", "--out", tmp_path / "run", "--device", "cpu", "--resume")
    assert other.exit_code == 3
    assert "is a run of edm, recipe bondflow_qm9 is of bondflow" in other.stderr


def test_the_command_is_recorded(tiny, tmp_path, monkeypatch):
    words = ["edm_embedded", f"data.name={tiny}", *OVERRIDES, "--out", str(tmp_path / "my run"), "--device", "cpu"]
    for more in ([], ["--resume"]):
        monkeypatch.setattr(sys, "argv", ["/somewhere/bin/molgen", "train", *words, *more])
        assert run(*words, *more, *(["training.steps=14"] if more else [])).exit_code == 0
    first, second = Checkpoint.load(tmp_path / "my run").provenance["commands"]
    assert first.startswith("molgen train edm_embedded data.name=")
    assert f"--out '{tmp_path}/my run' --device cpu" in first
    assert second == f"{first} --resume"


def test_init(tiny, tmp_path):
    words = ["edm_embedded", f"data.name={tiny}", *OVERRIDES, "--device", "cpu", "--out"]
    assert run(*words, tmp_path / "first").exit_code == 0
    result = run(*words, tmp_path / "second", "--init", tmp_path / "first")
    assert result.exit_code == 0, result.output
    assert f"weights from {tmp_path / 'first'}: " in result.stderr
    both = run(*words, tmp_path / "second", "--init", tmp_path / "first", "--resume")
    assert both.exit_code == 2
    assert "not both" in both.stderr
    missing = run(*words, tmp_path / "third", "--init", tmp_path / "nowhere")
    assert missing.exit_code == 4
    assert not (tmp_path / "third").exists()


def test_a_device_that_is_not_there(tiny, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    result = run("edm_embedded", f"data.name={tiny}", *OVERRIDES, "--out", tmp_path / "run", "--device", "cuda")
    assert result.exit_code in (3, 4), result.output
    assert "Traceback" not in result.output


def test_ctrl_c_saves_and_the_folder_resumes(tiny, tmp_path):
    folder, endless = tmp_path / "run", [*OVERRIDES, "training.steps=1000000", "training.validate_every=1000000"]
    command = [str(Path(sys.executable).parent / "molgen"), "train", "edm_embedded", f"data.name={tiny}", *endless]
    process = subprocess.Popen(
        [*command, "--out", str(folder), "--device", "cpu"], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not (folder / "metrics.csv").exists() or (folder / "metrics.csv").read_text().count("\n") < 4:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, stderr
    assert "stopping after this step and saving" in stderr
    assert stderr.rstrip().endswith("interrupted")
    assert "Traceback" not in stderr
    step = Checkpoint.load(folder).provenance["steps"]
    assert step >= 3
    recipe = load_recipe("edm_embedded", [f"data.name={tiny}", *endless, f"training.steps={step + 2}"])
    train(recipe, folder, resume=True, trainer_options={"accelerator": "cpu"})
    assert Checkpoint.load(folder).provenance["steps"] == step + 2
