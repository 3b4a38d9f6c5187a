"""The checkpoint in the repository does the main job: it samples molecules that score like those on its card."""

import json
from pathlib import Path

from typer.testing import CliRunner

from molgen.checkpoint import Checkpoint
from molgen.cli.app import app

FOLDER = Path(__file__).resolve().parents[2] / "checkpoints" / "edm_qm9"


def test_metadata_is_complete():
    checkpoint = Checkpoint.load(FOLDER)
    facts = checkpoint.provenance
    assert facts["dataset"] == "qm9"
    assert facts["training_structures"] == sum(checkpoint.data.size_histogram)
    for key in ("dataset_fingerprint", "seed", "steps", "hardware", "command", "training_seconds", "git_commit"):
        assert facts[key] not in ("", None), key
    assert {row["n"] for row in facts["scores"]}
    card = (FOLDER / "CARD.md").read_text()
    assert facts["command"] in card
    assert facts["dataset_fingerprint"][:16] in card


def test_weights_are_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 6_000_000


def test_samples_score_like_the_card(tmp_path):
    (row,) = [row for row in Checkpoint.load(FOLDER).provenance["scores"] if row["steps"] == 50]
    out = tmp_path / "samples.sdf"
    arguments = ["sample", str(FOLDER), "-n", "64", "--seed", "1", "-o", str(out)]
    arguments += ["--steps", "50", "--solver", row["solver"], "--spacing", str(row["spacing"])]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, ["score", str(out), "--reference", str(FOLDER), "--json"])
    assert result.exit_code == 0, result.output
    metrics = json.loads(result.stdout)["protocols"]["edm"]["metrics"]
    # 64 molecules hold about 1,150 atoms: five points are several standard errors of their share.
    assert abs(metrics["atom_stability"]["value"] - row["atom_stability"]["value"]) < 0.05
    assert metrics["novelty"]["denominator"] > 0
