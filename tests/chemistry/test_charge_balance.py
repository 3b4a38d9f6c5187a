"""Compositional validity: known formulas, brute force over all choices, and parity with SMACT where it is installed."""

from collections import Counter
from itertools import combinations, product
from math import gcd

import numpy as np
import pytest

from molgen.chemistry.charge_balance import Ion, ions, is_charge_balanced
from molgen.elements import NUMBERS, SYMBOLS


def atoms(formula):
    """``{"Na": 1, "Cl": 1}`` as atomic numbers."""
    return [NUMBERS[symbol] for symbol, count in formula.items() for _ in range(count)]


@pytest.mark.parametrize(
    ("formula", "balanced"),
    [
        ({"Na": 1, "Cl": 1}, True),
        ({"Na": 4, "Cl": 4}, True),
        ({"Na": 1, "Cl": 2}, False),
        ({"Fe": 2, "O": 3}, True),
        ({"Fe": 3, "O": 4}, False),  # needs Fe(II) and Fe(III)
        ({"Cu": 3, "Au": 1}, True),  # an alloy
        ({"C": 7}, True),
        ({"He": 1, "O": 1}, False),  # no oxidation state is known
        ({"Ne": 1}, True),
        ({"O": 2, "F": 4}, True),
        ({"Sr": 1, "Ti": 1, "O": 3}, True),
    ],
)
def test_known_formulas(formula, balanced):
    numbers = atoms(formula)
    assert is_charge_balanced(numbers) is balanced
    assert is_charge_balanced(numbers[::-1]) is balanced


def brute_force(numbers):
    """The definition, every choice of states tried."""
    counts = Counter(numbers)
    order = sorted(counts)
    common = gcd(*counts.values())
    table = [ions().get(z, Ion()) for z in order]
    if len(order) == 1 or all(ion.metal for ion in table):
        return True
    for states in product(*(ion.states for ion in table)):
        if sum(state * counts[z] // common for state, z in zip(states, order, strict=True)):
            continue
        verdict = True
        for (one, a), (other, b) in combinations(zip(states, table, strict=True), 2):
            if one * other < 0:
                if a.electronegativity is None or b.electronegativity is None:
                    break
                cation, anion = (a, b) if one > 0 else (b, a)
                if cation.electronegativity >= anion.electronegativity:
                    verdict = False
                    break
        if verdict:
            return True
    return False


def random_compositions(count, seed=0):
    rng = np.random.default_rng(seed)
    known = [z for z in range(1, 96) if z in ions()]
    for _ in range(count):
        kinds = rng.choice(known, rng.integers(1, 5), replace=False)
        yield np.repeat(kinds, rng.integers(1, 5, len(kinds))).tolist()


def test_agrees_with_every_choice_tried():
    answers = [(is_charge_balanced(numbers), brute_force(numbers)) for numbers in random_compositions(1500)]
    assert all(ours == theirs for ours, theirs in answers)
    assert {ours for ours, _ in answers} == {True, False}


def test_table_is_smacts():
    smact = pytest.importorskip("smact")
    for number, ion in ions().items():
        element = smact.Element(SYMBOLS[number])
        assert sorted(element.oxidation_states_smact14 or []) == list(ion.states)
        assert element.pauling_eneg == ion.electronegativity or (ion.electronegativity is None)
        assert (SYMBOLS[number] in smact.metals) == ion.metal


def test_many_elements_are_quick():
    """All choices of these states would be 10^9."""
    numbers = [NUMBERS[s] for s in ("Mn", "Cr", "Re", "Os", "Ru", "Cl", "S", "N", "C", "P", "I", "O") for _ in range(2)]
    assert is_charge_balanced(numbers) in (True, False)


def test_many_elements_that_cannot_be_balanced_are_quick():
    """No anion is more electronegative than fluorine, which is outnumbered: every choice has to be excluded."""
    oxidisers = ("Cl", "Br", "I", "S", "Se", "Te", "N", "P", "As", "C", "Si", "Ge", "Mn", "Cr", "V", "Mo", "W", "Re")
    numbers = [NUMBERS[symbol] for symbol in oxidisers for _ in range(2)]
    assert is_charge_balanced([*numbers, NUMBERS["F"]]) in (True, False)
