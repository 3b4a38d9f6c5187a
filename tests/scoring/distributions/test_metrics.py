"""Cells: every value in its bin, nothing lost at the ends of the range."""

import numpy as np
import pytest

from molgen.scoring.distributions.metrics import METRICS, STRIDE, bond_type_name, bond_types

LENGTH, ANGLE, CHARGE = METRICS["bond_length"], METRICS["angle"], METRICS["formal_charge"]


def bins(metric, values):
    return (metric.cells(np.array(values, float)) % STRIDE).tolist()


def test_values_fall_into_their_bins_and_strays_into_the_end_bins():
    assert bins(LENGTH, [0.0, 0.0005, 1.0905, 3.9995]) == [1, 1, 1091, 4000]
    assert bins(LENGTH, [-0.1, 4.0001, 1e300, np.inf, -np.inf]) == [0, 4001, 4001, 4001, 0]
    assert bins(LENGTH, [4.0]) == [4000], "the upper end belongs to the range"
    assert bins(ANGLE, [0.0, 180.0]) == [1, 1800]
    assert bins(CHARGE, [-11, -10, 0, 1, 10, 11]) == [0, 1, 11, 12, 21, 22]


def test_undefined_values_are_left_out_with_their_types():
    cells = ANGLE.cells(np.array([10.05, np.nan, 20.05]), np.array([6, 7, 8]))
    assert (cells // STRIDE).tolist() == [6, 8]
    assert (cells % STRIDE).tolist() == [101, 201]


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda m: m.name)
def test_bins_fit_their_cells(metric):
    assert metric.bins + 2 <= STRIDE
    assert metric.bins % metric.coarse == 0, "a coarse bin must not straddle the end of the range"
    middle = metric.lower + 0.5 * metric.width + 7 * metric.width
    assert metric.edge(bins(metric, [middle])[0]) == pytest.approx(middle - metric.width / 2)


@pytest.mark.parametrize(
    ("first", "second", "order", "name"),
    [
        (6, 6, 1, "C-C"),
        (8, 6, 2, "C=O"),
        (1, 6, 1, "C-H"),
        (1, 7, 1, "N-H"),
        (7, 6, 3, "C#N"),
        (6, 6, 4, "C:C"),
        (17, 16, 1, "S-Cl"),
        (118, 1, 1, "Og-H"),
    ],
)
def test_names_of_bond_types_do_not_depend_on_the_order_of_atoms(first, second, order, name):
    there, back = (
        bond_types(np.array([a]), np.array([b]), np.array([order])) for a, b in ((first, second), (second, first))
    )
    assert there == back
    assert bond_type_name(int(there[0])) == name


def test_bond_types_are_distinct():
    z = np.arange(1, 119)
    first, second, order = (grid.ravel() for grid in np.meshgrid(z, z, [1, 2, 3, 4], indexing="ij"))
    codes = bond_types(first, second, order)
    assert len(np.unique(codes)) == 118 * 119 // 2 * 4
    assert codes.max() < STRIDE / 2, "they are bins of the metric bond_type too"
