"""`molgen publish`: rounded weights are published, sampled, scored, and the scores written beside them."""

import json

import pytest
from typer.testing import CliRunner

from molgen.cli.app import app
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
