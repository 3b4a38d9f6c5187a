"""Atom counts: the right distribution, chunks of one size, no order in the file, one result per seed."""

import numpy as np
import pytest

from molgen.errors import ConfigError
from molgen.sampling.sizes import CHUNK, NEIGHBOURS, make_plan, parse_atoms

HISTOGRAM = [0, 0, 0, 10, 20, 40, 20, 10, 0, 5]


def test_distribution_is_that_of_the_histogram():
    plan = make_plan(HISTOGRAM, 20_000, seed=3)
    counts = np.bincount(np.concatenate(plan.chunks), minlength=10)
    expected = np.array(HISTOGRAM) / sum(HISTOGRAM) * 20_000
    chi2 = ((counts - expected)[expected > 0] ** 2 / expected[expected > 0]).sum()
    assert chi2 < 22  # 5 degrees of freedom: p = 0.0005
    assert not counts[expected == 0].any()


def test_every_structure_is_in_one_chunk():
    for n in (1, 63, 64, 65, 2048, 5000):
        plan = make_plan(HISTOGRAM, n, seed=0)
        assert len(plan) == n == sum(map(len, plan.chunks))
        assert plan.starts.tolist() == np.cumsum([0, *map(len, plan.chunks)]).tolist()
        assert all(0 < len(chunk) <= CHUNK for chunk in plan.chunks)


def test_chunks_are_homogeneous_and_the_file_is_not_ordered():
    plan = make_plan(np.ones(60), 4096, seed=1)
    spread = [int(chunk[-1] - chunk[0]) for chunk in plan.chunks]
    assert np.mean(spread) < 4
    beside = [plan.chunks[i : i + NEIGHBOURS] for i in range(0, len(plan.chunks), NEIGHBOURS)]
    assert np.mean([np.concatenate(group).max() - np.concatenate(group).min() for group in beside]) < 12
    means = np.array([np.mean(np.concatenate(group)) for group in beside])
    assert abs(np.corrcoef(means[:8], np.arange(8))[0, 1]) < 0.9
    assert (np.diff(means[:8]) < 0).any()


def test_a_plan_is_a_function_of_the_seed():
    first, again, other = (make_plan(HISTOGRAM, 300, seed=seed) for seed in (5, 5, 6))
    assert all((a == b).all() for a, b in zip(first.chunks, again.chunks, strict=True))
    assert any((a != b).any() for a, b in zip(first.chunks, other.chunks, strict=True) if len(a) == len(b))
    seeds = [plan.noise_seed(chunk) for plan in (first, other) for chunk in range(5)]
    assert len(set(seeds)) == 10
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_restriction():
    plan = make_plan(HISTOGRAM, 500, seed=0, atoms=(4, 5))
    counts = np.bincount(np.concatenate(plan.chunks))
    assert counts[:4].sum() == 0
    assert counts.size == 6
    assert counts[5] / 500 == pytest.approx(2 / 3, abs=0.09)
    with pytest.raises(ConfigError, match="no structures with 8 to 8 atoms") as caught:
        make_plan(HISTOGRAM, 5, seed=0, atoms=(8, 8))
    assert "3 to 9 atoms" in caught.value.hint
    with pytest.raises(ConfigError, match="any atoms"):
        make_plan([4], 5, seed=0)


@pytest.mark.parametrize(("text", "expected"), [("19", (19, 19)), ("10-20", (10, 20)), (" 7 ", (7, 7))])
def test_parse_atoms(text, expected):
    assert parse_atoms(text) == expected


@pytest.mark.parametrize("text", ["", "x", "5-", "-5", "9-3", "0", "1.5", "3-4-5"])
def test_parse_atoms_refuses(text):
    with pytest.raises(ConfigError, match="not a number of atoms"):
        parse_atoms(text)
