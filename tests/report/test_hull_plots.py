"""Marks of hull plots stand where compositions and energies say."""

import re
from collections import Counter

import pytest

from molgen.elements import NUMBERS
from molgen.report import binary_plot as binary
from molgen.report import ternary_plot as ternary
from molgen.report.chemical_system import Sample
from molgen.report.hull_marks import level
from tests.report.stable import toy_hull


def sample(index, formula, energy, above):
    atoms = Counter({s: int(n or 1) for s, n in re.findall(r"([A-Z][a-z]?)(\d*)", formula)})
    return Sample(index, atoms, formula, energy, above)


def stable(*symbols):
    return toy_hull().stable(NUMBERS[symbol] for symbol in symbols)


def numbers(element):
    return {name: float(value) for name, value in re.findall(r'([\w-]+)="(-?[\d.]+)"', element)}


def phases(svg):
    """Middle of each phase's square, by formula."""
    found = re.findall(r"<rect ([^>]*)><title>\S+ (\w+): ", svg)
    return {name: (numbers(a)["x"] + 5, numbers(a)["y"] + 5) for a, name in found}


def discs(svg):
    """Centre and class of each sample's disc, by record."""
    found = re.findall(r'<circle ([^>]*)class="level ([\w-]+)"><title>Record (\d+)', svg)
    return {int(index): (numbers(a)["cx"], numbers(a)["cy"], name) for a, name, index in found}


def ties(svg):
    found = [numbers(line) for line in re.findall(r'<line [^>]*class="tie">', svg)]
    return [((line["x1"], line["y1"]), (line["x2"], line["y2"])) for line in found]


def names(svg):
    return set(re.findall(r'class="phase-name">([^<]*)<', svg))


def scale(svg):
    """Energy at a height, from the marks of the axis."""
    marks = re.findall(r'<text x="50" y="(-?[\d.]+)" text-anchor="end">([^<]*)</text>', svg)
    (y, first), (v, last) = ((float(y) - 4, float(text.replace("\u2212", "-"))) for y, text in (marks[0], marks[-1]))
    return lambda height: first + (last - first) * (height - y) / (v - y)


def x(share):
    return binary.LEFT + (binary.SIZE[0] - binary.LEFT - binary.RIGHT) * share


def test_binary_formation_energies_by_hand():
    samples = [sample(3, "LiO", -4.95, 0.05), sample(4, "Li2O", -5.2, -0.2), sample(5, "Li", -1.0, 1.0)]
    svg = binary.binary_plot(stable("Li", "O"), ("Li", "O"), samples, "a <label>")
    energy, squares, circles = scale(svg), phases(svg), discs(svg)
    assert set(squares) == {"Li", "Li2O", "O2"}
    # The line from Li (-2) to O (-5) is -3 at Li2O and -3.5 at LiO.
    assert [squares[name][0] for name in ("Li", "Li2O", "O2")] == pytest.approx([x(0), x(1 / 3), x(1)], abs=0.01)
    assert [energy(squares[name][1]) for name in ("Li", "Li2O", "O2")] == pytest.approx([0, -2, 0], abs=0.01)
    assert {k: (name, pytest.approx(u, abs=0.01)) for k, (u, _, name) in circles.items()} == {
        3: ("metastable", x(0.5)),
        4: ("stable", x(1 / 3)),
        5: ("very-unstable", x(0)),
    }
    assert [energy(circles[k][1]) for k in (3, 4, 5)] == pytest.approx([-1.45, -2.2, 1.0], abs=0.01)
    squared = {frozenset((squares[a], squares[b])) for a, b in (("Li", "Li2O"), ("Li2O", "O2"))}
    assert {frozenset(line) for line in ties(svg)} == squared
    assert names(svg) == {"Li\u2082O"}
    assert "formation energy" in svg
    assert 'aria-label="a &lt;label&gt;"' in svg


def test_the_second_element_is_on_the_right():
    svg = binary.binary_plot(stable("Li", "O"), ("O", "Li"), [], "")
    assert phases(svg)["Li2O"][0] == pytest.approx(x(2 / 3), abs=0.01)


def test_what_is_far_above_a_hull_does_not_flatten_it():
    svg = binary.binary_plot(stable("Li", "O"), ("Li", "O"), [sample(0, "LiO", 40.0, 45.0)], "")
    assert scale(svg)(binary.TOP) < 3
    assert discs(svg) == {}
    ((corners, said),) = re.findall(r'<polygon points="([^"]*)" class="level very-unstable"><title>([^<]*)', svg)
    assert corners.endswith(f" {x(0.5):.1f},{binary.TOP:.1f}")
    assert said == "Record 0 LiO: 45 eV/atom above the hull"


def test_without_an_element_energies_are_relative_to_the_ends():
    hull = stable("Li", "Fe", "O")  # its entries without the pure iron
    of_iron = [e for e in hull.entries if e.formula in ("Fe2O3", "O2")]
    svg = binary.binary_plot(type(hull)(tuple(of_iron), ((0, 1),)), ("Fe", "O"), [], "")
    assert [scale(svg)(y) for _, y in phases(svg).values()] == pytest.approx([0, 0], abs=0.01)
    assert "relative energy" in svg
    assert "formation energy" not in svg


def test_ternary_points_are_barycentric():
    samples = [sample(6, "FeLiO2", -6.0, 0.1), sample(7, "Li2O", -4.8, 0.2)]
    svg = ternary.ternary_plot(stable("Li", "Fe", "O"), ("Li", "Fe", "O"), samples, "")
    lithium, iron, oxygen = ternary.CORNERS
    squares, circles = phases(svg), discs(svg)
    assert set(squares) == {"Li", "Fe", "O2", "Li2O", "Fe2O3"}
    middle = [(2 * a + b) / 3 for a, b in zip(lithium, oxygen, strict=True)]
    assert squares["Li2O"] == pytest.approx(middle, abs=0.01)
    assert squares["Fe"] == pytest.approx(iron, abs=0.01)
    centre = [(a + b + 2 * c) / 4 for a, b, c in zip(lithium, iron, oxygen, strict=True)]
    assert circles[6] == (*(pytest.approx(c, abs=0.01) for c in centre), "metastable")
    assert circles[7] == (*(pytest.approx(c, abs=0.01) for c in middle), "unstable")
    lines = {frozenset(line) for line in ties(svg)}
    assert len(lines) == 7
    assert frozenset((squares["Fe"], squares["Li2O"])) in lines
    assert frozenset((squares["Li"], squares["Fe2O3"])) not in lines
    assert names(svg) == {"Li", "Fe", "O", "Li\u2082O", "Fe\u2082O\u2083"}
    assert svg.index("Record 7") < svg.index("Record 6")  # the lower one is on top


def test_levels_hold_their_upper_bound():
    assert [level(e) for e in (-1, 1e-7, 1e-5, 0.1, 0.11, 0.25, 0.3)] == [
        *("stable", "stable", "metastable", "metastable", "unstable", "unstable", "very-unstable")
    ]
