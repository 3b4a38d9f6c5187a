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


def stable(hull, *symbols):
    """Formulas of the phases on the hull, and of every pair that a tie line joins."""
    found = hull.stable(NUMBERS[symbol] for symbol in symbols)
    names = [phase.formula for phase in found.entries]
    return set(names), {frozenset((names[i], names[j])) for i, j in found.tie_lines}, len(found.tie_lines)


def pairs(*texts):
    return {frozenset(text.split()) for text in texts}


def test_tie_lines_join_neighbours_on_a_binary_hull():
    # LiO lies 0.1 above the line of Li2O and O, the higher polymorph of Li2O above Li2O.
    assert stable(Hull(OXIDES), "Li", "O") == ({"Li", "Li2O", "O2"}, pairs("Li Li2O", "Li2O O2"), 2)
    assert stable(Hull([*OXIDES, entry("Li O", -5.01)]), "O", "Li") == (
        {"Li", "Li2O", "Li2O2", "O2"},
        pairs("Li Li2O", "Li2O Li2O2", "Li2O2 O2"),
        3,
    )


def test_tie_lines_divide_a_ternary_system_into_triangles():
    # Formation energies per atom: Li2O -2.0, Fe2O3 -1.3. One line crosses the triangle: Fe-Li2O or Li-Fe2O3. Where
    # they meet, Li2O and Fe are lower: 3 Li2O + 2 Fe from 6 Li + Fe2O3 gains 9 * 2.0 - 5 * 1.3 eV.
    names = {"Li", "Fe", "O2", "Li2O", "Fe2O3"}
    edges = pairs("Li Li2O", "Li2O O2", "Fe Fe2O3", "Fe2O3 O2", "Li Fe", "Fe Li2O", "Li2O Fe2O3")
    assert stable(Hull(OXIDES), "Li", "Fe", "O") == (names, edges, 7)


def test_where_a_pure_element_is_missing_the_hull_ends_at_compounds():
    hull = Hull(OXIDES[1:])
    assert stable(hull, "Li", "O") == ({"Li2O", "O2"}, pairs("Li2O O2"), 1)
    assert stable(hull, "Li", "Fe") == ({"Fe"}, set(), 0)
    names = {"Fe", "O2", "Li2O", "Fe2O3"}
    edges = pairs("Li2O O2", "Fe Fe2O3", "Fe2O3 O2", "Fe Li2O", "Li2O Fe2O3")
    assert stable(hull, "Li", "Fe", "O") == (names, edges, 5)
    with pytest.raises(InputError, match="no reference: no compound of Na is in it"):
        hull.stable([NUMBERS["Na"], NUMBERS["O"]])


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
