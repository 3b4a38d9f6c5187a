"""Scores during training: of molecules, and of crystals that are predicted or generated."""

import math

import pytest
import torch

from molgen.cli.monitor import make_sample_scores
from molgen.config import load_recipe
from molgen.datasets.find import open_dataset
from molgen.models import build
from molgen.training.summary import summarise

TARGETS = "embedded-crystals:valid"
SMALL = ["model.hidden=8", "model.layers=1", "model.frequencies=2", "model.time_features=4"]


@pytest.fixture
def crystals():
    return summarise(open_dataset("embedded-crystals"))


def test_predictions_are_compared_with_their_targets(crystals):
    torch.manual_seed(0)
    model = build(load_recipe("diffcsp_mp20", SMALL).model, crystals).eval()
    values = make_sample_scores(4, 2, targets=TARGETS)(model, 0)
    assert set(values) == {"sample_strict_validity", "sample_match_rate_of_attempted", "sample_rmse"}
    assert values["sample_match_rate_of_attempted"] == 0.0  # untrained
    assert math.isnan(values["sample_rmse"])


def test_the_targets_themselves_match(crystals, monkeypatch):
    """With a model whose samples are the targets, in the order of their compositions."""
    from molgen.cli import monitor
    from molgen.sampling.targets import TARGET

    model = build(load_recipe("diffcsp_mp20", SMALL).model, crystals).eval()
    dataset = open_dataset("embedded-crystals")
    by_label = {dataset.name_of(int(k)).replace(" ", "_"): dataset.structure(int(k)) for k in dataset.indices("valid")}

    def targets_of(model, plan, steps):
        labels = [label[TARGET] for label in plan.condition.labels]
        assert len(labels) == 5
        return [by_label[label].replace(properties={TARGET: label}) for label in labels]

    monkeypatch.setattr(monitor, "_made", targets_of)
    values = make_sample_scores(5, 2, targets=TARGETS)(model, 0)
    assert values["sample_match_rate_of_attempted"] == 1.0
    assert values["sample_rmse"] < 1e-3


def test_generated_crystals_are_scored_strictly(crystals):
    torch.manual_seed(0)
    model = build(load_recipe("diffcsp_mp20_gen", SMALL).model, crystals).eval()
    values = make_sample_scores(3, 2)(model, 0)
    assert set(values) == {"sample_strict_validity"}
    assert 0.0 <= values["sample_strict_validity"] <= 1.0
