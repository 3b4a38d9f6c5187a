"""Chemical systems as users write them, and the samples of one."""

import pytest

from molgen.errors import ConfigError
from molgen.report.chemical_system import parse_system, samples_of
from molgen.report.formulas import atoms_of, subscripted


def row(index, formula, energy, above):
    return {"index": index, "formula": formula, "sun.energy_per_atom": energy, "sun.e_above_hull": above}


def test_formulas_are_read_and_set():
    assert atoms_of("FeLi2O14") == {"Fe": 1, "Li": 2, "O": 14}
    assert atoms_of("") == {}
    assert subscripted("Li2O10") == "Li\u2082O\u2081\u2080"


def test_systems_keep_the_users_order():
    assert parse_system("O-Li") == ("O", "Li")
    assert parse_system("Li - Fe - O") == ("Li", "Fe", "O")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Li-Xx", "'Xx' is not an element"),
        ("li-O", "did you mean Li"),
        ("Li", "has 1 elements"),
        ("Li-Li", "has 1 elements"),
        ("Li-Fe-P-O", "has 4 elements, and two or three can be drawn"),
        ("Li--O", "is not an element"),
    ],
)
def test_what_cannot_be_drawn_is_a_sentence(text, said):
    with pytest.raises(ConfigError, match=said) as caught:
        parse_system(text)
    assert "Li-Fe-O" in caught.value.hint


def test_samples_consist_of_these_elements_and_have_an_energy():
    rows = [
        row(0, "Li2O", -5.0, 0.0),
        row(1, "FeLiO2", -5.0, 0.0),
        row(2, "O2", -4.0, 1.0),
        row(3, "LiO", None, None),
        row(4, "", None, None),
    ]
    assert [(s.index, s.energy, s.above) for s in samples_of(("Li", "O"), rows)] == [(0, -5.0, 0.0), (2, -4.0, 1.0)]
    assert [s.index for s in samples_of(("Li", "Fe", "O"), rows)] == [0, 1, 2]
