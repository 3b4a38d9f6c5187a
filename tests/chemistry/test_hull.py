"""Energies above a hull: by hand, and against linear programming, which needs no phase diagram."""

import numpy as np
import pytest
from scipy.optimize import linprog

from molgen.chemistry.composition import reduced_composition
from molgen.chemistry.hull import Entry, Hull
from molgen.elements import NUMBERS
from molgen.errors import InputError


def composition(formula):
    """``"Li Fe O O"``."""
    return reduced_composition([NUMBERS[word] for word in formula.split()])


def entry(formula, energy, name=""):
    return Entry(name or formula.replace(" ", ""), composition(formula), energy)


OXIDES = [
    entry("Li", -2.0), entry("O", -5.0), entry("Li Li O", -5.0), entry("Li Li O", -4.5, "polymorph"),
    entry("Li O", -4.9), entry("Fe", -8.0), entry("Fe Fe O O O", -7.5),
]  # fmt: skip


def test_by_hand():
    hull = Hull(OXIDES)
    # Li2O: -5.0 on the hull, formed from -3.0 per atom; the higher polymorph plays no part.
    assert hull.above(composition("Li Li O"), -4.5).energy == pytest.approx(0.5)
    assert hull.above(composition("Li Li O"), -5.2).energy == pytest.approx(-0.2)
    # LiO of -4.9 lies above the line of Li2O (-5.0, 3/4 of its atoms) and O (-5.0, 1/4).
    above = hull.above(composition("Li O"), -4.9)
    assert above.energy == pytest.approx(0.1)
    assert [name for name, _ in above.phases] == ["LiLiO", "O"]
    assert [share for _, share in above.phases] == pytest.approx([0.75, 0.25])
    # Li4O: 3/5 of its atoms in Li2O, 2/5 in Li.
    assert hull.above(composition("Li Li Li Li O"), 0.0).energy == pytest.approx(0.6 * 5 + 0.4 * 2)


def test_an_element_has_itself_as_reference():
    hull = Hull(OXIDES)
    assert hull.above(composition("Li"), -1.5).energy == pytest.approx(0.5)
    assert hull.above(composition("Li"), -1.5).phases == (("Li", pytest.approx(1.0)),)


def test_where_a_pure_element_is_missing_compounds_are_the_reference():
    hull = Hull(OXIDES[1:])
    assert hull.elements == {3, 8, 26}
    assert hull.pure == {8, 26}
    assert hull.above(composition("Li O"), -4.9).energy == pytest.approx(0.1)
    with pytest.raises(InputError, match="no reference: nothing in it is as rich in Li"):
        hull.above(composition("Li Li Li Li O"), -9.0)
    with pytest.raises(InputError, match="no reference: nothing in it is as rich in Li"):
        hull.above(composition("Li"), -9.0)


def test_an_element_nobody_knows():
    with pytest.raises(InputError, match="no reference: no compound of Na, Mn is in it"):
        Hull(OXIDES).above(composition("Na Mn O O"), -100.0)


@pytest.mark.parametrize("seed", range(5))
def test_random_hulls_are_those_of_linear_programming(seed):
    rng = np.random.default_rng(seed)
    elements = ["Li", "Fe", "P", "O"]
    entries = [entry(symbol, rng.normal()) for symbol in elements[seed % 2 :]]  # an odd seed lacks lithium
    for place in range(25):
        counts = rng.integers(0, 4, 4)
        if counts.any():
            formula = " ".join(symbol for symbol, n in zip(elements, counts, strict=True) for _ in range(n))
            entries.append(entry(formula, rng.normal() - 1, f"#{place}"))
    hull = Hull(entries)
    for _ in range(10):
        counts = rng.integers(0, 4, 4)
        if not counts.any():
            continue
        target = composition(" ".join(s for s, n in zip(elements, counts, strict=True) for _ in range(n)))
        share = np.array([[dict(e.composition).get(NUMBERS[s], 0) for e in entries] for s in elements], float)
        share /= share.sum(0)
        wanted = np.array([dict(target).get(NUMBERS[s], 0) for s in elements], float)
        best = linprog([e.energy for e in entries], A_eq=share, b_eq=wanted / wanted.sum())
        if best.status != 0:
            with pytest.raises(InputError, match="no reference"):
                hull.above(target, 0.0)
        else:
            assert hull.above(target, 0.3).energy == pytest.approx(0.3 - best.fun, abs=1e-6)
