"""Publishing: the card says what was measured, and refuses what was measured on something else."""

import json

import pytest
import torch

from molgen.checkpoint import Checkpoint
from molgen.config import load_recipe
from molgen.errors import ConfigError, InputError, MissingError
from molgen.models import DataSummary, build
from molgen.publish import matrices_in_bf16, publish
from molgen.scoring.novelty import Reference

RATE = {"kind": "rate", "value": 0.75, "numerator": 3, "denominator": 4, "low": 0.301, "high": 0.954}
ENERGY = {"kind": "quantity", "unit": "kcal/mol", "count": 4, "mean": 7.0, "mean_low": 6.0, "mean_high": 8.0}
ENERGY |= {"median": 5.123, "median_low": 4.25, "median_high": 6.0, "meaning": "relaxation energy"}
EDM = dict.fromkeys(("atom_stability", "molecule_stability", "validity", "uniqueness"), RATE) | {"novelty": None}
EXPLICIT = EDM | {"connected": RATE, "novelty": RATE, "radicals": RATE}
SETTINGS = {"n": 5, "solver": "bridge", "steps": 50, "spacing": 3.0, "seed": 0, "precision": "bf16", "device": "cpu"}
SETTINGS |= {"options": {"position_noise": 0.0, "category_noise": 20.0, "temperature": 0.9}, "atoms": None}


def make_run(folder, recipe="bondflow_qm9"):
    """A run's weights as training leaves them."""
    sizes = {"bondflow_qm9": ["pair=8", "heads=2", "radial=6", "hidden=16"], "edm_embedded": ["hidden=8"]}[recipe]
    overrides = [*(f"model.{size}" for size in [*sizes, "layers=1"]), "training.muon_learning_rate=0"]
    recipe = load_recipe(recipe, [*overrides, "data.name=embedded"])
    data = DataSummary((1, 6, 7, 8, 9), (0, 0, 0, 2, 5), (9, 9, 1, 1, 1), (0,), (9,), (0, 1), (9, 9))
    facts = {"dataset": "embedded", "dataset_fingerprint": "f" * 64, "training_structures": 7, "seed": 3, "steps": 11}
    facts |= {"precision": "32-true", "molgen": "0", "git_commit": "c" * 40, "torch": "0", "hardware": "1 x Some CPU"}
    torch.manual_seed(0)
    weights = build(recipe.model, data).state_dict()
    Checkpoint(recipe.to_dict(), data, facts | {"training_seconds": 1800.0}, weights).save(folder)
    return folder


@pytest.fixture
def run_folder(tmp_path):
    return make_run(tmp_path / "run")


def score_file(model, protocols=None, settings=None, written=4, name="score"):
    """The output of `molgen score --json` on molecules sampled from ``model``, with the sidecar of their file."""
    samples = model.parent / f"{name}.sdf"
    identity = {"checkpoint_sha256": Checkpoint.load(model).sha256()}
    sidecar = {"settings": {**SETTINGS, **identity, **(settings or {})}, "written": written}
    sidecar |= {"seconds": 2.0, "provenance": {"hardware": "1 x Some CPU"}}
    (model.parent / f"{name}.sdf.json").write_text(json.dumps(sidecar))
    report = {"n": 4, "sources": {str(samples): 4}, "bonds": {"asked": "auto"}}
    report |= {"reference": {"sets": [{"name": "embedded:train"}, {"name": "embedded:train"}]}}
    report["protocols"] = {k: {"version": f"{k}-1", "metrics": v} for k, v in (protocols or {"edm": EDM}).items()}
    path = model.parent / f"{name}.json"
    path.write_text(json.dumps(report))
    return path


def test_card_and_metadata(run_folder, tmp_path):
    folder = tmp_path / "published"
    scores = score_file(run_folder, {"edm": EDM, "explicit": EXPLICIT, "mmff94s": {"energy_gain": ENERGY}})
    card = publish(run_folder, folder, scores=[scores], command="molgen train bondflow_qm9", notes="A note.")
    text = card.read_text()
    row = "| bridge, spacing 3, temperature 0.9 | 50 | 4 of 5 | 75.0 (30.1-95.4) |"
    assert text.count(row) == 2
    assert "Protocol `edm` (edm-1);" in text
    assert "Protocol `explicit` (explicit-1, novelty against embedded:train);" in text
    assert "| sampler | steps | structures | atom stability | molecule stability | validity | uniqueness |" in text
    assert "| 5.12 (4.25-6) kcal/mol | 0.5 |" in text, "the median, and seconds per structure"
    assert "radicals" not in text
    assert "molgen train bondflow_qm9" in text
    assert "0.50 h" in text
    assert "A note." in text
    own = "refinement 0.4, refinement_time 0.4, position_noise 0.0, category_noise 20.0, temperature 0.5"
    assert f"bridge, 50 steps, spacing 1.5, {own} |" in text
    edm, explicit, energy = Checkpoint.load(folder).provenance["scores"]
    assert (edm["protocol"], edm["validity"]["value"], edm["novelty"]) == ("edm", 0.75, None)
    assert (explicit["connected"]["numerator"], explicit["asked"]) == (3, 5)
    assert energy["energy_gain"]["count"] == 4


