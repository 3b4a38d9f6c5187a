"""scripts/benchmark_sampling.py from end to end, with stand-ins for the peers that use a known amount of time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from molgen.benchmark.molecules import QM9
from molgen.checkpoint import Checkpoint
from molgen.config import load_recipe
from molgen.models import build

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "benchmark_sampling.py"
SECONDS = 0.03
BUSY = f"""
import time, torch
def busy():
    began = time.process_time()
    while time.process_time() - began < {SECONDS}:
        pass
"""
EDM = """
class EnVariationalDiffusion(torch.nn.Module):
    def __init__(self, dynamics, **settings):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        print("settings go to standard output in the reference too")
    def forward(self, x, h, node_mask, edge_mask, context):
        assert x.shape[:2] == h["categorical"].shape[:2] == node_mask.shape[:2]
        assert edge_mask.shape == (len(x), x.shape[1] ** 2)
        assert (h["categorical"].sum(-1, keepdim=True) == node_mask).all()
        assert float((x * node_mask).sum(1).abs().max()) < 1e-4
        busy(); busy()
        return self.weight.expand(len(x))
    def sample_combined_position_feature_noise(self, count, atoms, node_mask):
        assert atoms == 29 == node_mask.shape[1]
        return torch.zeros(count, atoms, 9)
    def sample_p_zs_given_zt(self, s, t, z, node_mask, edge_mask, context):
        assert len(z) == 64 and edge_mask.shape == (64, 29 * 29)
        busy()
"""
SEMLA = """
class EquiInvDynamics(torch.nn.Module):
    def __init__(self, *sizes, **settings):
        super().__init__()
        assert settings["self_cond"]
class SemlaGenerator(torch.nn.Module):
    def __init__(self, *sizes, **settings):
        super().__init__()
    def forward(self, x, features, bonds, cond_x, cond_atoms, cond_bonds, mask):
        assert features.shape == (*mask.shape, 19) and bonds.shape == (*mask.shape, mask.shape[1], 5)
        busy()
        return x, cond_atoms, cond_bonds
"""


@pytest.fixture
def peers(tmp_path):
    """Checkouts with the modules that the script imports."""
    for path, text in {
        "edm/egnn/models.py": "def EGNN_dynamics_QM9(**settings): return None",
        "edm/equivariant_diffusion/en_diffusion.py": BUSY + EDM,
        "semla/semlaflow/models/semla.py": BUSY + SEMLA,
    }.items():
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)
    return tmp_path / "edm", tmp_path / "semla"


@pytest.fixture
def flow(tmp_path):
    """An untrained BondFlow for QM9's sizes."""
    small = ("model.hidden=16", "model.layers=1", "model.pair=8", "model.heads=2", "training.muon_learning_rate=0")
    recipe = load_recipe("bondflow_qm9", [*small, "data.name=nowhere", "data.batch_size=8"])
    torch.manual_seed(0)
    weights = dict(build(recipe.model, QM9).state_dict())
    return Checkpoint(recipe.to_dict(), QM9, {"steps": 0}, weights).save(tmp_path / "flow").parent


def run(*arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=300, env=environment, check=False
    )


def test_ratios(peers, flow, tmp_path):
    edm, semla = peers
    few = ("-n", 8, "--steps", 2, "--repeats", 2, "--training-batches", 1, "--precision", "32")
    done = run(flow, "--edm", edm, "--semla", semla, *few, "--json", tmp_path / "all.json")
    assert done.returncode == 0, done.stderr
    assert "settings go to" not in done.stdout
    document = json.loads((tmp_path / "all.json").read_text())
    costs = document["cpu_s_per_molecule"]
    for name, least in {"EDM, training": 2, "EDM, sampling step": 1, "SemlaFlow, network call": 1}.items():
        assert len(document["seconds"][name]["cpu"]) == 2
        assert least * SECONDS / 64 <= costs[name] < (least + 5) * SECONDS / 64  # the other process's time is seen
    stable = document["molecule_stability"]["32"]
    assert stable["edm"]["denominator"] == stable["explicit"]["denominator"] == 2 * 64
    training, edm_each, edm_stable, semla_each, semla_stable = document["ratios"]["32"]
    assert training["ratio"] == pytest.approx(costs["EDM, training"] / costs["ours, training, 32"])
    sampling = costs["ours, sampling, 32"]
    assert edm_each["ratio"] == pytest.approx(1001 * costs["EDM, sampling step"] / sampling)
    assert semla_each["ratio"] == pytest.approx(100 * costs["SemlaFlow, network call"] / sampling)
    for each, of_stable, published, rate in (
        (edm_each, edm_stable, 0.82, stable["edm"]),
        (semla_each, semla_stable, 0.997, stable["explicit"]),
    ):
        assert of_stable["theirs"] == pytest.approx(each["theirs"] / published)
        wanted = [each["ratio"] / published * rate[end] for end in ("low", "high")]
        assert of_stable["interval"] == pytest.approx(wanted)
        if rate["numerator"]:
            assert of_stable["ratio"] == pytest.approx(each["ratio"] / published * rate["value"])
        else:
            assert of_stable["ratio"] is None
    assert f"**{training['ratio']:,.1f}**" in done.stdout


def test_wrong_folders(flow, tmp_path):
    done = run(flow, "--edm", tmp_path, "-n", 8, "--steps", 1, "--repeats", 1)
    assert done.returncode == 1
    assert "not a checkout of EDM" in done.stderr
    missing = run(tmp_path / "nothing")
    assert missing.returncode == 1
    assert "no checkpoint at" in missing.stderr
    assert "Traceback" not in missing.stderr
