"""Distances between sets of genes against scipy and pandas-free brute force, and their noise floors."""

import numpy as np
import pytest
from scipy.stats import chisquare, wasserstein_distance

from molgen.scoring.gene_sums import DISTANCES, GeneSums, GeneTable, RealGenes, chi_square, earth_movers

SALT, CRYSTALS = (225, 2, 2, 0), (225, 3, 3, 0)


def table(rows, formulas):
    return GeneTable.of(rows, formulas)


def test_chi_square_is_scipys_on_a_worked_example():
    """Test part: groups 1 and 225, half each. Sample: 1 of group 1, 3 of 225, and 4 of 62, which count for nothing."""
    reference, sample = np.zeros(231), np.zeros(231)
    reference[[1, 225]] = 2
    sample[[1, 225, 62]] = 1, 3, 4
    assert chi_square(sample, reference) == pytest.approx(0.25)
    assert chi_square(sample, reference) == pytest.approx(chisquare([0.25, 0.75], f_exp=[0.5, 0.5]).statistic)
    assert chi_square(np.eye(231)[62], reference) is None


@pytest.mark.parametrize("seed", range(4))
def test_distances_are_those_of_the_definitions(seed):
    rng = np.random.default_rng(seed)
    one, other = (rng.integers(0, 12, size) for size in (40, 31))
    counts = [np.bincount(values, minlength=20).astype(float) for values in (one, other)]
    assert earth_movers(*counts) == pytest.approx(wasserstein_distance(one, other))
    seen, expected = (np.array([np.sum(values == k) for k in range(20)]) for values in (one, other))
    shared = expected > 0
    statistic = chisquare(seen[shared] / seen[shared].sum(), f_exp=expected[shared] / expected.sum()).statistic
    assert chi_square(*counts) == pytest.approx(statistic)


def test_every_distance_of_genes_counts_what_it_says():
    real = table([(225, 2, 2, 0), (225, 2, 2, 0), (1, 2, 4, 12)], ["ClNa", "ClNa", "Cl3Na"]).sums()
    sample = table([(225, 3, 3, 0), (1, 2, 4, 12)], ["ClKNa", "Cl3Na"]).sums()
    found = {one.name: sample.distance(real, one) for one in DISTANCES}
    assert found["space_group_chi2"] == pytest.approx(chisquare([1 / 2, 1 / 2], f_exp=[1 / 3, 2 / 3]).statistic)
    chlorine, sodium = (1 / 3 + 3 / 4), (1 / 3 + 1 / 4)  # potassium is not in the real ones
    seen = np.array([chlorine, sodium]) / (chlorine + sodium)
    assert found["element_chi2"] == pytest.approx(chisquare(seen, f_exp=[1.75 / 3, 1.25 / 3]).statistic)
    assert found["elements_emd"] == pytest.approx(wasserstein_distance([3, 2], [2, 2, 2]))
    assert found["orbits_emd"] == pytest.approx(wasserstein_distance([3, 4], [2, 2, 4]))
    assert found["freedom_emd"] == pytest.approx(wasserstein_distance([0, 12], [0, 0, 12]))


def test_sums_of_parts_are_the_sums_of_the_whole():
    rows, formulas = [SALT, CRYSTALS, (1, 5, 20, 60)], ["ClNa", "O3SrTi", "C2H5NO"]
    whole, parts = table(rows, formulas).sums(), GeneSums()
    for row, formula in zip(rows, formulas, strict=True):
        parts.add(table([row], [formula]).sums())
    parts.add(table([], []).sums())
    assert parts.n == whole.n == 3
    for name, counts in whole.counts.items():
        np.testing.assert_allclose(parts.counts[name], counts)


def test_the_floor_is_that_of_samples_of_the_same_size():
    rng = np.random.default_rng(0)
    groups = rng.choice([1, 2, 14, 62, 225], size=400)
    rows = [(int(group), 2, int(rng.integers(1, 6)), 0) for group in groups]
    real = RealGenes("made", table(rows[:200], ["ClNa"] * 200).sums(), table(rows[200:], ["ClNa"] * 200))
    for few, many in (("space_group_chi2",) * 2, ("orbits_emd",) * 2):
        small = real.distances(table(rows[:20], ["ClNa"] * 20).sums())[few]
        large = real.distances(table(rows[:150], ["ClNa"] * 150).sums())[many]
        assert (small.floor_count, large.floor_count) == (20, 150)
        assert small.floor > large.floor > 0
        assert small.floor_low < small.floor < small.floor_high
    same = real.distances(table(rows[:200], ["ClNa"] * 200).sums())["space_group_chi2"]
    assert same.value == 0 < same.floor  # the test part itself
    spoilt = table([(194, 2, 1, 0), (225, 9, 30, 0)] * 30, ["ClNa"] * 60).sums()
    far = real.distances(spoilt)
    assert far["orbits_emd"].value > far["orbits_emd"].floor_high
    nothing = real.distances(GeneSums())["orbits_emd"]
    assert (nothing.value, nothing.floor, nothing.count) == (None, None, 0)
