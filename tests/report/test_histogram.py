"""Histograms of a stream against NumPy's."""

import numpy as np
import pytest

from molgen.report import histogram
from molgen.report.histogram import BINS, Histogram


def made(values):
    h = Histogram()
    for value in values:
        h.add(value)
    h.finish()
    return h


@pytest.mark.parametrize("size", [150, 5000])
def test_counts_are_those_of_numpy_with_what_lies_outside(size):
    values = np.random.default_rng(0).standard_cauchy(size)
    h = made(values.tolist())
    inside = values[(values >= h.edges[0]) & (values <= h.edges[-1])]
    assert h.counts == np.histogram(inside, h.edges)[0].tolist()
    assert (h.below, h.above) == ((values < h.edges[0]).sum(), (values > h.edges[-1]).sum())
    assert h.count == size == sum(h.counts) + h.below + h.above
    ordered, cut = np.sort(values), int(0.01 * size)
    assert (h.edges[0], h.edges[-1]) == (ordered[cut], ordered[-1 - cut])
    assert len(h.edges) == BINS + 1


def test_later_values_are_counted_in_the_bins_that_the_first_set(monkeypatch):
    monkeypatch.setattr(histogram, "FIRST", 100)
    rng = np.random.default_rng(1)
    first, later = rng.normal(size=100), rng.normal(3, 5, size=400)
    h = made([*first.tolist(), *later.tolist()])
    everything = np.concatenate([first, later])
    assert (h.edges[0], h.edges[-1]) == (np.sort(first)[1], np.sort(first)[-2])
    inside = everything[(everything >= h.edges[0]) & (everything <= h.edges[-1])]
    assert h.counts == np.histogram(inside, h.edges)[0].tolist()
    assert h._first is None  # nothing is kept


@pytest.mark.parametrize("value", [0.0, -3.5, 1e9, 1e-12])
def test_one_value_has_bins_around_it(value):
    h = made([value] * 7)
    assert h.edges[0] < value < h.edges[-1]
    assert sum(h.counts) == 7
    assert max(h.counts) == 7


def test_extremes_and_nothing():
    assert made([]).count == 0
    assert made([float("nan"), float("inf")]).count == 0
    h = made([-1.7e308, 0.0, 1.7e308])
    assert np.isfinite(h.edges).all()
    assert sum(h.counts) == 3
