"""EQGAT-diff from the command line: trained on the embedded set, sampled to SDF, begun again from its own weights."""

import pytest
from typer.testing import CliRunner

from molgen.checkpoint import Checkpoint
from molgen.cli.app import app
from molgen.config import load_recipe, packaged_recipes
from molgen.io import read

TINY = (
    *("model.hidden=32", "model.vectors=4", "model.edges=4", "model.pair_hidden=8", "model.layers=2"),
    *("data.batch_size=16", "training.steps=3", "training.log_every=1", "training.validate_every=3"),
    *("training.validate_structures=16", "training.sample_structures=4", "training.sample_steps=2"),
)


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_train_sample_and_begin_again(tmp_path):
    words = ["train", "eqgat_qm9_small", "data.name=embedded", *TINY, "--device", "cpu", "--out"]
    result = run(*words, tmp_path / "first")
    assert result.exit_code == 0, result.output
    sampled = run("sample", tmp_path / "first", "-n", "5", "--steps", "3", "-o", tmp_path / "made.sdf")
    assert sampled.exit_code == 0, sampled.output
    molecules = list(read(tmp_path / "made.sdf"))
    assert len(molecules) == 5
    assert all(molecule.bonds is not None for molecule in molecules)
    again = run(*words, tmp_path / "second", "--init", tmp_path / "first", "model.extra_features=true")
    assert again.exit_code == 0, again.output
    assert "in part: network.atom_embed.weight, without ring 0, ring 1, hybridisation 0" in again.stderr
    record = Checkpoint.load(tmp_path / "second").provenance["initial_weights"]
    assert 0 < record["numbers_taken"] < record["numbers"]


@pytest.mark.parametrize("name", [name for name in packaged_recipes() if name.startswith("eqgat")])
def test_recipes_resolve(name):
    recipe = load_recipe(name)
    assert recipe.model.name == "eqgat"
    assert recipe.model.num_steps == 500
