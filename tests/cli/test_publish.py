"""`molgen publish`: rounded weights are published, sampled, scored, and the scores written beside them."""

import json

import pytest
from typer.testing import CliRunner

from molgen.checkpoint import Checkpoint
from molgen.cli.app import app
from tests.sampling.crystals import stand_in_checkpoint
from tests.test_publish import make_run


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def folder(tmp_path):
    done = run("publish", make_run(tmp_path / "run"), tmp_path / "mine", "--bf16", "--set", "sample_steps=4")
    assert done.exit_code == 0, done.stderr
    assert f"card: {tmp_path / 'mine' / 'CARD.md'}" in done.stderr
    return tmp_path / "mine"


def sample_and_score(folder, out, *settings):
    sampled = run("sample", folder, "-n", 20, "-o", out, *settings)
    assert sampled.exit_code == 0, sampled.stderr
    assert f"next: molgen score {out} --reference {folder}\n" in sampled.stderr
    done = run("score", out, "--protocol", "edm,explicit", "--reference", folder, "--json")
    assert done.exit_code == 0, done.stderr
    path = out.with_suffix(".json")
    path.write_text(done.stdout)
    return path


def test_published_sampled_scored_and_updated(folder, tmp_path):
    score = sample_and_score(folder, tmp_path / "samples.sdf")
    weights = json.loads(run("info", folder, "--json").stdout)["model_sha256"]
    done = run("publish", folder, "--scores", score, "--notes", "Tiny.")
    assert done.exit_code == 0, done.stderr
    document = json.loads(run("info", folder, "--json").stdout)
    assert document["model_sha256"] == weights
    rows = document["provenance"]["scores"]
    assert [(row["protocol"], row["steps"]) for row in rows] == [("edm", 4), ("explicit", 4)]
    assert rows[1]["novelty"]["denominator"] == rows[1]["uniqueness"]["numerator"]
    card = (folder / "CARD.md").read_text()
    assert "novelty against embedded:train" in card
    assert card.endswith("Tiny.\n")
    # Samples of before the update are still those of this model: the same command finds them finished.
    again = run("sample", folder, "-n", 20, "-o", tmp_path / "samples.sdf")
    assert again.exit_code == 0
    assert "continuing" in again.stderr


def test_refusals(folder, tmp_path):
    source = tmp_path / "run"
    taken = run("publish", source, folder)
    assert taken.exit_code == 6
    assert "--overwrite" in taken.stderr
    assert run("publish", source, folder, "--overwrite").exit_code == 0
    for arguments in ([source], [folder, "--bf16"], [folder, "--set", "hidden=3"], [folder, "--set", "sample_steps"]):
        done = run("publish", *arguments)
        assert done.exit_code == 3, done.stderr
    assert run("publish", tmp_path / "nothing", tmp_path / "new").exit_code == 4
    assert run("publish", source, tmp_path / "new", "--workers", 0).exit_code == 2
    score = sample_and_score(folder, tmp_path / "given.sdf", "--formula", "C2H2", "--steps", 2)
    refused = run("publish", folder, "--scores", score)
    assert refused.exit_code == 3
    assert "given formula" in refused.stderr


@pytest.fixture
def crystals(tmp_path, monkeypatch):
    """A published model of crystals, whose training set is nowhere."""
    made = stand_in_checkpoint(monkeypatch, tmp_path)
    checkpoint = Checkpoint.load(made)
    checkpoint.recipe["data"]["name"] = "nowhere"
    facts = ("training_structures", "precision", "molgen", "git_commit", "torch", "hardware", "training_seconds")
    checkpoint.provenance |= {"dataset": "nowhere"} | dict.fromkeys(facts, 0) | {"commands": ["molgen train tiny"]}
    checkpoint.save(made)
    done = run("publish", made, tmp_path / "crystals")
    assert done.exit_code == 0, done.stderr
    return tmp_path / "crystals"


def score(out, name, *arguments):
    done = run("score", out, *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    path = out.with_name(f"{name}.json")
    path.write_text(done.stdout)
    return path


def test_crystals_need_no_hashes(crystals):
    assert sorted(path.name for path in crystals.iterdir()) == ["CARD.md", "model.safetensors"]
    card = (crystals / "CARD.md").read_text()
    assert "Not scored." in card
    assert "novelty" not in card
    assert "| command | `molgen train tiny` |" in card


def test_generated_and_predicted_crystals(crystals, tmp_path):
    free, known, predicted = (tmp_path / f"{name}.extxyz" for name in ("free", "known", "predicted"))
    assert run("sample", crystals, "-n", 8, "-o", free).exit_code == 0
    assert run("sample", crystals, "-n", 6, "--seed", 1, "-o", known).exit_code == 0
    assert run("sample", crystals, "--targets", known, "-k", 2, "-o", predicted).exit_code == 0
    scores = [score(free, "a", "--protocol", "cdvae-2021,strict,symmetry")]
    scores += [score(free, "b", "--protocol", "novelty", "--reference", known)]
    scores += [score(predicted, "c", "--protocol", "match,strict", "--targets", known)]
    done = run("publish", crystals, *(word for path in scores for word in ("--scores", path)))
    assert done.exit_code == 0, done.stderr
    card = (crystals / "CARD.md").read_text()
    assert "`novelty`" in card
    assert "novelty against known.extxyz" in card
    assert card.count("given the compositions of known.extxyz, 2 samples each") == 2
    lines = run("info", crystals).stdout.splitlines()
    assert any("match, none, 2 steps, 12 structures, given the compositions of known.extxyz" in line for line in lines)
    other = score(predicted, "d", "--protocol", "match", "--targets", free)
    refused = run("publish", crystals, "--scores", other)
    assert refused.exit_code == 3
    assert "scored against free.extxyz" in refused.stderr


def test_a_chemical_system_is_no_score_of_the_model(crystals, tmp_path):
    out = tmp_path / "given.extxyz"
    assert run("sample", crystals, "-n", 3, "--chemical-system", "Li-O", "-o", out).exit_code == 0
    refused = run("publish", crystals, "--scores", score(out, "a", "--protocol", "strict"))
    assert refused.exit_code == 3
    assert "given chemical system" in refused.stderr
