"""Publishing: the card says what was measured, and refuses what was measured on something else."""

import json

import pytest

from molgen.checkpoint import Checkpoint
from molgen.errors import InputError
from molgen.provenance import file_sha256
from molgen.publish import publish

RATE = {"value": 0.75, "numerator": 3, "denominator": 4, "low": 0.301, "high": 0.954}
METRICS = ("atom_stability", "molecule_stability", "validity", "uniqueness")
SETTINGS = {"solver": "dpm_sde", "steps": 50, "spacing": 2.0, "seed": 0, "precision": "bf16", "device": "cpu"}


@pytest.fixture
def run_folder(tmp_path):
    """A run's weights as training leaves them."""
    from molgen.config import load_recipe
    from molgen.models import DataSummary, build

    recipe = load_recipe("edm_embedded", ["model.hidden=8", "model.layers=1"])
    data = DataSummary((1, 6, 7, 8, 9), (0, 0, 0, 2, 5))
    facts = {"dataset": "embedded", "dataset_fingerprint": "f" * 64, "training_structures": 7, "seed": 3, "steps": 11}
    facts |= {"precision": "32-true", "molgen": "0", "git_commit": "c" * 40, "torch": "0", "hardware": "1 x Some CPU"}
    weights = build(recipe.model, data).state_dict()
    Checkpoint(recipe.to_dict(), data, facts | {"training_seconds": 1800.0}, weights).save(tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def score_file(tmp_path, run_folder):
    """The output of `molgen score --json` and the sidecar of the file it scored."""
    samples = tmp_path / "samples.sdf"
    sidecar = {"settings": {**SETTINGS, "checkpoint_sha256": file_sha256(run_folder / "model.safetensors")}}
    sidecar |= {"seconds": 2.0, "provenance": {"hardware": "1 x Some CPU"}}
    (tmp_path / "samples.sdf.json").write_text(json.dumps(sidecar))
    metrics = dict.fromkeys(METRICS, RATE) | {"novelty": None}
    report = {"n": 4, "sources": {str(samples): 4}}
    report |= {"protocols": {"edm": {"version": "edm-lookup-1", "metrics": metrics}}}
    path = tmp_path / "score.json"
    path.write_text(json.dumps(report))
    return path


def test_card_and_metadata(run_folder, score_file, tmp_path):
    folder = tmp_path / "published"
    card = publish(run_folder, folder, scores=[score_file], command="molgen train edm_embedded", notes="A note.")
    text = card.read_text()
    assert "| dpm_sde, spacing 2 | 50 | 4 | 75.0 (30.1-95.4) |" in text
    assert "| 0.5 |" in text, "seconds per molecule"
    assert "molgen train edm_embedded" in text
    assert "0.50 h" in text
    assert "A note." in text
    (row,) = Checkpoint.load(folder).provenance["scores"]
    assert row["validity"] == RATE
    assert row["novelty"] is None
    assert (folder / "training_hashes.npy").stat().st_size > 1000


def test_scores_of_other_weights_are_refused(run_folder, score_file, tmp_path):
    checkpoint = Checkpoint.load(run_folder)
    checkpoint.provenance["steps"] = 12
    checkpoint.save(run_folder)
    with pytest.raises(InputError, match="other weights"):
        publish(run_folder, tmp_path / "published", scores=[score_file])
    assert not (tmp_path / "published").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sources": {"a": 1, "b": 2}}'])
def test_what_is_no_score_is_refused(run_folder, tmp_path, text):
    path = tmp_path / "score.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"score\.json"):
        publish(run_folder, tmp_path / "published", scores=[path])
