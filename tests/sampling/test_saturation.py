"""Which compositions no molecule in one piece has: against chemistry's own limits and real molecules."""

import pytest

from molgen.datasets.find import open_dataset
from molgen.elements import atomic_number
from molgen.sampling.saturation import too_saturated

CHARGES = (-1, 0, 1)


def atoms(**counts):
    return [atomic_number(symbol) for symbol, count in counts.items() for _ in range(count)]


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_alkanes_have_the_most_hydrogens(n):
    for hydrogens in range(2 * n + 3):
        assert too_saturated(atoms(C=n, H=hydrogens), CHARGES) == ""
    for more in (1, 2, 15):
        assert too_saturated(atoms(C=n, H=2 * n + 2 + more), CHARGES)


@pytest.mark.parametrize(
    ("counts", "charges", "possible"),
    [
        ({"H": 2}, CHARGES, True),
        ({"H": 3}, CHARGES, False),
        ({"N": 1, "H": 4}, CHARGES, True),  # ammonium
        ({"N": 1, "H": 4}, (0,), False),
        ({"O": 1, "H": 3}, CHARGES, True),
        ({"O": 1, "H": 3}, (0,), False),
        ({"C": 1, "F": 4}, CHARGES, True),
        ({"C": 1, "H": 20}, CHARGES, False),
        ({"S": 1, "F": 6}, (0,), True),
        ({"S": 1, "F": 8}, (0,), False),
        ({"Fe": 1, "H": 30}, (0,), True),  # no table of valences for iron
        ({"O": 9}, CHARGES, True),
        ({"C": 1}, CHARGES, True),
    ],
    ids=str,
)
def test_single_compositions(counts, charges, possible):
    assert (too_saturated(atoms(**counts), charges) == "") == possible


def test_the_reason_says_how_many_bonds_lack():
    reason = too_saturated(atoms(C=1, H=20), CHARGES)
    assert reason == "no molecule in one piece is CH20: its 21 atoms need 20 bonds or more, and have valences for 12"


def test_no_real_molecule_is_excluded():
    for structure in open_dataset("embedded").structures("valid"):
        assert too_saturated(structure.numbers.tolist(), (0,)) == ""
