"""Crystals to genes, on known structures."""

import numpy as np
import pytest

from molgen.chemistry.genes import gene_of
from molgen.errors import InputError
from molgen.structure import Structure
from molgen.symmetry.groups import space_group

CUBE = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def crystal(numbers, fractional, lattice):
    lattice = np.asarray(lattice, float)
    return Structure(numbers=numbers, positions=np.asarray(fractional) @ lattice, lattice=lattice, name="one")


def rock_salt(supercell=1):
    fractional = np.concatenate([CUBE, CUBE + 0.5])
    numbers = [11] * 4 + [17] * 4
    shifts = np.array([[i, 0, 0] for i in range(supercell)])
    every = np.concatenate([(fractional + shift) / [supercell, 1, 1] for shift in shifts])
    return crystal(numbers * supercell, every, np.diag([5.64 * supercell, 5.64, 5.64]))


@pytest.mark.parametrize("supercell", [1, 2])
def test_rock_salt_in_any_cell(supercell):
    gene = gene_of(rock_salt(supercell))
    assert gene.number == 225
    assert gene.formula == "ClNa"
    assert sorted(k for _, k in gene.orbits) == [0, 1]
    np.testing.assert_allclose([gene.properties[key] for key in ("a", "b", "c", "gamma")], [5.64, 5.64, 5.64, 90.0])


def test_turned_shifted_and_mirrored_crystals_have_one_fingerprint():
    original = rock_salt()
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    moved = original.replace(
        positions=(original.positions + np.array([0.3, 0.7, 1.1])) @ turn, lattice=original.lattice @ turn
    )
    assert gene_of(moved).fingerprint == gene_of(original).fingerprint


@pytest.mark.parametrize("number", [2, 5, 12, 15, 19, 38, 62, 70, 88, 141, 148, 166, 194, 198, 203, 216, 227])
def test_letters_are_those_of_the_tables(number):
    """Atoms placed by the tables at random on every position come back as those positions, up to the origin."""
    group, rng = space_group(number), np.random.default_rng(number)
    lengths = rng.uniform(7.0, 12.0, 3)
    angles = {True: 103.0, False: 90.0}[number < 16]
    lattice = np.diag(lengths)
    if number < 3:
        lattice = np.diag(lengths) + rng.uniform(-1, 1, (3, 3))
    elif number < 16:
        lattice[2] = [lengths[2] * np.cos(np.radians(angles)), 0, lengths[2] * np.sin(np.radians(angles))]
    elif 143 <= number < 195:
        lattice = np.array([[lengths[0], 0, 0], [-lengths[0] / 2, lengths[0] * 3**0.5 / 2, 0], [0, 0, lengths[2]]])
    elif number >= 75:
        lattice = np.diag([lengths[0]] * 2 + [lengths[0] if number >= 195 else lengths[2]])
    last = len(group.positions) - 1
    for place in {0, last // 2, last}:
        orbits = [(6, place), (8, last), (26, last)]  # two general orbits leave no more symmetry than the group's
        points, numbers = [], []
        for z, k in orbits:
            position = group.positions[k]
            point = position.matrix @ rng.uniform(0.05, 0.95, 3) + position.vector
            moved = (group.rotations @ point + group.translations)[:, None] + group.centrings
            every = np.unique(np.round(moved.reshape(-1, 3) % 1.0, 9) % 1.0, axis=0)
            points.append(every)
            numbers += [z] * len(every)
        found = gene_of(crystal(numbers, np.concatenate(points), lattice), 1e-4)
        assert found.number == number
        kind = [one for one in found.orbits if one[0] == 6]
        assert kind[0][1] in group.relabellings[:, place]


def test_what_has_no_gene_is_refused():
    on_top = crystal([6, 6], [[0, 0, 0], [0, 0, 0]], np.eye(3) * 3)
    with pytest.raises(InputError, match=r"no space group|broken orbit"):
        gene_of(on_top)
    with pytest.raises(InputError, match="no space group"):
        gene_of(Structure(numbers=[6], positions=[[0, 0, 0]]))
