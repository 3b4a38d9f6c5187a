"""Genes that are asked for: what the plan draws, what every gene holds, and what is refused."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from molgen.errors import ConfigError
from molgen.models import build
from molgen.models.wyformer import WyformerConfig
from molgen.models.wyformer_sampling import draw
from molgen.sampling import gene_runs
from molgen.sampling.gene_request import GeneRequest
from molgen.sampling.gene_runs import make_genes, plan_genes
from molgen.sampling.sizes import CHUNK
from molgen.sampling.wanted_genes import most_orbits
from molgen.symmetry.gene import CELL
from molgen.symmetry.groups import space_group
from molgen.symmetry.lines import line_of
from molgen.testing import randomise_weights
from tests.models.conftest import GENES, SUMMARY

GROUPS = {1: 4, 2: 6, 47: 2, 62: 5, 148: 3, 194: 3, 225: 9, 227: 1}
DATA = replace(
    SUMMARY,
    **{
        **GENES,
        "space_groups": tuple(GROUPS.get(n, 0) for n in range(231)),
        "size_histogram": (0, *[1] * 12),
        "orbit_histogram": (0, *[1] * 12),
    },
)
"""Elements H, C, N, O and F; cells of 1 to 12 atoms."""


@pytest.fixture(scope="module")
def model():
    made = build(WyformerConfig(hidden=12, layers=1, heads=2), DATA)
    randomise_weights(made, torch.Generator().manual_seed(4))
    return made.eval()


def made_of(model, n=100, seed=0, **asked):
    """Genes and why each is none that was asked for; the latter is empty where nothing is wrong."""
    request = GeneRequest.of(DATA, **asked)
    chunks = list(make_genes(model, plan_genes(DATA, request, n, seed), request))
    return [gene for _, genes, _ in chunks for gene in genes], [problem for _, _, part in chunks for problem in part]


def good(model, **asked):
    """Those genes that are written; most are."""
    genes, problems = made_of(model, **asked)
    kept = [gene for gene, problem in zip(genes, problems, strict=True) if not problem]
    assert len(kept) > len(genes) / 3
    return kept


def test_batching_plays_no_part(model):
    request = GeneRequest.of(DATA)
    plan = plan_genes(DATA, request, 3 * CHUNK - 5, seed=1)
    many, one = (
        [gene for _, genes, _ in make_genes(model, plan, request, batch=batch) for gene in genes]
        for batch in (1024, CHUNK)
    )
    assert len(many) == 3 * CHUNK - 5
    assert many == one
    for name in ("a", "band_gap"):
        values = ([gene.properties[name] for gene in genes] for genes in (many, one))
        np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-4)
    assert len({line_of(gene) for gene in many}) > CHUNK
    others = [gene for _, genes, _ in make_genes(model, plan_genes(DATA, request, 60, 2), request) for gene in genes]
    assert others != many[:60]


def test_a_continued_run_gives_the_same_bytes(model, monkeypatch):
    request = GeneRequest.of(DATA)
    plan = plan_genes(DATA, request, 5 * CHUNK, seed=1)
    whole = list(make_genes(model, plan, request, batch=2 * CHUNK))
    done, sizes = [], []
    monkeypatch.setattr(gene_runs, "draw", lambda *given: sizes.append(len(given[1])) or draw(*given))
    rest = list(make_genes(model, plan, request, batch=2 * CHUNK, first=3, progress=lambda n, _: done.append(n)))
    assert [chunk for chunk, _, _ in rest] == [3, 4]
    assert done == [4 * CHUNK, 5 * CHUNK]
    assert sizes == [2 * CHUNK, CHUNK]  # the same batches, or rounding would differ
    for (_, genes, problems), (_, again, problems_again) in zip(whole[3:], rest, strict=True):
        assert [line_of(gene) for gene in genes] == [line_of(gene) for gene in again]
        assert problems == problems_again


def test_groups_are_drawn_as_often_as_they_occur():
    n = 20_000
    plan = plan_genes(DATA, GeneRequest.of(DATA), n, seed=0)
    counts = Counter(np.concatenate(plan.chunks).tolist())
    assert set(counts) == set(GROUPS)
    total = sum(GROUPS.values())
    for number, share in GROUPS.items():
        expected = n * share / total
        assert abs(counts[number] - expected) < 5 * expected**0.5
    asked = GeneRequest.of(DATA, groups=[225, 2, 221, 225])
    assert asked.groups == (2, 221, 225)
    drawn = Counter(np.concatenate(plan_genes(DATA, asked, 16_000, seed=0).chunks).tolist())
    # 221 never occurs in the training set and counts as one crystal.
    assert [round(drawn[number] / 1000) for number in (2, 221, 225)] == [6, 1, 9]


def test_all_genes_are_possible_in_every_space_group(model):
    for seed in range(3):
        groups = np.random.default_rng(seed).choice(np.arange(1, 231), 60, replace=False).tolist()
        able = [number for number in groups if any(count > 0 for count in most_orbits(number, 12)[1:])]
        genes, problems = made_of(model, n=300, seed=seed, groups=able)
        assert {gene.number for gene in genes} <= set(able)
        assert len({gene.number for gene in genes}) > 40
        assert not any(problem for problem in problems if not problem.startswith("dead end"))
        for gene, problem in zip(genes, problems, strict=True):
            assert gene.problem() in ("", "no orbits")
            assert bool(gene.orbits) or problem
            assert len(gene.numbers) <= 12
            assert set(gene.numbers) <= set(DATA.elements)
            assert np.isfinite([gene.properties[name] for name in CELL]).all()


def test_compositions_are_exact(model):
    genes, problems = made_of(model, formula="CN2O", formula_units=(1, 3))
    assert not any(problems)
    units = Counter()
    for gene in genes:
        times = gene.properties["formula_units"]
        assert Counter(gene.numbers) == {6: times, 7: 2 * times, 8: times}
        assert not gene.problem()
        units[times] += 1
    assert max(units.values()) - min(units.values()) <= 1
    assert set(units) == {1, 2, 3}


def test_a_chemical_system_has_all_its_elements(model):
    for gene in good(model, chemical_system="C-N-O", atoms=(1, 9)):
        assert set(gene.numbers) == {6, 7, 8}
        assert len(gene.numbers) <= 9


@pytest.mark.parametrize("atoms", [(1, 2), (5, 5), (7, 9), (11, 40)])
def test_numbers_of_atoms(model, atoms):
    genes = good(model, atoms=atoms)
    assert all(atoms[0] <= len(gene.numbers) <= min(atoms[1], 12) for gene in genes)


@pytest.mark.parametrize("number", [1, 2, 12, 148, 194, 225, 227, 230])
def test_most_orbits_against_brute_force(number):
    group, most = space_group(number), 8
    best = {(0, frozenset()): 0}
    for _ in range(most):
        for (total, used), count in list(best.items()):
            for k, size in enumerate(group.multiplicities.tolist()):
                fixed = group.positions[k].freedom == 0
                if total + size > most or (fixed and k in used):
                    continue
                state = (total + size, used | {k} if fixed else used)
                best[state] = max(best.get(state, 0), count + 1)
    expected = [max([c for (total, _), c in best.items() if total == n], default=-1) for n in range(most + 1)]
    assert list(most_orbits(number, most)) == expected


@pytest.mark.parametrize(
    ("asked", "message", "cure"),
    [
        (
            {"groups": [225], "formula": "O5"},
            "O5 cannot be placed on orbits of space group 225",
            "2 times as many atoms",
        ),
        ({"groups": [225], "formula": "CO4"}, "cannot be placed", "can hold this: 2, 1, 148, 47$"),
        (
            {"groups": [230], "atoms": (5, 5)},
            "no orbits of space group 230.*add up to 5 atoms in",
            "^8, 12 atoms can be",
        ),
        ({"groups": [227], "atoms": (1, 1)}, "add up to 1 atoms", "^2, 4, 6, 8, 10 atoms can be"),
        ({"groups": [225], "atoms": (1, 3), "chemical_system": "C-N-O"}, "of C-N-O, at least one of each,", "^4, "),
        ({"groups": [230], "atoms": (1, 12), "chemical_system": "C-N-O"}, "nor to any number up to.*12", "^$"),
        ({"atoms": (30, 40)}, "no crystals of 30 to 40 atoms", "1 to 12"),
        ({"formula": "CuO"}, "does not know Cu", "it knows H, C, N, O, F"),
        ({"formula": "CO", "atoms": (1, 2)}, "a number of atoms has no place beside a formula", ""),
        ({"formula": "CO", "chemical_system": "C-O"}, "a chemical system has no place beside a formula", ""),
        ({"formula_units": (1, 2)}, "needs a formula", ""),
    ],
)
def test_refusals_say_what_would_do(asked, message, cure):
    with pytest.raises(ConfigError, match=message) as caught:
        GeneRequest.of(DATA, **asked)
    assert re.search(cure, caught.value.hint or ""), caught.value.hint


def test_compositions_that_fit_no_group_are_left_out():
    request = GeneRequest.of(DATA, groups=[225], formula="CO", formula_units=(1, 3))
    assert [len(numbers) for numbers in request.compositions.numbers] == [2, 4]
    assert "can hold C3O3" in request.compositions.remarks[-1]
    labels = [label["formula_units"] for label in request.compositions.labels]
    assert labels == [1, 2]
