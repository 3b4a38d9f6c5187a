"""`molgen likelihood`: means and intervals, what lies outside the model's support, bad input."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.cli.app import app
from molgen.structure import Structure
from tests.sampling.conftest import checkpoint  # noqa: F401 - a fixture


def run(*arguments):
    return CliRunner().invoke(app, ["likelihood", *map(str, arguments)])


def molecules(count, seed=0):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(3, 7, count)
    return [Structure(numbers=rng.choice([1, 6, 8], n), positions=rng.normal(size=(n, 3))) for n in sizes]


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.extxyz"
    io.write(path, molecules(40))
    return path


def test_json(checkpoint, data):  # noqa: F811
    done = run(checkpoint, "--data", data, "--json")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["n"], document["excluded"], document["unit"]) == (40, {}, "nat")
    terms = {name: document[name]["value"] for name in ("prior", "diffusion", "reconstruction", "size", "scale")}
    assert sum(terms.values()) == pytest.approx(document["nll"]["value"], rel=1e-9)
    nll = document["nll"]
    assert nll["low"] < nll["value"] < nll["high"]
    assert nll["high"] - nll["low"] == pytest.approx(2 * 1.959964 * nll["standard_error"])
    assert run(checkpoint, "--data", data, "--json").stdout == done.stdout
    assert json.loads(run(checkpoint, "--data", data, "--json", "--seed", 1).stdout)["nll"] != nll


def test_repeats_reduce_the_spread_over_times(checkpoint, data):  # noqa: F811
    errors = [
        json.loads(run(checkpoint, "--data", data, "--json", "--repeats", k).stdout)["diffusion"]["standard_error"]
        for k in (1, 30)
    ]
    assert errors[1] < 0.5 * errors[0]


def test_table_and_packed_data(checkpoint):  # noqa: F811
    done = run(checkpoint, "--data", "embedded:test", "--limit", 30)
    assert done.exit_code == 0, done.stderr
    assert "left out" in done.stdout
    assert "nll" in done.stdout
    assert "95 % interval" in done.stdout


def test_structures_outside_the_support_are_counted(checkpoint, tmp_path):  # noqa: F811
    water, chlorine = molecules(1)[0], Structure(numbers=[17, 1], positions=[[0, 0, 0], [1.3, 0, 0]])
    long = Structure(numbers=[6] * 9, positions=np.random.default_rng(0).normal(size=(9, 3)))
    single = Structure(numbers=[8], positions=np.zeros((1, 3)))
    path = tmp_path / "mixed.extxyz"
    io.write(path, [water, chlorine, long, single, water])
    document = json.loads(run(checkpoint, "--data", path, "--json").stdout)
    assert document["n"] == 2
    assert document["excluded"] == {
        "an element that the model does not have": 1,
        "a number of atoms that the training set does not have": 2,
    }
    io.write(path, [chlorine, long])
    none = run(checkpoint, "--data", path)
    assert none.exit_code == 3
    assert "no structure has a finite bound" in none.stderr


def test_unreadable_records(checkpoint, data):  # noqa: F811
    data.write_text(data.read_text() + "2\nbad\nH 0 0 0\nXx 1 1 1\n")
    done = run(checkpoint, "--data", data, "--json")
    assert done.exit_code == 5
    assert json.loads(done.stdout)["unreadable"] == 1
    assert "1 records" in done.stderr


def test_missing_data(checkpoint, tmp_path):  # noqa: F811
    assert run(checkpoint, "--data", "nothing:test").exit_code == 4
    assert run(checkpoint, "--data", "embedded:tset").exit_code == 3
    assert run(tmp_path / "none", "--data", "embedded").exit_code == 4
    assert run(checkpoint, "--data", "embedded", "--precision", "8").exit_code == 3
