"""Equivalent parameters of orbits, and noise paired with crystals by them."""

from itertools import permutations, product

import numpy as np
import pytest

from molgen.symmetry.gene import Gene
from molgen.symmetry.groups import GROUPS, space_group
from molgen.symmetry.pairing import equivalents, nearest_ways
from molgen.symmetry.placement import place

NUMBERS = (
    1,
    2,
    5,
    14,
    15,
    38,
    43,
    62,
    70,
    88,
    98,
    123,
    141,
    148,
    152,
    160,
    167,
    186,
    194,
    199,
    216,
    220,
    225,
    227,
    230,
)


def points(number, index, parameters):
    """All points of an orbit in the conventional cell, in millionths of it."""
    group = space_group(number)
    position = group.positions[index]
    first = position.matrix @ parameters + position.vector
    images = (group.rotations @ first + group.translations)[:, None] + group.centrings
    return np.rint(images.reshape(-1, 3) * 1e6).astype(int) % 1_000_000


@pytest.mark.parametrize("number", GROUPS)
def test_equivalent_parameters_make_the_same_orbit(number):
    rng = np.random.default_rng(number)
    for index, position in enumerate(space_group(number).positions):
        if position.freedom == 3 and number not in NUMBERS:  # the operations themselves
            continue
        turns, shifts = equivalents(number, index)
        used = position.matrix.any(axis=0)
        np.testing.assert_array_equal(turns[0], np.diag(used.astype(float)))
        np.testing.assert_array_equal(shifts[0], 0)
        parameters = rng.random(3) * used
        own = {tuple(point) for point in points(number, index, parameters)}
        for turn, shift in zip(turns, shifts, strict=True):
            assert {tuple(point) for point in points(number, index, turn @ parameters + shift)} == own


def test_the_general_position_has_as_many_as_there_are_operations():
    for number in NUMBERS:
        group = space_group(number)
        assert len(equivalents(number, len(group.positions) - 1)[0]) == len(group.rotations) * len(group.centrings)


def test_all_points_of_the_form_of_the_first_are_reached():
    """In Pmmm at (x, 0, 0): x and -x. In Im-3m at (x, 0, 0): not y, which is another form, and no centring."""
    assert len(equivalents(47, 8)[0]) == 2
    kinds = {p.letter: k for k, p in enumerate(space_group(229).positions)}
    assert space_group(229).positions[kinds["e"]].freedom == 1
    assert len(equivalents(229, kinds["e"])[0]) == 2
    assert len(equivalents(225, 4)[0]) == 2


@pytest.mark.parametrize("gene", [Gene(47, ((8, 8), (8, 8), (8, 9), (6, 8))), Gene(14, ((8, 4), (8, 4), (8, 4)))])
def test_the_best_pairing_of_all(gene):
    """Against all permutations of orbits of one kind and all equivalent parameters of each."""
    rng = np.random.default_rng(5)
    count = len(gene)
    there, drawn = rng.random((2, count, 3))
    used = np.array([gene.group.positions[k].matrix.any(axis=0) for _, k in gene.orbits])
    there, drawn = there * used, drawn * used
    placed = place(gene)
    edges = placed.matrices[np.searchsorted(placed.orbits, np.arange(count))].transpose(0, 2, 1) @ placed.lattice
    ways = nearest_ways(gene.number, list(gene.orbits), there, drawn, edges)

    def cost(own, other, at):
        turns, shifts = equivalents(gene.number, gene.orbits[at][1])
        away = turns @ other + shifts - own
        return float(np.square((away - np.rint(away)) * used[at] @ edges[at]).sum(-1).min())

    kinds = list(gene.orbits)
    best = min(
        sum(cost(there[at], drawn[order[at]], at) for at in range(count))
        for order in permutations(range(count))
        if all(kinds[order[at]] == kinds[at] for at in range(count))
    )
    assert sum(np.square(ways[at] @ edges[at]).sum() for at in range(count)) == pytest.approx(best)
    assert np.abs(ways).max() <= 0.5


def test_noise_stays_what_was_drawn():
    """The crystal moved along the ways is the drawn one, its atoms in another order."""
    rng = np.random.default_rng(2)
    for gene in (Gene(227, ((6, 5), (8, 6))), Gene(62, ((22, 2), (8, 2), (8, 3))), Gene(161, ((3, 0), (8, 1), (8, 1)))):
        placed = place(gene)
        there, drawn = rng.random((2, len(gene), 3))
        edges = (
            placed.matrices[np.searchsorted(placed.orbits, np.arange(len(gene)))].transpose(0, 2, 1) @ placed.lattice
        )
        ways = nearest_ways(gene.number, list(gene.orbits), there, drawn, edges)
        one, other = (placed.fractional(u) for u in (there + ways, drawn))
        for (z, k), kind in product(set(gene.orbits), [np.array(gene.orbits)[placed.orbits]]):
            rows = (kind == (z, k)).all(1)
            apart = one[rows][:, None] - other[rows]
            same = np.abs(apart - np.rint(apart)).max(-1) < 1e-6
            assert same.any(1).all()
            assert same.any(0).all()
