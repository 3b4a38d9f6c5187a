"""Prediction by exchanging elements, against the definition and by hand."""

from itertools import permutations

import numpy as np
import pytest
from pymatgen.core import Element

from molgen.chemistry.crystal_matching import PREDICTION, CrystalMatcher
from molgen.elements import NUMBERS
from molgen.scoring.substitution import Prototypes
from molgen.structure import Structure
from tests.scoring.crystals import caesium_chloride, perovskite, quartz, rock_salt

MATCHER = CrystalMatcher(PREDICTION)


def numbers(symbols):
    return [NUMBERS[symbol] for symbol in symbols.split()]


def test_exchanges_elements_of_the_most_similar_crystal():
    known = Prototypes([caesium_chloride(), rock_salt(symbols="Li F"), rock_salt(), perovskite(), quartz()])
    found = known.predict(numbers("Br K"))  # K and Br are nearest to Na and Cl, not to Cs and Cl or Li and F
    assert sorted(found.numbers) == sorted(numbers("K Br"))
    assert MATCHER.same(found, rock_salt(symbols="K Br"))
    assert np.linalg.det(found.lattice) > np.linalg.det(rock_salt().lattice)
    barium = known.predict(numbers("O Ba O Ti O"))
    assert MATCHER.same(barium, perovskite(symbols="Ba Ti O O O"))


def test_nothing_of_another_stoichiometry_or_size():
    known = Prototypes([rock_salt()])
    assert known.predict(numbers("Na Na Cl")) is None
    assert known.predict(numbers("Na Na Cl Cl")) is None


@pytest.mark.parametrize("seed", range(5))
def test_elements_of_equal_count_pair_up_with_the_least_difference(seed):
    rng = np.random.default_rng(seed)
    present, wanted = (rng.choice(np.arange(1, 90), 4, replace=False) for _ in range(2))
    lattice = 6.0 * np.eye(3)
    one = Structure(numbers=present, positions=rng.uniform(size=(4, 3)) @ lattice, lattice=lattice)
    found = Prototypes([one]).predict(wanted)

    def cost(chosen):
        pairs = zip(present, chosen, strict=True)
        return sum(abs(Element.from_Z(int(a)).mendeleev_no - Element.from_Z(int(b)).mendeleev_no) for a, b in pairs)

    assert cost(found.numbers) == min(cost(order) for order in permutations(wanted))