def test_a_card_without_the_command_says_so(run_folder, tmp_path):
    assert "| command | not recorded |" in publish(run_folder, tmp_path / "made").read_text()


def test_the_card_shows_the_commands_that_the_run_recorded(run_folder, tmp_path):
    run = Checkpoint.load(run_folder)
    for commands, shown in (
        (["molgen train a --out b"], "`molgen train a --out b`"),
        (["molgen train a", "molgen train a --resume"], "`molgen train a && molgen train a --resume`"),
        (["", "molgen train a --resume"], "`(not recorded) && molgen train a --resume`"),
        (["", ""], "not recorded"),
    ):
        run.provenance["commands"] = commands
        run.save(run_folder)
        assert f"| command | {shown} |" in publish(run_folder, tmp_path / "made").read_text()
    run.provenance["commands"] = ["molgen train a"]
    run.save(run_folder)
    assert "| command | `other` |" in publish(run_folder, tmp_path / "made", command="other").read_text()
    assert "| command | `other` |" in publish(tmp_path / "made", notes="Later.").read_text()
    assert Checkpoint.load(tmp_path / "made").provenance["commands"] == ["molgen train a"]


def test_novelty_of_every_form_works_without_the_training_set(run_folder, tmp_path):
    publish(run_folder, tmp_path / "published")
    for identity, bonds in (("edm-lookup-1", "auto"), ("graph-1", "auto"), ("graph-1", "xyz2mol")):
        shipped = Reference.open(tmp_path / "published", identity, bonds)
        assert shipped.name == "embedded:train"
        assert len(shipped.hashes) > 1000
    with pytest.raises(MissingError, match="graph-1:openbabel"):
        Reference.open(tmp_path / "published", "graph-1", "openbabel")


def test_rounded_weights_are_published_sampled_scored_and_updated(run_folder, tmp_path):
    folder = tmp_path / "published"
    unrounded = score_file(run_folder)
    with pytest.raises(InputError, match="other weights"):
        publish(run_folder, folder, scores=[unrounded], bf16=True)
    publish(run_folder, folder, bf16=True, command="molgen train bondflow_qm9")
    assert "Not scored." in (folder / "CARD.md").read_text()
    before = Checkpoint.load(folder)
    assert {w.dtype for w in before.weights.values() if w.ndim >= 2} == {torch.bfloat16}
    assert {w.dtype for w in before.weights.values() if w.ndim < 2} == {torch.float32}
    assert {p.dtype for p in before.build().parameters()} == {torch.float32}

    publish(folder, scores=[score_file(folder)])
    after = Checkpoint.load(folder)
    assert after.sha256() == before.sha256()
    assert all(torch.equal(after.weights[name], weight) for name, weight in before.weights.items())
    assert [row["protocol"] for row in after.provenance["scores"]] == ["edm"]
    text = (folder / "CARD.md").read_text()
    assert "Protocol `edm`" in text
    assert "molgen train bondflow_qm9" in text, "what is not given stays"

    publish(folder, notes="Later.")
    assert Checkpoint.load(folder).provenance["scores"] == after.provenance["scores"]
    assert "Protocol `edm`" in (folder / "CARD.md").read_text()
    assert "# published\n" in (folder / "CARD.md").read_text()


def test_bf16_keeps_the_model(run_folder):
    checkpoint = Checkpoint.load(run_folder)
    rounded = matrices_in_bf16(checkpoint.weights)
    for name, weight in checkpoint.weights.items():
        assert torch.allclose(rounded[name].float(), weight, rtol=2**-8, atol=0)
        assert (rounded[name].ndim < 2) == (rounded[name].dtype == torch.float32)
    half, whole = (sum(w.numel() * w.element_size() for w in ws.values()) for ws in (rounded, checkpoint.weights))
    assert 0.5 < half / whole < 0.6


def test_an_update_changes_no_weights(run_folder, tmp_path):
    publish(run_folder, tmp_path / "published")
    with pytest.raises(ConfigError, match="would change the weights"):
        publish(tmp_path / "published", bf16=True)
    with pytest.raises(ConfigError, match="is a run"):
        publish(run_folder)
    assert not (run_folder / "CARD.md").exists()


