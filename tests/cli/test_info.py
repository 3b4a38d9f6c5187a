"""`molgen models` and `molgen info`, and what `import molgen` costs."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import molgen
from molgen.cli.app import app
from tests.sampling.conftest import HISTOGRAM, checkpoint, tiny_checkpoint  # noqa: F401 - a fixture

RATE = {"value": 0.5, "numerator": 20, "denominator": 40, "low": 0.35, "high": 0.65}
SAMPLED = {"solver": "dpm", "steps": 50, "n": 40}
STRAIN = {"unit": "kcal/mol", "count": 30, "median": 4.44, "median_low": 4.0, "median_high": 5.0}
PREDICTED = {"n": 40, "targets": "mp20:test", "per_target": 20, "match_rate": RATE, "rmse": STRAIN}
SCORES = [
    {"protocol": "edm", **SAMPLED, "atom_stability": RATE, "molecule_stability": None, "validity": RATE},
    {"protocol": "mmff94s", **SAMPLED, "energy_gain": STRAIN},
    {"protocol": "match", **SAMPLED, **PREDICTED},
]


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_info_json(checkpoint):  # noqa: F811
    done = run("info", checkpoint, "--json")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["elements"] == ["H", "C", "O"]
    assert document["sizes"] == {
        "structures": sum(HISTOGRAM),
        "smallest": 2,
        "largest": 7,
        "mean": round(sum(n * count for n, count in enumerate(HISTOGRAM)) / sum(HISTOGRAM), 3),
        "histogram": list(HISTOGRAM),
    }
    assert document["parameters"] == sum(p.numel() for p in tiny_checkpoint().build().parameters())
    assert document["recipe"]["model"]["hidden"] == 8
    assert document["provenance"]["dataset"] == "embedded"
    assert len(document["sha256"]) == 64
    assert document["model_sha256"] == tiny_checkpoint().sha256()


def test_info_text(checkpoint):  # noqa: F811
    text = run("info", checkpoint / "model.safetensors").stdout
    for expected in ("elements    H C O", "2 to 7 atoms", "dataset = embedded", "model.hidden = 8"):
        assert expected in text


def test_info_of_nothing(tmp_path):
    done = run("info", tmp_path / "nothing")
    assert done.exit_code == 4
    (tmp_path / "text.safetensors").write_text("hello")
    assert run("info", tmp_path / "text.safetensors").exit_code == 3


def test_info_of_damaged_weights(tmp_path):
    file = tiny_checkpoint().save(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    done = run("info", tmp_path)
    assert done.exit_code == 3
    assert "is damaged" in done.stderr
    assert "get the file again" in done.stderr


def test_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOLGEN_CHECKPOINTS", raising=False)
    empty = run("models")
    assert empty.exit_code == 0
    assert "edm_qm9_small" in empty.stdout
    assert "none; molgen train" in empty.stdout
    published = tiny_checkpoint()
    published.provenance |= {"steps": 1234, "scores": SCORES}
    published.save(tmp_path / "checkpoints" / "mine")
    (tmp_path / "checkpoints" / "mine" / "CARD.md").write_text("# mine\n")
    tiny_checkpoint().save(tmp_path / "runs" / "two")
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "model.safetensors").write_bytes(b"x")
    text = run("models").stdout
    assert "checkpoints/mine  edm on embedded, 1,234 steps; card checkpoints/mine/CARD.md" in text
    assert "edm, dpm, 50 steps, 40 structures: atom stability 50.0 %, molecule stability -, validity 50.0 %" in text
    assert "mmff94s, dpm, 50 steps, 40 structures: energy gain 4.44 kcal/mol\n" in text
    of = "given the compositions of mp20:test, 20 samples each"
    assert f"match, dpm, 50 steps, 40 structures, {of}: match rate 50.0 %\n" in text
    assert "dpm, 50 steps, 40 structures" in run("info", "checkpoints/mine").stdout
    assert "runs/broken  not usable" in text
    found = json.loads(run("models", "--json").stdout)["checkpoints"]
    assert [one["path"] for one in found] == ["checkpoints/mine", "runs/broken", "runs/two"]
    assert found[0]["scores"] == SCORES


def test_models_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOLGEN_CHECKPOINTS", str(tmp_path / "other"))
    tiny_checkpoint().save(tmp_path / "other" / "mine")
    assert f"{tmp_path}/other/mine" in run("models").stdout
    assert run("info", "mine").exit_code == 0


def test_importing_molgen_loads_nothing_heavy():
    code = (
        "import sys, molgen\n"
        "heavy = {'torch', 'numpy', 'rdkit', 'ase', 'pymatgen', 'lightning', 'typer'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "molgen.read, molgen.write, molgen.perceive_bonds\n"
        "assert not {'torch', 'rdkit', 'ase', 'pymatgen'} & set(sys.modules)\n"
        "molgen.load\n"
        "assert not {'rdkit', 'ase', 'pymatgen', 'lightning'} & set(sys.modules)\n"
        "print(*dir(molgen))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert set(molgen.__all__) <= set(done.stdout.split())


@pytest.mark.parametrize("name", molgen.__all__)
def test_public_names_exist(name):
    assert getattr(molgen, name).__doc__


def test_unknown_name():
    with pytest.raises(AttributeError, match="nothing"):
        molgen.nothing  # noqa: B018
