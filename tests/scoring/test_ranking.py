"""Ranking relaxed crystals: order, repetitions, energies above the lowest and above the hull."""

import numpy as np
import pytest

from molgen.chemistry.hull import Entry
from molgen.errors import ConfigError, InputError
from molgen.scoring.hull_file import HullReference
from molgen.scoring.ranking import ABOVE_HULL, ABOVE_LOWEST, PHASES, RANK, TIMES, ranked
from molgen.structure import Structure

CUBIC = np.zeros((1, 3))
NACL, NA, CL = ((11, 1), (17, 1)), ((11, 1),), ((17, 1),)


def crystal(numbers, energy=None, second=(0.5, 0.5, 0.5), edge=4.0, **properties):
    fractional = np.array([[0.0, 0.0, 0.0], second])[: len(numbers)]
    if energy is not None:
        given = {"relax_energy_eV_per_atom": energy, "relax_energies": "toy 1", "relax_converged": "true"}
        properties = given | properties
    return Structure(
        numbers=np.array(numbers), positions=fractional * edge, lattice=np.eye(3) * edge, properties=properties
    )


def salt(energy, **more):
    """NaCl as CsCl."""
    return crystal([11, 17], energy, **more)


def reference(*entries):
    return HullReference("toy", [Entry(*entry) for entry in entries], {"calculator": "c", "energies": "toy 1"}, "")


def test_each_structure_once_the_lowest_first():
    layered = (0.5, 0.5, 0.0)
    given = [
        salt(-3.00, name_="a"),
        salt(-3.10, second=layered),
        salt(-3.01),
        salt(-3.005, edge=4.05),
        crystal([11], -1.0),
    ]
    made = ranked(given)
    assert [c.properties["relax_energy_eV_per_atom"] for c in made.crystals] == [-1.0, -3.10, -3.01]
    assert [c.properties[RANK] for c in made.crystals] == [1, 1, 2]  # in each composition
    assert [c.properties[TIMES] for c in made.crystals] == [1, 1, 3]
    assert [c.properties[ABOVE_LOWEST] for c in made.crystals] == pytest.approx([0.0, 0.0, 0.09])
    assert not any(ABOVE_HULL in c.properties for c in made.crystals)


def test_one_structure_of_very_different_energies_is_not_merged():
    """An end of a relaxation that failed to find the minimum is not counted as having found it."""
    assert [c.properties[TIMES] for c in ranked([salt(-3.0), salt(-2.9)]).crystals] == [1, 1]


def test_by_the_hull_all_compositions_in_one_order():
    hull = reference(("Na", NA, -1.0), ("Cl", CL, -2.0), ("salt", NACL, -3.0))
    given = [crystal([11], -0.95), salt(-3.2), salt(-2.7, second=(0.5, 0.5, 0.0)), crystal([26], -8.0)]
    made = ranked(given, "hull", hull)
    assert [c.properties[RANK] for c in made.crystals] == [1, 2, 3, 4]
    above = [c.properties.get(ABOVE_HULL) for c in made.crystals]
    assert above[:3] == pytest.approx([-0.2, 0.05, 0.3])
    assert above[3] is None
    assert made.off_hull == {"no reference: no compound of Fe is in it": 1}
    assert made.crystals[0].properties[PHASES] == "salt 1.000"


def test_crystals_without_an_energy_are_counted_by_reason():
    given = [salt(-3.0), salt(None, relax_reason="overlapping atoms: 0.1"), salt(None)]
    given.append(salt(-9.0, relax_converged="false", relax_reason="not converged: 500 steps"))
    made = ranked(given)
    assert len(made.crystals) == 1
    assert made.unranked == {"overlapping atoms": 1, "not relaxed": 1, "not converged": 1}


def test_labels_of_an_earlier_ranking_do_not_survive():
    hull = reference(("salt", NACL, -3.0))
    old = crystal([26], -8.0, **{ABOVE_HULL: -5.0, PHASES: "Fe", RANK: 7, TIMES: 3})
    made = ranked([old, salt(-3.0)], "hull", hull)
    assert [c.properties.get(ABOVE_HULL) for c in made.crystals] == [0.0, None]
    assert made.crystals[1].properties[TIMES] == 1
    assert ABOVE_HULL not in ranked(made.crystals).crystals[0].properties


def test_energies_of_different_kinds_are_refused():
    other = salt(-3.0)
    other = other.replace(properties={**other.properties, "relax_energies": "toy 2"})
    with pytest.raises(InputError, match="toy 1 and toy 2"):
        ranked([salt(-3.0), other])
    with pytest.raises(InputError, match="toy 1 and toy 2"):
        ranked([other], "energy", reference(("Na", NA, -1.0)))


@pytest.mark.parametrize(("order", "message"), [("density", "unknown order"), ("hull", "takes a hull")])
def test_wrong_orders(order, message):
    with pytest.raises(ConfigError, match=message):
        ranked([], order)
