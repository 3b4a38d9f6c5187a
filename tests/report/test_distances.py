"""Verdicts, and that the section prints the summary's numbers."""

import pytest

from molgen.report.charts import number
from molgen.report.distances import _merged, distributions, verdict
from tests.report.parsed import Page
from tests.report.scored import distance, summary


@pytest.mark.parametrize(
    ("value", "floor", "control", "word"),
    [
        (0.5, 1.0, 5.0, "within floor"),
        (1.0, 1.0, 5.0, "within floor"),
        (1.1, 1.0, 5.0, "above floor"),
        (5.0, 1.0, 5.0, "as bad as control"),
        (9.0, 1.0, 5.0, "as bad as control"),
        (9.0, 1.0, 1.0, "above floor"),  # a control that does not exceed the floor says nothing
        (9.0, 1.0, None, "above floor"),
        (9.0, None, 5.0, "no floor"),
        (None, 1.0, 5.0, "no floor"),
    ],
)
def test_verdict(value, floor, control, word):
    assert verdict(distance(value, floor, control)) == word
    only = {"wasserstein": None, "jensen_shannon": value, "floor": {"jensen_shannon": floor}}
    assert verdict(only | {"control": {"jensen_shannon": control}}) == word


def test_wasserstein_decides_where_both_are_defined():
    both = {"wasserstein": 3.0, "jensen_shannon": 0.1}
    floor = {"wasserstein": 1.0, "jensen_shannon": 0.5}
    assert verdict(both | {"floor": floor, "control": None}) == "above floor"


def test_tables_print_the_numbers_of_the_summary():
    part = summary()["distributions"]
    page = Page(distributions(part))
    assert page.unclosed == []
    bonds, elements = page.tables["Distances from the reference"][1:]
    wasserstein, jensen_shannon = (0.0123, 0.00321, 0.0987), (0.00615, 0.001605, 0.04935)
    assert bonds[:2] + bonds[8:9] == ["bond lengths", "angstrom", "3.8 \u00d7"]
    assert bonds[2:8] == [number(value, 3) for value in (*wasserstein, *jensen_shannon)]
    assert bonds[9] == "above floor"
    assert elements == [
        "elements",
        "",
        "\u2013",
        "\u2013",
        "\u2013",
        "0.0456",
        "0.01",
        "0.01",
        "4.6 \u00d7",
        "above floor",
    ]
    types = page.tables["By type: bond lengths (angstrom)"][1:]
    assert [row[0] for row in types] == ["C-H", "C-C", "C=O"]  # most frequent in the reference first
    assert [row[9] for row in types] == ["within floor", "as bad as control", "no floor"]
    assert types[0][10:] == ["90", "900"]
    assert "a note of the distributions" in page.visible
    assert "2.50 % of the sample's values are of types that the reference lacks" in page.visible
    assert len([a for a in page.all("svg") if a["class"] == "plot"]) == 3


def test_the_split_is_stated():
    part = summary()["distributions"]
    part["reference"] |= {"name": "qm9:train", "structures": 20000, "holdout": "qm9:test", "jitter": 0.1}
    said = Page(distributions(part)).visible
    assert "Reference: 20,000 structures of qm9:train; held out: 7 structures of qm9:test; control:" in said
    assert "0.1 angstrom" in said


@pytest.mark.parametrize(("count", "factor"), [(10, 4), (1000, 4), (12_000, 2), (200_000, 1)])
def test_small_samples_get_wider_bins(count, factor):
    edges, sample = list(range(101)), [k / 5050 for k in range(1, 101)]
    merged = _merged(edges, sample, sample[::-1], count)
    assert merged[0] == [*range(0, 100, factor), 100]
    for made, given in zip(merged[1:], (sample, sample[::-1]), strict=True):
        assert made == pytest.approx([sum(given[k : k + factor]) for k in range(0, 100, factor)])


def test_few_bins_and_odd_ends_are_kept():
    assert _merged([0, 1, 2], [0.5, 0.5], [1.0, 0.0], 3) == ([0, 1, 2], [0.5, 0.5], [1.0, 0.0])
    edges, sample, _ = _merged(list(range(52)), [1.0] * 51, [0.0] * 51, 0)
    assert (edges[-2:], sample[-1], sum(sample)) == ([50, 51], 1.0, 51.0)


def test_nothing_without_distributions():
    assert distributions(None) is None
