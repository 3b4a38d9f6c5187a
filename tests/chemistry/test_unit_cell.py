import numpy as np
import pytest

from molgen.chemistry.unit_cell import canonical_cell, space_group, wrapped
from molgen.errors import InputError
from molgen.structure import Structure

SALT = Structure(
    numbers=[11] * 4 + [17] * 4,
    positions=5.64
    * np.array(
        [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0], [0.5, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    ),
    lattice=5.64 * np.eye(3),
)


def crystal(rng: np.random.Generator, atoms: int = 5) -> Structure:
    """A random crystal without symmetry, in an awkward cell of either hand, atoms outside it."""
    while True:
        lattice = rng.normal(size=(3, 3)) * 4
        if abs(np.linalg.det(lattice)) > 40:
            break
    skew = np.array([[1, 2, -1], [0, 1, 3], [0, 0, 1]])
    positions = rng.normal(size=(atoms, 3)) * 10
    return Structure(numbers=rng.integers(1, 90, atoms), positions=positions, lattice=skew @ lattice)


def images(structure: Structure, reach: float) -> list[tuple[int, int, float]]:
    """Sorted (number, number, distance) of all pairs of atoms and images nearer than ``reach``, by brute force."""
    shifts = np.stack(np.meshgrid(*[np.arange(-14, 15)] * 3, indexing="ij"), -1).reshape(-1, 3) @ structure.lattice
    inside = wrapped(structure.positions @ np.linalg.inv(structure.lattice)) @ structure.lattice
    rows = []
    for z, x in zip(structure.numbers, inside, strict=True):
        for other, y in zip(structure.numbers, inside, strict=True):
            distances = np.linalg.norm(y - x + shifts, axis=1)
            rows += [(int(z), int(other), d) for d in distances if 1e-6 < d < reach]
    return sorted(rows)


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_same_crystal_in_a_reduced_right_handed_upright_cell(seed):
    before = crystal(np.random.default_rng(seed), atoms=3)
    after = canonical_cell(before)
    a, b, c = after.lattice
    assert np.linalg.det(after.lattice) == pytest.approx(abs(np.linalg.det(before.lattice)), rel=1e-9)
    assert (a[1], c[0], c[1]) == (0, 0, 0)
    assert c[2] > 0
    lengths = np.linalg.norm(after.lattice, axis=1)
    assert (np.diff(lengths) > -1e-6).all()
    products = np.array([b @ c, a @ c, a @ b])
    assert (products > -1e-6).all() or (products < 1e-6).all()  # all angles sharp, or none (Krivy and Gruber)
    assert (np.abs(products) <= np.array([b @ b, a @ a, a @ a]) / 2 + 1e-6).all()
    fractional = after.positions @ np.linalg.inv(after.lattice)
    assert (fractional > -1e-9).all()
    assert (fractional < 1).all()
    reach = 5.0
    old, new = images(before.replace(lattice=_near(before.lattice)), reach), images(after, reach)
    assert [row[:2] for row in old] == [row[:2] for row in new]
    np.testing.assert_allclose([row[2] for row in old], [row[2] for row in new], atol=1e-6)


def _near(lattice):
    """The lattice without the skew of :func:`crystal`, so that few images suffice."""
    return np.linalg.inv(np.array([[1, 2, -1], [0, 1, 3], [0, 0, 1]])) @ lattice


def test_it_is_not_mirrored():
    structure = crystal(np.random.default_rng(3), atoms=4)
    left = structure.replace(lattice=structure.lattice[[1, 0, 2]])
    one, other = canonical_cell(structure), canonical_cell(left)
    np.testing.assert_allclose(one.lattice, other.lattice, atol=1e-9)
    np.testing.assert_allclose(
        wrapped(one.positions @ np.linalg.inv(one.lattice) + 1e-9),
        wrapped(other.positions @ np.linalg.inv(other.lattice) + 1e-9),
        atol=1e-8,
    )
    # the handedness of four atoms about the first: the sign of a triple product of differences that no image changes
    mirrored = structure.replace(positions=-structure.positions, lattice=-structure.lattice)
    assert np.abs(canonical_cell(mirrored).positions - one.positions).max() > 1e-3


def test_again_changes_nothing():
    for seed in range(20):
        once = canonical_cell(crystal(np.random.default_rng(seed)))
        twice = canonical_cell(once)
        np.testing.assert_allclose(twice.lattice, once.lattice, atol=1e-9)
        np.testing.assert_allclose(twice.positions, once.positions, atol=1e-6)


def test_the_primitive_cell_of_rock_salt_by_hand():
    primitive = Structure(
        numbers=[11, 17], positions=[[0, 0, 0], [2.82, 2.82, 2.82]], lattice=2.82 * (1 - np.eye(3))[[0, 2, 1]]
    )
    cell = canonical_cell(primitive)
    np.testing.assert_allclose(np.linalg.norm(cell.lattice, axis=1), 2.82 * np.sqrt(2))
    assert space_group(cell) == space_group(SALT) == 225
    assert np.linalg.norm(cell.positions[1] - cell.positions[0] - cell.lattice.sum(0) / 2) == pytest.approx(0, abs=1e-9)
    assert len(canonical_cell(SALT)) == 8


@pytest.mark.parametrize(
    ("lattice", "kind"),
    [
        (None, "no lattice"),
        (np.diag([1.0, 2.0, 0.0]), "zero volume"),
        (np.ones((3, 3)), "zero volume"),
        (np.diag([1.0, 2.0, np.nan]), "malformed lattice"),
        ([[1, 0, 0], [3e5, 1e-3, 0], [0, 0, 1]], "no Niggli cell"),
    ],
)
def test_what_is_no_cell_is_refused(lattice, kind):
    structure = Structure(numbers=[6], positions=[[0, 0, 0]], lattice=lattice)
    with pytest.raises(InputError, match=f"^{kind}: "):
        canonical_cell(structure)


def test_fractionals_never_round_up_to_one():
    assert wrapped(np.array([-1e-17, 1.0, -0.25, 2.5])).tolist() == [0.0, 0.0, 0.75, 0.5]


def test_space_group_needs_a_crystal():
    assert space_group(Structure(numbers=[6], positions=[[0, 0, 0]])) is None
    shaken = SALT.replace(positions=SALT.positions + np.random.default_rng(0).normal(size=(8, 3)) * 0.02)
    assert space_group(shaken, 0.2) == 225
    assert space_group(shaken, 1e-4) == 1
