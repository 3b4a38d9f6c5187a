"""A tiny untrained model, in memory and as a checkpoint."""

import pytest
import torch

from molgen.checkpoint import Checkpoint
from molgen.config import load_recipe
from molgen.models import DataSummary, build

HISTOGRAM = (0, 0, 2, 5, 9, 12, 7, 3)


def tiny_checkpoint(seed: int = 0) -> Checkpoint:
    """An untrained EDM of 8 x 2 for H, C, O and 2 to 7 atoms."""
    recipe = load_recipe("edm_embedded", ["model.hidden=8", "model.layers=2", "model.coordinate_range=0.1"])
    summary = DataSummary((1, 6, 8), HISTOGRAM)
    torch.manual_seed(seed)
    model = build(recipe.model, summary)
    facts = {"dataset": "embedded", "dataset_fingerprint": "0" * 64, "seed": seed, "steps": 0}
    return Checkpoint(recipe.to_dict(), summary, facts, dict(model.state_dict()))


@pytest.fixture
def model():
    return tiny_checkpoint().build()


@pytest.fixture
def checkpoint(tmp_path):
    return tiny_checkpoint().save(tmp_path / "tiny").parent
