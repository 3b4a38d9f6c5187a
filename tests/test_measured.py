"""Scores of crystals that travel with a checkpoint: generation and prediction are told apart."""

import json

import pytest

from molgen.card import cell, score_tables
from molgen.checkpoint import Checkpoint
from molgen.errors import InputError
from molgen.measured import score_rows
from tests.test_publish import RATE, make_run, score_file

MEAN = {"kind": "quantity", "unit": "", "count": 3, "mean": 0.21, "mean_low": 0.2, "mean_high": 0.25}
MEAN |= {"median": 0.3, "median_low": 0.1, "median_high": 0.5, "meaning": "RMSE of first samples that match"}
ANY = {"match_rate_any": RATE, "rmse_any": MEAN}
MATCH = {"match_rate": RATE, "match_rate_filtered": RATE, **ANY, "metre": RATE, "rmse": MEAN, "crmse": MEAN}
GENERATION = {
    "cdvae-2021": dict.fromkeys(("structure_validity", "composition_validity", "validity"), RATE),
    "strict": dict.fromkeys(("validity", "separated", "dense"), RATE) | {"closeness": MEAN},
    "symmetry": dict.fromkeys(("p1", "p1_tight", "symmetric"), RATE),
    "novelty": dict.fromkeys(("uniqueness", "novelty", "unique_of_all", "unique_novel"), RATE),
    "coverage": dict.fromkeys(("recall", "precision", "recall_floor", "precision_uniform_coordinates"), RATE),
}
FREE = {"solver": "flow", "spacing": 1.0, "options": {"annealing": 5.0}, "precision": "32"}
TARGETS = {**FREE, "targets": "data/mp20:test", "per_target": 1, "targets_sha256": "0" * 64}


@pytest.fixture
def model(tmp_path):
    return make_run(tmp_path / "run")


def rows(model, protocols, settings, sets=(), name="score"):
    """The rows of a score file, whose references are ``sets``: (name, protocol that uses it)."""
    path = score_file(model, protocols, settings, name=name)
    report = json.loads(path.read_text())
    report["reference"] = {"sets": [{"name": name, "use": use} for name, use in sets]}
    path.write_text(json.dumps(report))
    return score_rows(path, Checkpoint.load(model).sha256())


def test_generation(model):
    found = rows(model, GENERATION, FREE, [("mp20:train", "novelty"), ("mp20:test", "coverage")])
    text = "\n".join(score_tables(found, {}))
    assert (
        "| sampler | steps | structures | structure validity | composition validity | validity | s/structure |" in text
    )
    assert "| validity | separated | s/structure |" in text
    assert "| P1 | symmetric | s/structure |" in text
    assert "Protocol `novelty` (novelty-1, novelty against mp20:train); percent, with 95 % intervals:" in text
    assert "| uniqueness | novelty | unique novel | s/structure |" in text
    assert "Protocol `coverage` (coverage-1, of mp20:test);" in text
    assert "| coverage recall | coverage precision | coverage recall floor | coverage precision uniform" in text
    assert "Protocol `strict` (strict-1); percent" in text
    assert [row["precision"] for row in found] == ["32"] * 5, "of the sampler; the protocol's has its own name"
    assert [row["reference"] for row in found] == ["", "", "", "mp20:train", "mp20:test"]


def test_prediction_has_tables_of_its_own(model):
    free = rows(model, {"strict": GENERATION["strict"]}, FREE, name="free")
    one = rows(model, {"match": MATCH, "strict": GENERATION["strict"]}, TARGETS, [("mp20:test", "match")], "one")
    text = "\n".join(score_tables([*one, *free], {}))
    headings = [line for line in text.splitlines() if line.startswith("Protocol")]
    of = "given the compositions of mp20:test, 1 sample each"
    assert headings == [
        "Protocol `strict` (strict-1); percent, with 95 % intervals:",
        f"Protocol `match` {of} (match-1); percent, with 95 % intervals; RMSE as means:",
        f"Protocol `strict` {of} (strict-1); percent, with 95 % intervals:",
    ]
    assert "| match rate | match rate filtered | METRe | RMSE | cRMSE | s/structure |" in text
    assert "| 75.0 (30.1-95.4) | 0.21 (0.2-0.25) | 0.21 (0.2-0.25) | 0.5 |" in text


def test_several_samples_of_each_target(model):
    found = rows(model, {"match": MATCH}, TARGETS | {"per_target": 20}, [("mp20:test", "match")])
    text = "\n".join(score_tables(found, {}))
    assert "given the compositions of mp20:test, 20 samples each" in text
    assert (
        "| match rate | match rate filtered | match rate any | METRe | RMSE | RMSE any | cRMSE | s/structure |" in text
    )


def test_what_else_made_the_structures_is_named(model):
    more = {"templates": "data/mp20:train", "symmetrise": 0.1}
    found = rows(model, {"match": MATCH}, TARGETS | more, [("mp20:test", "match")])
    text = "\n".join(score_tables(found, {"sample_annealing": 0.0}))
    assert "| flow, annealing 5.0, templates mp20:train, symmetrised at 0.1 angstrom | 50 | 4 of 5 |" in text


def test_a_mean_of_nothing_is_a_dash():
    none = dict.fromkeys(MEAN) | {"unit": "", "count": 0}
    assert cell({"rmse": none}, "rmse") == "-"
    assert cell({"rmse": MEAN}, "rmse", interval=False) == "0.21"
    assert cell({"energy_gain": MEAN | {"unit": "eV"}}, "energy_gain") == "0.3 (0.1-0.5) eV", "others as medians"


@pytest.mark.parametrize(
    ("settings", "sets", "message"),
    [
        ({"chemical_system": "Li-Mn-O"}, [], "given chemical system"),
        ({"formula": "LiFePO4"}, [], "given formula"),
        ({"atoms": "4-8"}, [], "given atoms"),
        ({}, [("mp20:test", "match")], "was not sampled for targets"),
        (TARGETS, [("mp20:valid", "match")], "for the targets of mp20:test, but scored against mp20:valid"),
    ],
)
def test_what_is_no_score_of_generation_nor_of_prediction_is_refused(model, settings, sets, message):
    with pytest.raises(InputError, match=message):
        rows(model, {"match": MATCH}, settings, sets)


def test_crystals_of_genes_say_so(model):
    found = rows(model, {"strict": GENERATION["strict"]}, FREE | {"genes": "runs/genes.jsonl", "per_gene": 1})
    text = "\n".join(score_tables(found, {}))
    assert "Protocol `strict` given the genes of genes.jsonl (strict-1); percent" in text
