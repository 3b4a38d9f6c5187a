"""The checkpoints in the repository do the main job: they sample molecules that score like those on their cards."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from molgen.checkpoint import Checkpoint
from molgen.cli.app import app

ROOT = Path(__file__).resolve().parents[2] / "checkpoints"
DATASETS = {"edm_qm9": "qm9", "eqgat_qm9": "qm9-bonds", "bondflow_qm9": "qm9-bonds", "crystalflow_mp20": "mp20"}
DATASETS |= dict.fromkeys(("crystalflow_mp20_genes", "wyformer_mp20"), "mp20")


@pytest.mark.parametrize("name", DATASETS)
def test_metadata_is_complete(name):
    checkpoint = Checkpoint.load(ROOT / name)
    facts = checkpoint.provenance
    assert facts["dataset"] == DATASETS[name]
    assert facts["training_structures"] == sum(checkpoint.data.size_histogram)
    for key in ("dataset_fingerprint", "seed", "steps", "hardware", "training_seconds"):
        assert facts[key] not in ("", None), key
    assert {row["n"] for row in facts["scores"]}
    card = (ROOT / name / "CARD.md").read_text()
    commands = [facts["command"]] if facts["command"] else facts["commands"]
    assert all(command and command in card for command in commands)
    assert commands
    assert facts["dataset_fingerprint"][:16] in card


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("edm_qm9", 6_000_000),
        ("eqgat_qm9", 6_000_000),
        ("bondflow_qm9", 16_000_000),
        ("crystalflow_mp20", 16_000_000),
        ("crystalflow_mp20_genes", 16_000_000),
    ],
)
def test_weights_are_small(name, limit):
    assert sum(path.stat().st_size for path in (ROOT / name).iterdir()) < limit


def score(out, folder, protocols):
    result = CliRunner().invoke(app, ["score", str(out), "--protocol", protocols, "--reference", str(folder), "--json"])
    assert result.exit_code == 0, result.output
    return {name: one["metrics"] for name, one in json.loads(result.stdout)["protocols"].items()}


@pytest.mark.parametrize(("name", "protocols"), [("edm_qm9", "edm"), ("bondflow_qm9", "edm,explicit")])
def test_samples_score_like_the_card(name, protocols, tmp_path):
    rows = Checkpoint.load(ROOT / name).provenance["scores"]
    row = min((row for row in rows if row["protocol"] == "edm" and row["steps"] >= 20), key=lambda row: row["steps"])
    sampler = [row["solver"], row["steps"], row["spacing"], row.get("options")]
    out = tmp_path / "samples.sdf"
    arguments = ["sample", str(ROOT / name), "-n", "64", "--seed", "1", "-o", str(out)]
    arguments += ["--steps", str(row["steps"]), "--solver", row["solver"], "--spacing", str(row["spacing"])]
    arguments += [f"--set={option}={value}" for option, value in (row.get("options") or {}).items()]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    for protocol, metrics in score(out, ROOT / name, protocols).items():
        (card,) = [
            row
            for row in rows
            if row["protocol"] == protocol
            and [row["solver"], row["steps"], row["spacing"], row.get("options")] == sampler
        ]
        # 64 molecules hold about 1,150 atoms: five points are several standard errors of their share.
        assert abs(metrics["atom_stability"]["value"] - card["atom_stability"]["value"]) < 0.05
        assert metrics["novelty"]["denominator"] > 0


def test_crystals_score_like_the_card(tmp_path):
    rows = Checkpoint.load(ROOT / "crystalflow_mp20").provenance["scores"]
    (card,) = [row for row in rows if row["protocol"] == "strict" and "targets" not in row]
    out = tmp_path / "crystals.extxyz"
    arguments = ["sample", str(ROOT / "crystalflow_mp20"), "-n", "64", "--seed", "1", "-o", str(out)]
    result = CliRunner().invoke(app, [*arguments, "--steps", str(card["steps"])])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, ["score", str(out), "--protocol", "cdvae-2021,strict,symmetry", "--json"])
    metrics = {name: one["metrics"] for name, one in json.loads(result.stdout)["protocols"].items()}
    # Of 64 crystals the share has a standard error of four points or less.
    assert abs(metrics["strict"]["validity"]["value"] - card["validity"]["value"]) < 0.16
    assert metrics["cdvae-2021"]["composition_validity"]["value"] > 0.6
