"""Tiny untrained models, in memory and as checkpoints."""

import pytest
import torch

from molgen.checkpoint import Checkpoint
from molgen.config import load_recipe
from molgen.models import DataSummary, build
from molgen.testing import randomise_weights

HISTOGRAM = (0, 0, 2, 5, 9, 12, 7, 3)


def tiny_checkpoint(seed: int = 0) -> Checkpoint:
    """An untrained EDM of 8 x 2 for H, C, O and 2 to 7 atoms."""
    recipe = load_recipe("edm_embedded", ["model.hidden=8", "model.layers=2", "model.coordinate_range=0.1"])
    summary = DataSummary((1, 6, 8), HISTOGRAM)
    torch.manual_seed(seed)
    model = build(recipe.model, summary)
    facts = {"dataset": "embedded", "dataset_fingerprint": "0" * 64, "seed": seed, "steps": 0}
    return Checkpoint(recipe.to_dict(), summary, facts, dict(model.state_dict()))


BONDED = DataSummary(
    elements=(1, 6, 7, 8),
    size_histogram=(0, 0, 2, 5, 9, 12, 7, 3, 0, 4),
    element_counts=(50, 30, 10, 10),
    charges=(-1, 0, 1),
    charge_counts=(1, 98, 1),
    bond_orders=(0, 1, 2, 3),
    bond_counts=(150, 60, 20, 5),
    position_std=1.3,
)


def tiny_bondflow_checkpoint(seed: int = 0) -> Checkpoint:
    """A BondFlow of 16 x 2 for H, C, N, O and 2 to 9 atoms, with random weights that make bonds and charges."""
    sizes = ["model.hidden=16", "model.pair=8", "model.layers=2", "model.heads=2", "model.radial=6"]
    recipe = load_recipe("bondflow_qm9", [*sizes, "training.muon_learning_rate=0"])
    model = build(recipe.model, BONDED)
    randomise_weights(model, torch.Generator().manual_seed(seed + 3))
    facts = {"dataset": "embedded", "dataset_fingerprint": "0" * 64, "seed": seed, "steps": 0}
    return Checkpoint(recipe.to_dict(), BONDED, facts, dict(model.state_dict()))


@pytest.fixture
def bondflow():
    return tiny_bondflow_checkpoint().build()


@pytest.fixture
def bondflow_checkpoint(tmp_path):
    return tiny_bondflow_checkpoint().save(tmp_path / "bondflow").parent


@pytest.fixture
def model():
    return tiny_checkpoint().build()


@pytest.fixture
def checkpoint(tmp_path):
    return tiny_checkpoint().save(tmp_path / "tiny").parent
