"""Distances over images against brute force and against pymatgen."""

from itertools import product

import numpy as np
import pytest

from molgen.chemistry.crystal_systems import SYSTEMS, crystal_system
from molgen.chemistry.periodic_distances import CellDistances
from molgen.convert import to_pymatgen
from molgen.errors import InputError
from molgen.structure import Structure
from tests.scoring.crystals import caesium_chloride, lone_iron, perovskite, quartz, rewritten, rock_salt


def random_crystal(seed, atoms=4):
    rng = np.random.default_rng(seed)
    lattice = rng.normal(size=(3, 3)) * 3 + 2 * np.eye(3)
    return Structure(
        numbers=rng.integers(1, 90, atoms), positions=rng.uniform(size=(atoms, 3)) @ lattice, lattice=lattice
    )


@pytest.mark.parametrize("seed", range(6))
def test_against_brute_force(seed):
    structure = random_crystal(seed)
    cell = CellDistances.of(structure)
    shifts = np.array(list(product(range(-6, 7), repeat=3))) @ structure.lattice
    apart = structure.positions[:, None] - structure.positions
    distances = np.linalg.norm(apart[:, :, None] + shifts, axis=-1)
    expected = distances.min(-1)
    assert np.allclose(cell.distances, expected, atol=1e-9)
    assert cell.translation == pytest.approx(np.sort(np.linalg.norm(shifts, axis=1))[1], abs=1e-9)
    assert cell.nearest_pair == pytest.approx(expected[~np.eye(4, dtype=bool)].min(), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_against_pymatgen(seed):
    structure = random_crystal(seed + 100)
    cell, crystal = CellDistances.of(structure), to_pymatgen(structure)
    assert np.allclose(cell.distances, crystal.distance_matrix, atol=1e-8)
    assert cell.volume == pytest.approx(crystal.volume)
    assert cell.mass_density == pytest.approx(float(crystal.density), rel=1e-7)


def test_known_crystals():
    salt = CellDistances.of(rock_salt(5.64))
    assert salt.nearest_pair == pytest.approx(2.82)
    assert salt.translation == pytest.approx(5.64 / np.sqrt(2))
    assert salt.mass_density == pytest.approx(2.16, abs=0.01)
    assert salt.atomic_density == pytest.approx(8 / 5.64**3)
    assert CellDistances.of(perovskite()).elongation == pytest.approx(1.0)
    iron = CellDistances.of(lone_iron())
    assert iron.nearest_pair == np.inf
    assert iron.closeness() == (pytest.approx(0.6 / 2.64), (0, 0))


def test_choice_of_cell_plays_no_part():
    for structure in (quartz(), caesium_chloride()):
        one, other = CellDistances.of(structure), CellDistances.of(rewritten(structure))
        assert one.closeness()[0] == pytest.approx(other.closeness()[0])
        assert one.elongation == pytest.approx(other.elongation, rel=1e-6)
        assert one.translation == pytest.approx(other.translation)


def test_flat_cell_is_refused():
    flat = rock_salt().replace(lattice=[[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    with pytest.raises(InputError, match="zero volume: "):
        CellDistances.of(flat)


def test_crystal_systems():
    assert [crystal_system(last) for last in SYSTEMS.values()] == list(SYSTEMS)
    assert [crystal_system(n) for n in (1, 3, 16, 75, 143, 168, 195)] == list(SYSTEMS)
    for number in (0, 231):
        with pytest.raises(ValueError, match="not the number"):
            crystal_system(number)
