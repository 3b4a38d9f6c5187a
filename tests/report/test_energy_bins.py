"""Bins of energies above the hull: what is stable lies left of zero, what is metastable left of 0.1."""

import numpy as np
import pytest

from molgen.report.energy_bins import BINS, EnergyBins


def binned(energies):
    bins = EnergyBins()
    for energy in energies:
        bins.add(energy)
    bins.finish()
    return bins


def upto(bins, bound):
    """How many lie in bins up to this bound."""
    place = bins.edges.index(pytest.approx(bound))
    return bins.below + sum(bins.counts[:place])


def test_bounds_belong_to_the_bin_below_them():
    bins = binned([0.0, 5e-7, 1.2e-6, 0.1, 0.1000005, 0.10001, -0.3, 0.2])
    assert upto(bins, 0.0) == 3  # -0.3, 0 and what rounding of the hull's file makes of 0
    assert upto(bins, 0.1) == 6
    assert (bins.below, bins.above, sum(bins.counts), bins.count) == (0, 0, 8, 8)


@pytest.mark.parametrize("scale", [0.001, 0.05, 0.3, 2.0])
@pytest.mark.parametrize("shift", [-1.0, 0.0, 3.0])
def test_any_energies_are_all_counted_and_divided_at_the_limits(scale, shift):
    energies = shift + scale * np.random.default_rng(0).normal(size=500)
    bins = binned(energies)
    assert bins.below + sum(bins.counts) + bins.above == bins.count == 500
    assert upto(bins, 0.0) == (energies <= 1e-6).sum()
    assert upto(bins, 0.1) == (energies <= 0.1 + 1e-6).sum()
    assert bins.below <= 5
    assert bins.above <= 25
    widths = np.diff(bins.edges)
    assert widths == pytest.approx(widths[0])
    assert len(bins.counts) <= BINS + 2 or widths[0] == pytest.approx(0.1)


def test_artefacts_are_outside_and_do_not_widen_the_bins():
    bins = binned([0.0] * 200 + [0.05] * 200 + [-1e6, 1e9, float("nan"), float("inf")])
    assert (bins.count, bins.below, bins.above) == (402, 1, 1)
    assert np.diff(bins.edges)[0] == pytest.approx(0.01)
    assert binned([-50.0, 50.0]).edges[0] == pytest.approx(-10)


def test_without_energies_there_are_no_bins():
    bins = binned([])
    assert (bins.count, bins.edges, bins.counts) == (0, [], [])
