"""Weights from another checkpoint: which are taken, from which class, what is said and recorded of it."""

import dataclasses

import pytest
import torch

from molgen.checkpoint import Checkpoint
from molgen.errors import ConfigError, MissingError
from molgen.models import DataSummary, build
from molgen.models.edm import EDMConfig
from molgen.models.eqgat import EQGATConfig
from molgen.training.folder import began_with
from molgen.training.initial import take_weights
from tests.models.conftest import SUMMARY

SMALL = EQGATConfig(hidden=12, vectors=4, edges=5, pair_hidden=7, layers=2)
OTHER = dataclasses.replace(
    SUMMARY, elements=(6, 8, 16), element_counts=(4, 3, 1), charges=(0, 1, 2), charge_counts=(9, 2, 1)
)


def saved(settings, data, folder, seed=1):
    """A checkpoint with random weights."""
    torch.manual_seed(seed)
    model = build(settings, data)
    recipe = {"model": dataclasses.asdict(settings), "data": {}, "training": {}}
    Checkpoint(recipe, data, {"dataset": "elsewhere", "steps": 7}, dict(model.state_dict())).save(folder)
    return model


def fresh(settings, data, seed=2):
    torch.manual_seed(seed)
    return build(settings, data)


@pytest.mark.parametrize("settings", [SMALL, EDMConfig(hidden=8, layers=2)])
def test_same_vocabulary_takes_everything(settings, tmp_path):
    other, model = saved(settings, SUMMARY, tmp_path), fresh(settings, SUMMARY)
    taken = take_weights(model, tmp_path)
    for name, weight in other.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight), name
    assert taken.numbers == taken.total == sum(p.numel() for p in model.parameters())
    assert not taken.partly
    assert not taken.left


@pytest.mark.parametrize("prior", ["marginal", "mask"])
def test_classes_are_matched_by_what_they_stand_for(prior, tmp_path):
    settings = dataclasses.replace(SMALL, prior=prior)
    other, model, untouched = saved(settings, OTHER, tmp_path), fresh(settings, SUMMARY), fresh(settings, SUMMARY)
    taken = take_weights(model, tmp_path)
    weights, theirs, before = (m.state_dict() for m in (model, other, untouched))
    for name, (axis, own) in model.class_axes.items():
        known = other.class_axes[name][1]
        for at, label in enumerate(own):
            source, where = (theirs, known.index(label)) if label in known else (before, at)
            assert torch.equal(weights[name].select(axis, at), source[name].select(axis, where)), (name, label)
    missing = [f"elements {z}" for z in (1, 7, 9)] + ["charges -1"]
    assert taken.partly["network.atom_embed.weight"] == missing
    assert taken.partly["network.atom_read.bias"] == missing
    assert "network.pair_embed.weight" in taken.whole
    for name in taken.whole:
        assert torch.equal(weights[name], theirs[name]), name
    assert 0 < taken.numbers < taken.total


def test_what_does_not_fit_stays(tmp_path):
    deeper = dataclasses.replace(SMALL, layers=3, edges=6)
    other, model, untouched = saved(SMALL, SUMMARY, tmp_path), fresh(deeper, SUMMARY), fresh(deeper, SUMMARY)
    taken = take_weights(model, tmp_path)
    for name, weight in model.state_dict().items():
        source = other if name in taken.whole else untouched
        assert torch.equal(weight, source.state_dict()[name]), name
    assert "network.blocks.2.value.weight" in taken.left
    assert "network.blocks.1.edge_out.weight" in taken.left
    assert "network.blocks.1.value.weight" in taken.whole


def test_lines_for_the_user(tmp_path):
    saved(SMALL, OTHER, tmp_path)
    lines = take_weights(fresh(dataclasses.replace(SMALL, layers=3), SUMMARY), tmp_path).lines()
    assert lines[0].startswith(f"weights from {tmp_path}: ")
    assert "in part: network.atom_embed.weight, without elements 1, elements 7, elements 9, charges -1" in lines[1]
    assert lines[-1].startswith("  as initialised: network.blocks.2.")
    assert lines[-1].endswith(" more")


def test_another_kind_of_model(tmp_path):
    saved(EDMConfig(hidden=8, layers=1), SUMMARY, tmp_path)
    with pytest.raises(ConfigError, match=r"no weight .* \(edm\) fits this model \(eqgat\)"):
        take_weights(fresh(SMALL, SUMMARY), tmp_path)


def test_no_checkpoint(tmp_path):
    with pytest.raises(MissingError, match="no checkpoint"):
        take_weights(fresh(SMALL, SUMMARY), tmp_path / "nowhere")


def test_training_starts_there_and_the_record_survives_resuming(run, recipe, tmp_path):
    first = run(recipe(), "first")
    lines = []
    second = run(recipe("training.learning_rate=1e-12", "training.steps=1"), "second", init=first, log=lines.append)
    before, after = (Checkpoint.load(folder) for folder in (first, second))
    for name, weight in before.weights.items():
        torch.testing.assert_close(after.weights[name], weight, rtol=1e-5, atol=1e-7)
    assert any(line.startswith(f"weights from {first}") for line in lines)
    record = after.provenance["initial_weights"]
    assert record == began_with(second)["initial_weights"]
    assert record["dataset"] == "tiny"
    assert record["steps"] == before.provenance["steps"]
    assert record["numbers_taken"] == record["numbers"] == sum(w.numel() for w in before.weights.values())
    run(recipe("training.learning_rate=1e-12", "training.steps=2"), "second", resume=True)
    assert Checkpoint.load(second).provenance["initial_weights"] == record
    assert "initial_weights" not in before.provenance


def test_vocabularies_of_real_runs_differ(tmp_path):
    """Elements sorted, as a data set gives them: hydrogen comes first and shifts every class."""
    bare = DataSummary(elements=(6, 7, 8), size_histogram=(0, 1, 2))
    full = DataSummary(elements=(1, 6, 7, 8), size_histogram=(0, 1, 2))
    settings = EDMConfig(hidden=8, layers=1)
    other, model = saved(settings, bare, tmp_path), fresh(settings, full)
    take_weights(model, tmp_path)
    mine, theirs = (m.state_dict()["denoiser.network.embed.weight"] for m in (model, other))
    assert torch.equal(mine[:, 1:], theirs)
