"""Images on the torus and in cells, against brute force and pymatgen."""

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice

from molgen.geometry.lattice import from_symmetric_log, lengths_angles, symmetric_log
from molgen.geometry.neighbours import neighbour_list
from molgen.geometry.periodic import (
    distance_matrix,
    minimum_image,
    nearest_images,
    offsets,
    shortest,
    shortest_vector,
    to_cartesian,
    to_fractional,
    wrap,
)
from molgen.geometry.reduction import minkowski_reduced

DOUBLE = {"dtype": torch.float64}


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


@pytest.fixture
def cells(generator):
    """Random, mostly skewed; a needle; a hexagonal one sheared by several cells."""
    random = 3 * torch.randn(30, 3, 3, generator=generator, **DOUBLE)
    needle = torch.tensor([[1.5, 0, 0], [0.4, 3, 0], [1.0, 2.0, 30]], **DOUBLE)
    sheared = torch.tensor([[3.0, 0, 0], [-1.5, 3 * 0.75**0.5, 0], [12.0, 9.0, 5]], **DOUBLE)
    return torch.cat([random, torch.stack([needle, sheared])])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_wrapping_never_reaches_one(dtype):
    x = torch.tensor([-1e-9, -1e-30, 0.0, 1.0, -1.0, 0.25, -0.25, 7.75, 1 - 2**-24], dtype=dtype)
    wrapped = wrap(x)
    assert bool(((wrapped >= 0) & (wrapped < 1)).all())
    torch.testing.assert_close(shortest(wrapped - x), torch.zeros_like(x), rtol=0, atol=1e-7)
    assert wrapped[5:8].tolist() == [0.25, 0.75, 0.75]


def test_shortest_is_within_half_a_period():
    delta = torch.tensor([0.0, 0.4, 0.6, -0.6, 2.9, 0.5])
    torch.testing.assert_close(shortest(delta), torch.tensor([0.0, 0.4, -0.4, 0.4, -0.1, 0.5]))


def test_cartesian_and_back(cells, generator):
    fractional = torch.randn(len(cells), 4, 2, 3, generator=generator, **DOUBLE)
    cartesian = to_cartesian(fractional, cells)
    torch.testing.assert_close(cartesian[3, 1, 0], fractional[3, 1, 0] @ cells[3])
    torch.testing.assert_close(to_fractional(cartesian, cells), fractional, rtol=1e-8, atol=1e-8)


def test_offsets_are_all_neighbouring_cells():
    found = offsets(1, torch.zeros(1))
    assert found.shape == (27, 3)
    assert len(set(map(tuple, found.tolist()))) == 27
    assert float(found.abs().max()) == 1


def lengths_by_brute_force(delta, lattice, reach):
    """All lengths |(delta + n) L|, sorted, shape (..., images)."""
    vectors = (delta.unsqueeze(-2) + offsets(reach, delta)) @ lattice
    return vectors.norm(dim=-1).sort(dim=-1).values


def test_minimum_image_in_any_cell(cells, generator):
    delta = 3 * torch.randn(len(cells), 8, 3, generator=generator, **DOUBLE)
    found = minimum_image(delta, cells)
    for row, lattice in enumerate(cells):
        expected = lengths_by_brute_force(shortest(delta[row]), lattice, 9)[:, 0]
        torch.testing.assert_close(found[row].norm(dim=-1), expected, rtol=1e-9, atol=1e-9)
        steps = to_fractional(found[row : row + 1], lattice[None]) - delta[row]
        torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-8)


def test_one_cell_around_is_enough_where_the_cell_is_reduced(generator):
    """Cells at the edge of what Minkowski allows (angles of 60 and 120 degrees, equal or very different lengths)."""
    cosines = torch.cartesian_prod(*[torch.tensor([-0.5, -0.25, 0.0, 0.5], **DOUBLE)] * 3)
    grams = []
    for a, b, c in ((1, 1, 1), (1, 1, 6), (1, 1.1, 1.3), (1, 6, 6)):
        gram = torch.diag(torch.tensor([a * a, b * b, c * c], **DOUBLE)).repeat(len(cosines), 1, 1)
        for (i, j), shorter, cosine in zip(((0, 1), (0, 2), (1, 2)), (a, a, b), cosines.T, strict=True):
            gram[:, i, j] = gram[:, j, i] = cosine * shorter**2
        grams.append(gram)
    gram = torch.cat(grams)
    reduced, _ = minkowski_reduced(torch.linalg.cholesky(gram[torch.linalg.eigvalsh(gram)[:, 0] > 1e-3]))
    delta = torch.rand(len(reduced), 60, 3, generator=generator, **DOUBLE)
    near, far = (nearest_images(delta, reduced, 1, reach).norm(dim=-1) for reach in (1, 2))
    torch.testing.assert_close(near, far, rtol=1e-12, atol=1e-12)


