import numpy as np
import pytest

from molgen.chemistry.formal_charges import assign_charges, stated_charge
from molgen.structure import Structure

CHAIN = [[0, 1, 1]]


def structure(**fields) -> Structure:
    return Structure(numbers=[7, 1], positions=[[0, 0, 0], [1, 0, 0]], **fields)


@pytest.mark.parametrize(
    ("fields", "charge"),
    [
        ({}, None),
        ({"charges": [0, 0]}, None),
        ({"charges": [0, 0], "bonds": CHAIN}, 0),
        ({"charges": [1, 0]}, 1),
        ({"properties": {"charge": -1}}, -1),
        ({"properties": {"charge": 2.0}}, 2),
        ({"properties": {"charge": 0.4}}, None),
        ({"properties": {"charge": "neutral"}}, None),
        ({"properties": {"charge": float("nan")}}, None),
        ({"properties": {"charge": 5, "total_charge": 1}}, 1),
        ({"charges": [1, 0], "properties": {"charge": 0}}, 1),
    ],
)
def test_stated_charge(fields, charge):
    assert stated_charge(structure(**fields)) == charge


def star(center: int, ends: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and bonds of one atom with (element, order) around it."""
    numbers = np.array([center, *(z for z, _ in ends)])
    return numbers, np.array([[0, k, order] for k, (_, order) in enumerate(ends, 1)], np.int64).reshape(-1, 3)


@pytest.mark.parametrize(
    ("center", "ends", "total", "charges"),
    [
        (7, [(1, 1)] * 4, None, [1, 0, 0, 0, 0]),  # ammonium
        (8, [(1, 1)] * 3, None, [1, 0, 0, 0]),  # hydronium
        (5, [(9, 1)] * 4, None, [-1, 0, 0, 0, 0]),  # tetrafluoroborate
        (6, [(8, 2), (8, 1), (1, 1)], -1, [0, 0, -1, 0]),  # formate
        (6, [(8, 2), (8, 1), (1, 1)], None, [0, 0, 0, 0]),  # a radical, if nothing is stated
        (6, [(1, 1)] * 3, 1, [1, 0, 0, 0]),  # methyl cation
        (6, [(1, 1)] * 3, -1, [-1, 0, 0, 0]),
        (6, [(1, 1)] * 3, None, [0, 0, 0, 0]),
        (7, [(6, 1), (7, 3)], None, [1, -1, 0]),  # C-N(+)#N: the lone charge goes to the carbon that lacks bonds
        (11, [], None, [1]),
        (1, [], 1, [1]),
    ],
)
def test_assigned_charges(center, ends, total, charges):
    numbers, bonds = star(center, ends)
    made = assign_charges(numbers, bonds, total)
    assert made.charges.tolist() == charges
    assert made.bonds.tolist() == bonds.tolist()


def test_carbocation_beside_nitrogen_becomes_iminium():
    numbers = np.array([6, 7, 1, 1, 1, 1])
    bonds = np.array([[0, 1, 1], [0, 2, 1], [0, 3, 1], [1, 4, 1], [1, 5, 1]])
    made = assign_charges(numbers, bonds, 1)
    assert made.charges.tolist() == [0, 1, 0, 0, 0, 0]
    assert made.bonds[0].tolist() == [0, 1, 2]
