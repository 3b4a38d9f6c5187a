"""Intervals against published numbers, and coverage of the clustered one by simulation."""

import json

import numpy as np
import pytest

from molgen.scoring.rates import ClusteredCount, Estimate, Rate


@pytest.mark.parametrize(
    ("passed", "total", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17, 857 (1998), table I, method 3 (score, no continuity correction)
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 1 - 0.1611, 1.0),
    ],
)
def test_wilson(passed, total, low, high):
    rate = Rate.wilson(passed, total)
    assert rate.value == passed / total
    assert (rate.low, rate.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_interval_always_holds_the_value():
    for total in (1, 2, 7, 1000, 10**9):
        for passed in {0, 1, total // 3, total - 1, total}:
            rate = Rate.wilson(passed, total)
            assert 0 <= rate.low <= rate.value <= rate.high <= 1


def test_nothing_over_nothing_is_null():
    assert json.loads(json.dumps(Rate.wilson(0, 0).to_dict(), allow_nan=False)) == {
        "kind": "rate",
        "value": None,
        "numerator": 0,
        "denominator": 0,
        "low": None,
        "high": None,
    }
    assert ClusteredCount().rate().value is None


def test_independent_units_give_the_plain_interval():
    rng = np.random.default_rng(0)
    count = ClusteredCount()
    for size in rng.integers(5, 30, 20_000):
        count.add(int(rng.binomial(size, 0.9)), int(size))
    assert count.effective_trials() == pytest.approx(count.units, rel=0.05)


def test_units_that_fail_together_count_as_one():
    rng = np.random.default_rng(1)
    count = ClusteredCount()
    for passed in rng.random(5000) < 0.8:
        count.add(20 * int(passed), 20)
    assert count.effective_trials() == pytest.approx(count.clusters, rel=1e-3)
    plain = Rate.wilson(count.passes, count.units)
    rate = count.rate()
    assert (rate.numerator, rate.denominator, rate.value) == (plain.numerator, plain.denominator, plain.value)
    assert rate.high - rate.low == pytest.approx(20**0.5 * (plain.high - plain.low), rel=0.01)


def test_all_passed_is_judged_by_clusters():
    count = ClusteredCount()
    for _ in range(20):
        count.add(18, 18)
    assert count.rate().low == pytest.approx(Rate.wilson(20, 20).low)
    assert count.rate().high == 1.0


def test_clustered_interval_covers_and_the_plain_one_does_not():
    """Molecules whose atoms share a failure probability: 95 % intervals must hold the truth about 95 times in 100."""
    rng = np.random.default_rng(2)
    clustered = plain = 0
    trials, truth = 400, 0.9
    for _ in range(trials):
        count = ClusteredCount()
        sizes = rng.integers(10, 26, 150)
        passed = rng.binomial(sizes, rng.beta(9 * 0.2, 0.2, 150))
        for p, n in zip(passed.tolist(), sizes.tolist(), strict=True):
            count.add(p, n)
        rate, naive = count.rate(), Rate.wilson(count.passes, count.units)
        clustered += rate.low <= truth <= rate.high
        plain += naive.low <= truth <= naive.high
    assert clustered / trials > 0.91
    assert plain / trials < 0.75


def test_estimate_of_known_values():
    rng = np.random.default_rng(0)
    assert Estimate.of(np.zeros(0), "eV").to_dict() == {"kind": "quantity", "unit": "eV", "count": 0} | dict.fromkeys(
        ("mean", "mean_low", "mean_high", "median", "median_low", "median_high")
    )
    few = Estimate.of(np.array([1.0, 2.0, 6.0]), "eV")
    assert (few.mean, few.median, few.mean_low, few.median_low) == (3.0, 2.0, None, None)
    covered = np.zeros(2)
    for _ in range(600):
        estimate = Estimate.of(rng.exponential(size=50), "eV")
        covered += [
            estimate.mean_low <= 1 <= estimate.mean_high,
            estimate.median_low <= np.log(2) <= estimate.median_high,
        ]
    assert 0.88 < covered[0] / 600 < 0.97, "the normal interval is a little short for a skewed distribution"
    assert covered[1] / 600 > 0.93, "the median's interval holds for any distribution"