def test_scores_do_not_follow_to_other_weights(run_folder, tmp_path):
    publish(run_folder, tmp_path / "whole", scores=[score_file(run_folder)])
    publish(tmp_path / "whole", tmp_path / "half", bf16=True)
    assert Checkpoint.load(tmp_path / "half").provenance["scores"] == []
    assert "Not scored." in (tmp_path / "half" / "CARD.md").read_text()


def test_sampling_tuned_after_training(run_folder, tmp_path):
    folder = tmp_path / "published"
    publish(run_folder, folder, changes={"sample_steps": "20", "sample_temperature": "0.9"})
    checkpoint = Checkpoint.load(folder)
    assert checkpoint.build().default_steps == 20
    assert checkpoint.sha256() == Checkpoint.load(run_folder).sha256(), "the weights are the same"
    publish(folder, changes={"sample_steps": "30"}, scores=[score_file(folder)])
    changed = Checkpoint.load(folder).provenance["sampling_changed"]
    assert changed["sample_steps"] == {"trained": 50, "published": 30}
    assert changed["sample_temperature"] == {"trained": 0.5, "published": 0.9}
    text = (folder / "CARD.md").read_text()
    assert "bridge, 30 steps" in text
    assert "sample_steps 50 in training" in text
    assert "| bridge, spacing 3 | 50 |" in text, "options that are the model's own are not repeated"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": "32"}, "hidden is not a setting of sampling"),
        ({"sample_stepz": "3"}, "sample_stepz"),
        ({"sample_steps": "many"}, "sample_steps"),
        ({"sample_steps": "0"}, "sample_steps is 0; it must be at least 1"),
        ({"sample_temperature": "-1"}, "temperature is -1"),
    ],
)
def test_changes_that_are_none_of_sampling(run_folder, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        publish(run_folder, tmp_path / "published", changes=changes)
    assert not (tmp_path / "published").exists()


def test_edm_has_no_settings_of_sampling_and_is_published_all_the_same(tmp_path):
    run = make_run(tmp_path / "run", "edm_embedded")
    with pytest.raises(ConfigError) as caught:
        publish(run, tmp_path / "published", changes={"steps": "20"})
    assert caught.value.hint == "edm has none"
    settings = {"solver": "dpm_sde", "spacing": 1.0, "options": None}
    publish(run, tmp_path / "published", scores=[score_file(run, settings=settings)])
    assert "| dpm_sde | 50 | 4 of 5 |" in (tmp_path / "published" / "CARD.md").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"checkpoint_sha256": "0" * 64}}, "other weights"),
        ({"settings": {"formula": "C7H10O2"}}, "given formula"),
        ({"settings": {"atoms": "10-12"}}, "given atoms"),
        ({"written": 5}, "4 structures, but 5 were sampled"),
    ],
)
def test_scores_of_something_else_are_refused(run_folder, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        publish(run_folder, tmp_path / "published", scores=[score_file(run_folder, **change)])
    assert not (tmp_path / "published").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sources": {"a": 1, "b": 2}}', '{"sources": ["a"], "n": 3}'])
def test_what_is_no_score_is_refused(run_folder, tmp_path, text):
    path = tmp_path / "score.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"score\.json"):
        publish(run_folder, tmp_path / "published", scores=[path])


def test_a_score_without_a_sidecar_is_refused(run_folder, tmp_path):
    path = score_file(run_folder)
    (tmp_path / "score.sdf.json").write_text("{}")
    with pytest.raises(InputError, match="sidecar"):
        publish(run_folder, tmp_path / "published", scores=[path])
    (tmp_path / "score.sdf.json").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        publish(run_folder, tmp_path / "published", scores=[path])


def test_likelihood(run_folder, tmp_path):
    path = tmp_path / "likelihood.json"
    report = {"n": 9, "data": "embedded:test", "nll": {"value": -5.0, "low": -6.0, "high": -4.0}}
    path.write_text(json.dumps(report | {"checkpoint_sha256": "0"}))
    with pytest.raises(InputError, match="other weights"):
        publish(run_folder, tmp_path / "published", likelihood=path)
    path.write_text(json.dumps(report | {"checkpoint_sha256": Checkpoint.load(run_folder).sha256()}))
    publish(run_folder, tmp_path / "published", likelihood=path)
    publish(tmp_path / "published", notes="Later.")
    text = (tmp_path / "published" / "CARD.md").read_text()
    assert "over 9 structures of embedded:test: -5.00 nats (95 % interval -6.00 to -4.00)" in text
