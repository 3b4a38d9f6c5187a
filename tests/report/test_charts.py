"""Marks of the charts stand where the numbers say."""

import re

import pytest

from molgen.report.charts import MARGIN, PLOT, category_plot, interval_bar, number, ratio_dots, step_plot, ticks


def attribute(svg, class_, name):
    element = re.search(rf"<\w+[^>]*class=\"{class_}\"[^>]*>", svg)[0]
    return float(re.search(rf' {name}="([^"]*)"', element)[1])


def test_an_interval_is_drawn_to_scale():
    svg = interval_bar(0.75, 0.5, 1.0, "75 %")
    assert attribute(svg, "mark", "x1") == 2 + 156 * 0.75
    assert attribute(svg, "band", "x") == 2 + 156 * 0.5
    assert attribute(svg, "band", "width") == 78
    assert 'aria-label="75 %"' in svg
    assert interval_bar(None, None, None, "") is None


def test_steps_are_densities_over_the_bins():
    svg = step_plot([0.0, 1.0, 3.0, 4.0], [0.25, 0.5, 0.0], [0.5, 0.25, 0.25], label="x")
    base, inner, width = PLOT[1] - MARGIN["bottom"], PLOT[1] - MARGIN["bottom"] - MARGIN["top"], PLOT[0] - 16
    x = [8 + width * edge / 4 for edge in (0, 1, 3, 4)]
    y = {density: base - inner * density / 0.5 for density in (0.125, 0.25, 0.5)}  # the highest is 0.5
    area, line = re.findall(r'<path d="([^"]*)" class="(?:reference|sample)"', svg)
    assert line == f"M{x[0]:.1f} {base}V{y[0.25]:.1f}H{x[1]:.1f}V{y[0.25]:.1f}H{x[2]:.1f}V{base:.1f}H{x[3]:.1f}V{base}"
    assert area.startswith(f"M{x[0]:.1f} {base}V{y[0.5]:.1f}H{x[1]:.1f}V{y[0.125]:.1f}H{x[2]:.1f}V{y[0.25]:.1f}")
    assert area.endswith("Z")


def test_a_histogram_alone_is_bars():
    svg = step_plot([0.0, 1.0], [1.0], (), label="x")
    assert 'class="bars"' in svg
    assert "reference" not in svg
    assert "nan" not in step_plot([0.0, 1.0], [0.0], [0.0], label="x")


def test_categories_are_pairs_of_bars():
    svg = category_plot(["C", "<N>"], [0.5, 0.25], [1.0, 0.0], label="x")
    inner = PLOT[1] - MARGIN["bottom"] - MARGIN["top"]
    heights = [float(h) for h in re.findall(r'<rect class="\w+"[^>]*height="([^"]*)"', svg)]
    assert heights == [inner, inner / 2, 0.0, inner / 4]
    assert "&lt;N&gt;, sample: 25 %" in svg


def test_ratios_are_logarithmic():
    svg = ratio_dots(1.0, 0.1, 10.0, widest=100.0, label="x")
    left, right = 6.0, 154.0  # a tenth of the floor, a hundred times the floor
    place = {ratio: left + (right - left) * (k / 3) for k, ratio in enumerate((0.1, 1, 10, 100))}
    assert attribute(svg, "dot", "cx") == pytest.approx(place[10], abs=0.01)
    assert attribute(svg, "control", "cx") == pytest.approx(place[100], abs=0.01)
    assert attribute(svg, "floor", "width") == pytest.approx(place[1] - 2, abs=0.01)
    assert ratio_dots(1.0, 0.0, 1.0, widest=10.0, label="x") is None
    assert ratio_dots(None, 0.1, 1.0, widest=10.0, label="x") is None
    assert attribute(ratio_dots(0.0, 0.1, None, widest=10.0, label="x"), "dot", "cx") == left


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0, 180, [0, 50, 100, 150]),
        (1.05, 1.12, [1.06, 1.08, 1.1, 1.12]),
        (-3, 17, [0, 5, 10, 15]),
        (2, 2, [2]),
    ],
)
def test_ticks_are_round_and_inside(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "\u2013"), (0.012345, "0.01235"), (12859, "12,859"), (-0.5, "\u22120.5"), (1e-9, "1e-09"), (0.0, "0")],
)
def test_numbers_for_people(value, text):
    assert number(value) == text
