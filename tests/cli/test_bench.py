"""`molgen bench`: every figure of a tiny model, recipes with and without their data, wrong choices."""

import json

import pytest
from typer.testing import CliRunner

from molgen.cli.app import app
from tests.sampling.conftest import checkpoint, tiny_checkpoint  # noqa: F401 - a fixture

FEW = ("--steps", "2", "-n", "8", "--training-batches", "1", "--repeats", "2", "--device", "cpu")
QUICK = (*FEW, "--data", "random")


@pytest.fixture(autouse=True)
def small_peak(monkeypatch):
    """A smaller product than that which reaches the peak, for speed."""
    monkeypatch.setattr("molgen.benchmark.operations._SIDE", {"cpu": 128})
    monkeypatch.setattr("molgen.benchmark.operations._SECONDS", 0.01)


def run(*arguments):
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


def test_json(checkpoint):  # noqa: F811
    done = run(checkpoint, *QUICK, "--steps", "1,3", "--json")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["model"] == "edm"
    assert document["parameters"] == sum(p.numel() for p in tiny_checkpoint().build().parameters())
    assert document["threads"] >= 1
    assert document["peak_memory"] > 2**20
    assert set(document["matmul_peak"]) == {"32", "bf16"}
    assert document["training_molecules"] == "random"
    kinds = [(row["task"], row["precision"], row["steps"]) for row in document["rows"]]
    assert kinds == [
        *(("sampling", p, s) for s in (1, 3) for p in ("32", "bf16")),
        *(("training", p, 1) for p in ("32", "bf16")),
    ]
    for row in document["rows"]:
        assert len(row["wall_s_each"]) == 2
        assert row["flop_per_molecule"] > 0
        assert row["molecules_per_s"] == pytest.approx(row["molecules"] / row["wall_s"])
        assert row["peak_fraction"] > 0
    assert [row["calls_per_molecule"] for row in document["rows"]] == [2, 2, 4, 4, 1, 1]


def test_text(checkpoint):  # noqa: F811
    done = run(checkpoint, *QUICK, "--precision", "32")
    assert done.exit_code == 0, done.stderr
    for expected in ("parameters", "threads:", "most memory held", "CPU-s/molecule", "% of peak", "(data: random)"):
        assert expected in done.stdout
    assert "bf16" not in done.stdout


def test_one_task(checkpoint):  # noqa: F811
    document = json.loads(run(checkpoint, *QUICK, "--only", "sampling", "--json").stdout)
    assert {row["task"] for row in document["rows"]} == {"sampling"}
    assert document["training_molecules"] is None
    document = json.loads(run(checkpoint, *QUICK, "--only", "training", "--json").stdout)
    assert {row["task"] for row in document["rows"]} == {"training"}


def test_recipe_without_its_data_set():
    small = ("data.name=nowhere", "model.hidden=16", "model.layers=1", "model.pair=8", "model.heads=2")
    done = run("bondflow_qm9", *small, "training.muon_learning_rate=0", "data.batch_size=4", *FEW, "--json")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["training_molecules"] == "random"
    assert 15 < document["rows"][0]["mean_atoms"] < 21  # QM9's sizes


def test_recipe_with_its_data_set():
    done = run("edm_embedded", *FEW, "--json", "--precision", "32")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["training_molecules"] == "embedded"
    assert 8 < document["rows"][0]["mean_atoms"] < 12


def test_wrong_choices(checkpoint, tmp_path):  # noqa: F811
    cases = {
        (checkpoint, "model.hidden=9"): "not a recipe",
        (checkpoint, "--precision", "8"): "unknown precision",
        (checkpoint, "--only", "nothing"): "unknown task",
        (checkpoint, "--steps", "0"): "--steps",
        (checkpoint, "--steps", "ten"): "--steps",
        ("edm_qm9", "model.hiden=9"): "model.hiden",
    }
    for arguments, message in cases.items():
        done = run(*arguments)
        assert done.exit_code == 3, arguments
        assert message in done.stderr
    assert run(checkpoint, *FEW, "--data", "nothing").exit_code == 4
    unfit = run(checkpoint, *FEW, "--data", "embedded")
    assert unfit.exit_code == 3
    assert "not in the model's vocabulary" in unfit.stderr
    assert run(tmp_path / "nothing").exit_code == 4
