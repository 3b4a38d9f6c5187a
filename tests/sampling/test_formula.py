"""Formulas: what is read, what is refused, and what a batch is given."""

import pytest
import torch

from molgen.errors import ConfigError
from molgen.sampling.formula import read_formula
from molgen.structure import Structure
from tests.sampling.conftest import BONDED


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("C2H4O", [6, 6, 1, 1, 1, 1, 8]),
        ("OH4C2", [6, 6, 1, 1, 1, 1, 8]),
        ("CH3CHO", [6, 6, 1, 1, 1, 1, 8]),
        ("CO", [6, 8]),
        ("NH3", [1, 1, 1, 7]),
        ("H02O01", [1, 1, 8]),
        ("(CH2)2(CH2)", [6] * 3 + [1] * 6),
        ("((CH2)2O)", [6, 6, 1, 1, 1, 1, 8]),
    ],
)
def test_parse(text, numbers):
    assert read_formula(text, BONDED).numbers == (tuple(numbers),)


def test_one_composition_is_one_setting():
    assert read_formula("OH4C2", BONDED).settings == read_formula("CH3CHO", BONDED).settings == {"formula": "C2H4O"}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "'' is not a chemical formula", "hydrogens too"),
        ("C2 H6", "not a chemical formula", "C7H10O2"),
        ("C2(H3", "not a chemical formula", ""),
        ("C2H3)2", "not a chemical formula", ""),
        ("()2", "not a chemical formula", ""),
        ("C0.5H2", "not a chemical formula", "multiply them up"),
        ("C2H6+", "not a chemical formula", ""),
        ("7", "not a chemical formula", ""),
        ("C2H-4", "not a chemical formula", ""),
        ("C2H0", "H0 is not a number of atoms", ""),
        ("C99999999999", "is not a number of atoms", ""),
        ("Xy2", "'Xy' is not an element", ""),
        ("ch4", "did you mean C", ""),
        ("CH3Cl", "the model does not know Cl", "it knows H, C, N, O"),
        ("C4H10", "C4H10 has 14 atoms; the molecules that the model was trained on have 2 to 9", ""),
        ("C900000", "has 900000 atoms", ""),
        ("CH8", "no molecule in one piece is CH8: its 9 atoms need 8 bonds or more", "fewer hydrogens"),
        ("O", "has 1 atoms", "hydrogens count"),
    ],
)
def test_what_is_refused(text, message, hint):
    with pytest.raises(ConfigError) as caught:
        read_formula(text, BONDED)
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_a_size_between_those_seen_is_allowed():
    formula = read_formula("C3H5", BONDED)  # 8 atoms, of which the training set has none, while it has 7 and 9
    assert [chunk.tolist() for chunk in formula.plan(BONDED, 70, 0).chunks] == [[8] * 64, [8] * 6]


def test_notes():
    assert read_formula("C2H4O", BONDED).notes(BONDED) == []
    assert "odd number of electrons" in read_formula("C2H5", BONDED).notes(BONDED)[0]
    assert "no hydrogen" in read_formula("CO2", BONDED).notes(BONDED)[0]


def test_given(bondflow):
    formula, mask = read_formula("CH2O", BONDED), torch.ones(3, 4, dtype=torch.bool)
    graph, known = formula.given(bondflow.vocabulary, mask, torch.float32)
    assert bondflow.vocabulary.decode(graph).elements.tolist() == [[6, 1, 1, 8]] * 3
    assert torch.equal(known.elements, mask)
    assert not known.atoms.any()
    assert graph.positions.dtype == torch.float32


def test_what_is_not_the_composition_is_said():
    formula = read_formula("CO", BONDED)
    made = Structure(numbers=[6, 8], positions=[[0, 0, 0], [1, 0, 0]])
    assert formula.problem(made) == ""
    assert formula.restored(made) is made
    assert formula.problem(made.replace(numbers=[6, 7])) == "other composition: CN for CO"
