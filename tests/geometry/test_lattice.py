"""Forms of a lattice: round trips, known values, handedness, gradients in degenerate cells."""

import pytest
import torch
from pymatgen.core import Lattice

from molgen.geometry.lattice import (
    from_lengths_angles,
    from_symmetric_log,
    heights,
    lengths_angles,
    right_handed,
    symmetric_log,
    volume,
)
from molgen.testing import random_orthogonal

DOUBLE = {"dtype": torch.float64}


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(6)


@pytest.fixture
def lattices(generator):
    """Random cells of either handedness, and a cubic, a hexagonal and a needle-like one."""
    random = 4 * torch.randn(50, 3, 3, generator=generator, **DOUBLE)
    cubic, needle = 3.9 * torch.eye(3, **DOUBLE), torch.diag(torch.tensor([2.0, 3.0, 60.0], **DOUBLE))
    hexagonal = from_lengths_angles(
        torch.tensor([3.2, 3.2, 5.2], **DOUBLE), torch.tensor([90.0, 90.0, 120.0], **DOUBLE)
    )
    return torch.cat([random, torch.stack([cubic, needle, hexagonal])])


def gram(lattice):
    return lattice @ lattice.mT


def test_lengths_angles_and_volume_against_pymatgen(lattices):
    lengths, angles = lengths_angles(lattices)
    for row, matrix in enumerate(lattices):
        other = Lattice(matrix.numpy())
        torch.testing.assert_close(lengths[row], torch.tensor(other.abc, **DOUBLE))
        torch.testing.assert_close(angles[row], torch.tensor(other.angles, **DOUBLE), rtol=0, atol=1e-8)
        assert float(volume(matrix)) == pytest.approx(other.volume)
        reciprocal = other.reciprocal_lattice_crystallographic
        torch.testing.assert_close(heights(matrix), 1 / torch.tensor(reciprocal.abc, **DOUBLE))


def test_lengths_and_angles_round_trip(lattices):
    lengths, angles = lengths_angles(lattices)
    rebuilt = from_lengths_angles(lengths, angles)
    torch.testing.assert_close(gram(rebuilt), gram(lattices), rtol=1e-9, atol=1e-9)
    again = lengths_angles(rebuilt)
    torch.testing.assert_close(again[0], lengths, rtol=1e-12, atol=0)
    torch.testing.assert_close(again[1], angles, rtol=0, atol=1e-8)
    assert bool((torch.linalg.det(rebuilt) > 0).all())
    assert not rebuilt.triu(1).any()


def test_right_angles_are_exact():
    made = from_lengths_angles(torch.tensor([3.0, 4.0, 5.0], **DOUBLE), torch.full((3,), 90.0, **DOUBLE))
    assert torch.equal(made, torch.diag(torch.tensor([3.0, 4.0, 5.0], **DOUBLE)))


def test_angles_of_no_cell_give_nan():
    made = from_lengths_angles(torch.ones(2, 3), torch.tensor([[150.0, 60.0, 60.0], [90.0, 90.0, 90.0]]))
    assert bool(made[0].isnan().any())
    assert bool(made[1].isfinite().all())


def test_symmetric_log_round_trip(lattices):
    """The cell comes back up to a rotation, right-handed and symmetric; its coefficients come back exactly."""
    k = symmetric_log(lattices)
    rebuilt = from_symmetric_log(k)
    torch.testing.assert_close(gram(rebuilt), gram(lattices), rtol=1e-9, atol=1e-8)
    torch.testing.assert_close(rebuilt, rebuilt.mT, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(symmetric_log(rebuilt), k, rtol=0, atol=1e-11)
    torch.testing.assert_close((3 * k[:, 5]).exp(), volume(lattices), rtol=1e-10, atol=0)
    assert bool((torch.linalg.eigvalsh(rebuilt) > 0).all())


def test_symmetric_log_in_the_papers_basis():
    """S = sum_i k_i B_i with the six symmetric matrices of DiffCSP++, and exp(2 S) = L L^T."""
    basis = torch.zeros(6, 3, 3, **DOUBLE)
    for row, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        basis[row, i, j] = basis[row, j, i] = 1
    for row, diagonal in enumerate([(1, -1, 0), (1, 1, -2), (1, 1, 1)], start=3):
        basis[row] = torch.diag(torch.tensor(diagonal, **DOUBLE))
    lattice = torch.tensor([[[3.0, 0.1, -0.4], [1.1, 4.0, 0.0], [-0.7, 0.5, 5.0]]], **DOUBLE)
    s = torch.einsum("bk,kij->bij", symmetric_log(lattice), basis)
    torch.testing.assert_close(torch.matrix_exp(2 * s), gram(lattice), rtol=1e-12, atol=1e-12)


def test_symmetric_log_of_known_cells():
    cubic = symmetric_log(2.0 * torch.eye(3, **DOUBLE))
    torch.testing.assert_close(cubic, torch.tensor([0, 0, 0, 0, 0, 2.0], **DOUBLE).log().nan_to_num(neginf=0.0))
    long = symmetric_log(torch.diag(torch.tensor([1.0, 1.0, 8.0], **DOUBLE)))
    expected = torch.tensor([0.0, 0, 0, 0, -1, 1], **DOUBLE) * torch.tensor(2.0, **DOUBLE).log()
    torch.testing.assert_close(long, expected)


@pytest.mark.parametrize("reflect", [False, True])
def test_orientation_and_handedness_do_not_matter_to_shape(reflect, lattices, generator):
    turned = lattices @ random_orthogonal(generator, reflect=reflect)
    torch.testing.assert_close(symmetric_log(turned), symmetric_log(lattices), rtol=0, atol=1e-10)


def test_gradients_of_degenerate_cells_are_finite_and_right():
    """Cubic (all axes equal) and tetragonal; gradcheck against finite differences."""
    k = torch.tensor([[0, 0, 0, 0, 0, 1.3], [0, 0, 0, 0, -0.2, 1.3], [0.1, 0.2, -0.1, 0.3, 0.1, 1.0]], **DOUBLE)
    assert torch.autograd.gradcheck(from_symmetric_log, (k.requires_grad_(),))


def test_right_handed_keeps_the_crystal(lattices, generator):
    fractional = torch.rand(len(lattices), 5, 3, generator=generator, **DOUBLE)
    turned, moved = right_handed(lattices, fractional)
    assert bool((torch.linalg.det(turned) > 0).all())
    assert bool(((moved >= 0) & (moved < 1)).all())
    assert bool((torch.linalg.det(lattices) < 0).any())
    # Every atom lies where it was, up to whole lattice vectors of the old cell.
    steps = torch.linalg.solve(lattices, moved @ turned - fractional @ lattices, left=False)
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-8)
    torch.testing.assert_close(torch.stack(lengths_angles(turned)), torch.stack(lengths_angles(lattices)))
    kept = torch.linalg.det(lattices) > 0
    assert torch.equal(turned[kept], lattices[kept])
    assert torch.equal(moved[kept], fractional[kept])


def test_padding_stays_zero():
    _, moved = right_handed(-torch.eye(3).unsqueeze(0), torch.tensor([[[0.25, 0.5, 0.0], [0.0, 0.0, 0.0]]]))
    assert moved.tolist() == [[[0.75, 0.5, 0.0], [0.0, 0.0, 0.0]]]
