"""Crystals as they are handed out: labels, the projection on a space group, and what cannot be handed out."""

import numpy as np
import pytest

from molgen.chemistry.crystal_export import exported, project_on_group, reduced_formula
from molgen.chemistry.unit_cell import space_group, symmetry
from molgen.errors import InputError
from molgen.structure import Structure


def rock_salt(a=5.64, shake=0.0, seed=0):
    rng = np.random.default_rng(seed)
    lattice = a * np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    lattice = lattice + shake * rng.normal(size=(3, 3))
    fractional = np.array([[0.1, 0.2, 0.3], [0.6, 0.7, 0.8]])
    positions = fractional @ lattice + shake * rng.normal(size=(2, 3))
    return Structure(numbers=[11, 17], positions=positions, lattice=lattice, name="salt", properties={"target": "mp-1"})


def rutile(shake=0.0, seed=0):
    """P4_2/mnm, 6 atoms; a, c and u as measured."""
    rng = np.random.default_rng(seed)
    lattice, u = np.diag([4.594, 4.594, 2.959]), 0.305
    fractional = np.array(
        [[0, 0, 0], [0.5, 0.5, 0.5], [u, u, 0], [-u, -u, 0], [0.5 + u, 0.5 - u, 0.5], [0.5 - u, 0.5 + u, 0.5]]
    )
    lattice = lattice + shake * rng.normal(size=(3, 3))
    positions = fractional @ lattice + shake * rng.normal(size=(6, 3))
    return Structure(numbers=[22, 22, 8, 8, 8, 8], positions=positions, lattice=lattice)


def distances(structure):
    """All distances up to 6 angstrom, sorted: what no change of cell or axes alters."""
    shifts = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3), -1).reshape(-1, 3) @ structure.lattice
    apart = structure.positions[:, None] - structure.positions - shifts[:, None, None]
    lengths = np.linalg.norm(apart, axis=-1).ravel()
    return np.sort(lengths[lengths < 6])


def test_labels():
    out = exported(rock_salt())
    assert out.name == "salt"
    assert out.properties == {
        "target": "mp-1",
        "formula": "NaCl",
        "space_group": "Fm-3m",
        "space_group_number": 225,
        "symprec": 0.1,
    }
    assert out.numbers.tolist() == [11, 17]


def test_left_handed_and_skewed_cells_become_the_same_cell():
    one = exported(rutile())
    change = np.array([[1, 3, 0], [0, 1, -2], [0, 0, -1]])  # determinant -1
    given = rutile()
    other = exported(given.replace(lattice=change @ given.lattice))
    assert np.linalg.det(other.lattice) > 0
    np.testing.assert_allclose(other.lattice @ other.lattice.T, one.lattice @ one.lattice.T, atol=1e-8)
    np.testing.assert_allclose(distances(other), distances(given), atol=1e-8)


@pytest.mark.parametrize(("make", "number"), [(rock_salt, 225), (rutile, 136)])
@pytest.mark.parametrize("seed", range(3))
def test_symmetrising_gives_the_exact_crystal_near_the_noisy_one(make, number, seed):
    noisy = make(shake=0.02, seed=seed)
    assert space_group(noisy, 1e-3) == 1
    out = exported(noisy, 0.2)
    assert out.properties["symmetrised"] == 0.2
    assert out.properties["space_group_number"] == number
    assert space_group(out, 1e-4) == number
    assert out.numbers.tolist() == noisy.numbers.tolist()
    # Averaging moves nothing further than the noise, and the volume is that of the noisy cell to its order.
    np.testing.assert_allclose(distances(out)[: 3 * len(noisy)], distances(make())[: 3 * len(noisy)], atol=0.15)
    assert np.linalg.det(out.lattice) == pytest.approx(abs(np.linalg.det(noisy.lattice)), rel=0.01)


def test_a_symmetric_crystal_is_its_own_projection():
    salt = rock_salt()
    found = symmetry(salt, 1e-4)
    again = project_on_group(salt, found.rotations, found.translations)
    np.testing.assert_allclose(again.lattice @ again.lattice.T, salt.lattice @ salt.lattice.T, atol=1e-10)
    moved = (again.positions @ np.linalg.inv(again.lattice)) - (salt.positions @ np.linalg.inv(salt.lattice))
    np.testing.assert_allclose(moved - np.round(moved), 0, atol=1e-8)


def test_a_crystal_without_symmetry_stays_as_it_is():
    rng = np.random.default_rng(3)
    crystal = Structure(
        numbers=[3, 8, 9], positions=rng.uniform(0, 5, (3, 3)), lattice=np.diag([5, 6, 7]) + rng.normal(size=(3, 3))
    )
    out, plain = exported(crystal, 0.01), exported(crystal)
    assert out.properties["space_group_number"] == 1
    np.testing.assert_allclose(distances(out), distances(crystal), atol=1e-8)
    np.testing.assert_allclose(out.lattice @ out.lattice.T, plain.lattice @ plain.lattice.T, atol=1e-8)


def test_atoms_on_each_other_are_handed_out_without_a_claim():
    heap = Structure(numbers=[26, 26, 26], positions=np.zeros((3, 3)) + 1e-4 * np.eye(3), lattice=2.8 * np.eye(3))
    for out in (exported(heap), exported(heap, 0.1)):
        assert len(out) == 3
        assert "symmetrised" not in out.properties or space_group(out, 1e-3) is not None


@pytest.mark.parametrize(
    ("lattice", "kind"),
    [
        (None, "no lattice"),
        (np.diag([3.0, 3.0, 0.0]), "zero volume"),
        (np.array([[3.0, 0, 0], [0, 3.0, 0], [3.0, 3.0, 1e-12]]), "zero volume"),
        (np.diag([3.0, np.nan, 3.0]), "malformed lattice"),
    ],
)
def test_what_has_no_cell_is_refused_with_a_kind(lattice, kind):
    with pytest.raises(InputError, match=f"^{kind}: "):
        exported(Structure(numbers=[26], positions=np.zeros((1, 3)), lattice=lattice))


@pytest.mark.parametrize("lattice", [np.diag([0.6] * 3), np.diag([1.0, 1.0, 500.0]), np.diag([2.0, 2.0, 1e-4])])
def test_one_atom_and_needle_cells_are_handed_out(lattice):
    out = exported(Structure(numbers=[26], positions=np.zeros((1, 3)), lattice=lattice), 0.1)
    assert out.properties["formula"] == "Fe"
    assert np.linalg.det(out.lattice) == pytest.approx(np.linalg.det(lattice))


def test_formula():
    assert reduced_formula([3] * 4 + [26] * 4 + [15] * 4 + [8] * 16) == "LiFePO4"
    assert reduced_formula([26] * 3) == "Fe"
    assert reduced_formula([8, 8, 8, 22, 20]) == "CaTiO3"
