"""The tables of the documents say what the published checkpoints carry: no number is typed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RATE = {"value": 0.75, "numerator": 3, "denominator": 4, "low": 0.301, "high": 0.954}
RMSE = {"unit": "", "count": 3} | {f"{kind}{end}": 0.21 for kind in ("mean", "median") for end in ("", "_low", "_high")}
SAMPLED = {"solver": "flow", "spacing": 1.0, "steps": 50, "options": {"annealing": 5.0}, "seconds_per_molecule": 0.1}
GENERATED = {"cdvae-2021": ("structure_validity", "composition_validity"), "strict": ("validity",), "symmetry": ("p1",)}
MATCH = dict.fromkeys(("match_rate", "match_rate_filtered"), RATE) | {"rmse": RMSE}
ANY = dict.fromkeys(("match_rate_any", "match_rate_any_filtered"), RATE | {"value": 0.8}) | {"rmse_any": RMSE}


def test_tables_are_those_of_the_checkpoints():
    command = [sys.executable, "scripts/fill_tables.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}python scripts/fill_tables.py fills them"


@pytest.fixture
def crystal_tables(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import crystal_tables

    return crystal_tables


@pytest.fixture
def rows():
    free = [{"protocol": k, "n": 1000, **SAMPLED, **dict.fromkeys(v, RATE)} for k, v in GENERATED.items()]
    free.append({"protocol": "novelty", "n": 200, **SAMPLED, "unique_novel": RATE})
    one = {"targets": "mp20:test", "per_target": 1, "n": 4, **SAMPLED}
    several = one | {"per_target": 20, "n": 80, "options": {"annealing": 5.0}, "templates": "mp20:train"}
    strict = {"protocol": "strict", **one, "validity": RATE | {"value": 0.5}}
    return [*free, {"protocol": "match", **one, **MATCH}, strict, {"protocol": "match", **several, **MATCH, **ANY}]


def test_crystals_without_weights_have_published_rows_only(crystal_tables):
    for lines in (
        crystal_tables.models_table({}),
        crystal_tables.match_table([], {}),
        crystal_tables.generation_table({}),
    ):
        assert len(lines) > 5
        assert len({line.count("|") for line in lines}) == 1
        assert not any("CrystalFlow here" in line for line in lines)
    assert any(line.startswith("| DiffCSP | 1 | 1000 x 2 | - | 51.49 |") for line in crystal_tables.match_table([], {}))


def test_crystals_of_a_checkpoint(crystal_tables, rows, monkeypatch):
    model = {"sample_annealing": 5.0}
    monkeypatch.setattr(crystal_tables, "scores", lambda checkpoint: (model, rows))
    monkeypatch.setattr(crystal_tables, "size", lambda checkpoint: "6.9 M")
    table = crystal_tables.models_table({"made": None})
    assert table[2] == "| `made` | 6.9 M | flow | 50 | 1,000 | 0.1 | 75.0 | 75.0 | 75.0 | 75.0 | 75.0 | 75.0 |"
    assert table[3].startswith("| *CrystalFlow, published* | - | - | 100 |"), "20 samples each are no row of this table"
    table = crystal_tables.match_table(rows, model)
    first = "| **CrystalFlow here**, flow | 1 | 50 | 75.0 (30.1-95.4) | 75.0 (30.1-95.4) | 0.21 (0.21-0.21) |"
    assert table[2].startswith("| no model"), "fewest network calls first"
    assert table[3] == f"{first} measured here, 4 targets of mp20:test |"
    (several,) = [line for line in table if "| 20 | 50 |" in line]
    assert several.startswith("| **CrystalFlow here**, flow, templates mp20:train | 20 | 50 | 80.0 (30.1-95.4) |")
    table = crystal_tables.generation_table({"crystalflow_mp20": None})
    cells = "75.0 (30.1-95.4) | 75.0 (30.1-95.4) | - | - | 75.0 (30.1-95.4)"
    assert table[2] == f"| **CrystalFlow here**, flow | all 1,000 | 50 | {cells} | measured here |"