def test_several_images_are_the_nearest_in_order(cells, generator):
    reduced, _ = minkowski_reduced(cells)
    delta = torch.randn(len(cells), 5, 4, 3, generator=generator, **DOUBLE)
    found = nearest_images(delta, reduced, 8, 3)
    assert found.shape == (len(cells), 5, 4, 8, 3)
    for row, lattice in enumerate(reduced):
        expected = lengths_by_brute_force(shortest(delta[row]), lattice, 3)[..., :8]
        torch.testing.assert_close(found[row].norm(dim=-1), expected, rtol=1e-9, atol=1e-9)
        steps = to_fractional(found[row][None], lattice[None])[0] - delta[row].unsqueeze(-2)
        torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-8)


def test_an_atom_and_its_own_images():
    """The nearest is itself; in a cubic cell six others follow at one edge."""
    found = nearest_images(torch.zeros(1, 1, 3), 4 * torch.eye(3)[None], 8)[0, 0].norm(dim=-1)
    torch.testing.assert_close(found, torch.tensor([0.0] + 6 * [4.0] + [4 * 2**0.5]))


def test_distances_against_pymatgen(cells, generator):
    fractional = torch.rand(len(cells), 5, 3, generator=generator, **DOUBLE)
    found = distance_matrix(fractional, cells)
    for row, matrix in enumerate(cells):
        other = Lattice(matrix.numpy())
        expected = other.get_all_distances(fractional[row].numpy(), fractional[row].numpy())
        np.testing.assert_allclose(found[row].numpy(), expected, rtol=0, atol=1e-7)
        shortest_of_all = min(other.get_niggli_reduced_lattice().abc)
        assert float(shortest_vector(cells[row : row + 1])) == pytest.approx(shortest_of_all, rel=1e-6)


def test_float32_keeps_its_digits(cells, generator):
    fractional = torch.rand(len(cells), 6, 3, generator=generator, **DOUBLE)
    found = distance_matrix(fractional.float(), cells.float())
    torch.testing.assert_close(found.double(), distance_matrix(fractional, cells), rtol=1e-4, atol=1e-4)


def test_gradient_of_distances_is_that_of_the_chosen_image(cells, generator):
    delta = torch.rand(len(cells), 3, 3, generator=generator, **DOUBLE).requires_grad_()
    vectors = minimum_image(delta, cells)
    (slope,) = torch.autograd.grad(vectors.square().sum(), delta)
    torch.testing.assert_close(slope, 2 * vectors.detach() @ cells.mT, rtol=1e-9, atol=1e-9)
    fractional = delta.detach().requires_grad_()
    distance_matrix(fractional, cells).sum().backward()
    assert bool(fractional.grad.isfinite().all())


def test_autocast_rounds_nothing(cells, generator):
    """Training and sampling may run in bf16, which keeps 8 bits: 0.01 angstrom of a bond, whole cells of a product."""
    fractional, cells = torch.rand(len(cells), 6, 3, generator=generator), cells.float()
    mask = torch.ones(len(cells), 6, dtype=torch.bool)

    def everything():
        edges = neighbour_list(fractional[-2:], cells[-2:], mask[-2:], 4.0)
        lattice = from_symmetric_log(symmetric_log(cells))
        cartesian = to_cartesian(fractional, cells)
        back = to_fractional(cartesian, cells)
        return cartesian, back, lattice, distance_matrix(fractional, cells), edges.vector, *lengths_angles(cells)

    plain = everything()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = everything()
    for first, second in zip(plain, mixed, strict=True):
        assert second.dtype == torch.float32
        assert torch.equal(first, second)
