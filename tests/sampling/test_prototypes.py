"""Prediction by exchanging elements, against the definition and by hand."""

from itertools import permutations

import numpy as np
import pytest
from pymatgen.core import Element

from molgen.chemistry.crystal_matching import PREDICTION, CrystalMatcher
from molgen.elements import MENDELEEV_NUMBERS, NUMBERS
from molgen.errors import InputError
from molgen.sampling import prototypes
from molgen.sampling.prototypes import Prototypes
from molgen.structure import Structure
from tests.scoring.crystals import caesium_chloride, perovskite, quartz, rock_salt

MATCHER = CrystalMatcher(PREDICTION)


def numbers(symbols):
    return [NUMBERS[symbol] for symbol in symbols.split()]


def test_exchanges_elements_of_the_most_similar_crystal():
    known = Prototypes([caesium_chloride(), rock_salt(symbols="Li F"), rock_salt(), perovskite(), quartz()])
    found = known.template(numbers("Br K"))  # K and Br are nearest to Na and Cl, not to Cs and Cl or Li and F
    assert found.numbers.tolist() == numbers("Br K"), "in the order that was asked for"
    assert MATCHER.same(found, rock_salt(symbols="K Br"))
    assert np.linalg.det(found.lattice) > np.linalg.det(rock_salt().lattice)
    barium = known.template(numbers("O Ba O Ti O"))
    assert MATCHER.same(barium, perovskite(symbols="Ba Ti O O O"))


def test_nothing_of_another_stoichiometry_or_size():
    known = Prototypes([rock_salt()])
    assert known.template(numbers("Na Na Cl")) is None
    assert known.template(numbers("Na Na Cl Cl")) is None


@pytest.mark.parametrize("seed", range(5))
def test_elements_of_equal_count_pair_up_with_the_least_difference(seed):
    rng = np.random.default_rng(seed)
    present, wanted = (rng.choice(np.arange(1, 90), 4, replace=False) for _ in range(2))
    lattice = 6.0 * np.eye(3)
    one = Structure(numbers=present, positions=rng.uniform(size=(4, 3)) @ lattice, lattice=lattice)
    found = Prototypes([one]).template(wanted.tolist())

    stretch = np.cbrt(np.linalg.det(found.lattice) / np.linalg.det(lattice))
    places = np.linalg.norm(found.positions[:, None] - stretch * one.positions, axis=-1).argmin(0)

    def cost(chosen):
        pairs = zip(present.tolist(), chosen, strict=True)
        return sum(abs(MENDELEEV_NUMBERS[a] - MENDELEEV_NUMBERS[b]) for a, b in pairs)

    assert cost(found.numbers[places].tolist()) == min(cost(order) for order in permutations(wanted.tolist()))


def test_ranks_pass_over_copies_of_one_prototype():
    salts = [rock_salt(), rock_salt(5.0, "Li F"), rock_salt(6.6, "Rb Br"), caesium_chloride()]
    known = Prototypes(salts)
    first, second = (known.template(numbers("K Br"), rank) for rank in (0, 1))
    assert MATCHER.same(first, rock_salt(symbols="K Br"))
    assert (second.name, MATCHER.same(second, caesium_chloride(symbols="K Br"))) == ("CsCl", True)
    assert known.template(numbers("K Br"), 2) is None
    assert known.template(numbers("K Br"), 0) is first


def test_the_scale_is_that_of_pymatgen():
    assert len(MENDELEEV_NUMBERS) == 103
    assert all(Element.from_Z(z).mendeleev_no == place for z, place in MENDELEEV_NUMBERS.items())


def test_elements_beyond_curium_have_none():
    assert Prototypes([rock_salt()]).template(numbers("Na Bk")) is None


def test_the_digest_is_of_everything_that_matters():
    digests = {Prototypes([known]).sha256() for known in (rock_salt(), rock_salt(5.0), rock_salt(name="x"))}
    assert len(digests) == 3
    stretched = rock_salt().replace(lattice=2 * rock_salt().lattice)
    assert Prototypes([stretched]).sha256() not in digests


def test_names_that_are_not_distinct_become_places():
    known = Prototypes([rock_salt(name=""), caesium_chloride(name="")])
    assert {known.template(numbers("Na Cl"), rank).name for rank in (0, 1)} == {"#0", "#1"}


def test_forgotten_templates_are_found_again(monkeypatch):
    monkeypatch.setattr(prototypes, "KEPT", 1)
    known = Prototypes([rock_salt(), caesium_chloride(), perovskite()])
    wanted = [numbers("K Br"), numbers("Ba Ti O O O"), numbers("Na Br"), numbers("K Br")]
    assert [known.template(one, 0).name for one in wanted] == ["NaCl", "SrTiO3", "NaCl", "NaCl"]


def test_molecules_are_no_templates():
    with pytest.raises(InputError, match="no crystal"):
        Prototypes([Structure(numbers=[1, 1], positions=[[0, 0, 0], [0, 0, 1]])])
