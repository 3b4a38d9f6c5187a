"""Distances against closed forms and against scipy on the raw values."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from molgen.datasets.find import open_structures
from molgen.scoring.distributions.distances import (
    by_type,
    coarsened,
    distances,
    jensen_shannon,
    total_variation,
    wasserstein,
    weighted,
)
from molgen.scoring.distributions.geometry import bond_angles, bond_lengths
from molgen.scoring.distributions.histograms import EMPTY, Histogram, Sums
from molgen.scoring.distributions.metrics import METRICS

LENGTH, ANGLE, TORSION, ELEMENT = (METRICS[name] for name in ("bond_length", "angle", "torsion", "element"))


def histogram(metric, values):
    sums = Sums()
    sums.add_cells(metric.name, metric.cells(np.asarray(values, float)))
    return sums.histograms(metric.name).get(0, EMPTY)


def counts(*pairs):
    bins, numbers = zip(*pairs, strict=True)
    return Histogram(np.array(bins), np.array(numbers))


def test_shifted_gaussians_are_as_far_apart_as_the_shift():
    rng = np.random.default_rng(1)
    values = rng.normal(1.5, 0.03, 200_000)
    for shift in (0.001, 0.0123, 0.2):
        found = distances(LENGTH, histogram(LENGTH, values), histogram(LENGTH, values + shift))
        assert found["wasserstein"] == pytest.approx(shift, rel=0.002)


@pytest.mark.parametrize(
    ("metric", "centre", "width", "n"),
    [(LENGTH, 1.52, 0.03, 20_000), (LENGTH, 1.09, 0.004, 20_000), (ANGLE, 110, 4, 20_000), (TORSION, 60, 10, 2_000)],
)
def test_binning_changes_wasserstein_by_far_less_than_the_noise_floor(metric, centre, width, n):
    """Two samples of one distribution: what scipy finds is the floor itself, and the bins must not be seen in it."""
    for seed in range(5):
        a, b = np.random.default_rng(seed).normal(centre, width, (2, n))
        exact = wasserstein_distance(a, b)
        found = distances(metric, histogram(metric, a), histogram(metric, b))["wasserstein"]
        assert found == pytest.approx(exact, rel=0.1)
        moved = distances(metric, histogram(metric, a), histogram(metric, b + 3 * width))["wasserstein"]
        assert moved == pytest.approx(wasserstein_distance(a, b + 3 * width), rel=0.005)


@pytest.mark.parametrize(("metric", "measure", "floor"), [(LENGTH, bond_lengths, 1e-4), (ANGLE, bond_angles, 0.05)])
def test_wasserstein_on_real_molecules_is_that_of_the_raw_values(metric, measure, floor):
    molecules = list(open_structures("embedded:test"))
    sides = [[measure(m) for m in molecules[part::2]] for part in (0, 1)]
    types, values = ([np.concatenate([m[k] for m in side]) for side in sides] for k in (0, 1))
    commonest = np.bincount(types[0]).argmax()
    a, b = (v[t == commonest] for v, t in zip(values, types, strict=True))
    found = distances(metric, histogram(metric, a), histogram(metric, b))["wasserstein"]
    assert found == pytest.approx(wasserstein_distance(a, b), abs=floor)


def test_wasserstein_of_sparse_bins_by_hand():
    assert wasserstein(counts((3, 1)), counts((3, 5))) == 0
    assert wasserstein(counts((3, 1)), counts((10, 2))) == 7
    assert wasserstein(counts((0, 1), (10, 1)), counts((0, 3), (10, 1))) == pytest.approx(2.5)


def test_jensen_shannon_is_scipys_distance_to_base_two_on_the_same_bins():
    rng = np.random.default_rng(2)
    a, b = rng.normal(1.4, 0.05, 5000), rng.normal(1.43, 0.07, 3000)
    edges = np.linspace(0, 4, 401)
    expected = jensenshannon(np.histogram(a, edges)[0], np.histogram(b, edges)[0], base=2)
    found = distances(LENGTH, histogram(LENGTH, a), histogram(LENGTH, b))
    assert found["jensen_shannon"] == pytest.approx(expected, abs=1e-9)
    assert found["total_variation"] is None


def test_distances_of_categories_have_no_order():
    h2o, c = histogram(ELEMENT, [1, 1, 8]), histogram(ELEMENT, [6, 6])
    found = distances(ELEMENT, h2o, histogram(ELEMENT, [1, 8, 8]))
    assert found["wasserstein"] is None
    assert found["total_variation"] == pytest.approx(1 / 3)
    assert distances(ELEMENT, h2o, c) == {
        "wasserstein": None,
        "jensen_shannon": pytest.approx(1.0),
        "total_variation": pytest.approx(1.0),
    }


def test_a_distribution_is_no_distance_from_itself_and_distances_are_symmetric():
    rng = np.random.default_rng(3)
    a, b = (histogram(LENGTH, rng.normal(1.4, 0.1, n)) for n in (500, 700))
    twice = Histogram(a.bins, 2 * a.counts)
    for distance in (wasserstein, jensen_shannon, total_variation):
        assert distance(a, twice) == pytest.approx(0, abs=1e-8)
        assert distance(a, b) == pytest.approx(distance(b, a))
        assert distance(a, b) > 0


def test_nothing_is_no_distance_from_anything():
    undefined = {"wasserstein": None, "jensen_shannon": None, "total_variation": None}
    assert distances(LENGTH, EMPTY, histogram(LENGTH, [1.0])) == undefined
    assert distances(ELEMENT, EMPTY, EMPTY) == undefined


def test_coarse_bins_keep_strays_apart():
    strays = histogram(LENGTH, [-1, 0.0, 0.0095, 0.0105, 3.9995, 5.0, 5.0])
    coarse = coarsened(strays, 10)
    assert coarse.bins.tolist() == [-1, 0, 1, 399, 400]
    assert coarse.counts.tolist() == [1, 2, 1, 1, 2]


def test_mean_over_types_is_weighted_by_the_reference_and_leaves_out_what_one_side_lacks():
    reference = {
        6: histogram(ANGLE, [100.05] * 30),
        7: histogram(ANGLE, [110.05] * 10),
        8: histogram(ANGLE, [90.05] * 60),
    }
    sample = {6: histogram(ANGLE, [101.05]), 7: histogram(ANGLE, [114.05] * 500), 16: histogram(ANGLE, [95.05])}
    parts = by_type(ANGLE, sample, reference)
    assert {code: part["wasserstein"] for code, part in parts.items()} == {
        6: pytest.approx(1.0),
        7: pytest.approx(4.0),
        8: None,
        16: None,
    }
    mean = weighted(parts, reference)
    assert mean["wasserstein"] == pytest.approx((1.0 * 30 + 4.0 * 10) / 40)
    assert mean["total_variation"] is None
    assert set(weighted({}, {}).values()) == {None}
