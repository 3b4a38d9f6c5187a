"""Reduced cells against the conditions that define them, on random, skewed and degenerate cells."""

from itertools import product
from math import gcd

import pytest
import torch
from pymatgen.core import Lattice

from molgen.geometry.lattice import volume
from molgen.geometry.reduction import minkowski_reduced

DOUBLE = {"dtype": torch.float64}


@pytest.fixture
def skewed():
    """Cells of all proportions, most of them sheared by up to 40 cells."""
    generator = torch.Generator().manual_seed(3)
    cells = torch.randn(200, 3, 3, generator=generator, **DOUBLE)
    cells = cells * torch.exp(torch.randn(200, 3, 1, generator=generator, **DOUBLE))
    shear = torch.eye(3, **DOUBLE) + torch.randint(-40, 41, (200, 3, 3), generator=generator).tril(-1)
    return torch.cat([cells, shear @ cells])


def test_minkowskis_conditions(skewed):
    """|b_i| <= |x_1 b_1 + x_2 b_2 + x_3 b_3| wherever x_i, ..., x_3 have no common divisor."""
    reduced, _ = minkowski_reduced(skewed)
    lengths = reduced.norm(dim=-1)
    for x in product(range(-3, 4), repeat=3):
        other = (torch.tensor(x, **DOUBLE) @ reduced).norm(dim=-1)
        for i in range(3):
            if gcd(*x[i:]) == 1:
                assert bool((lengths[:, i] <= other * (1 + 1e-9)).all())


def test_the_lattice_is_the_same(skewed):
    reduced, change = minkowski_reduced(skewed)
    torch.testing.assert_close(change @ reduced, skewed, rtol=0, atol=1e-10 * float(skewed.abs().max()))
    assert torch.equal(change, change.round())
    torch.testing.assert_close(torch.linalg.det(change).abs(), torch.ones(len(skewed), **DOUBLE))
    torch.testing.assert_close(volume(reduced), volume(skewed), rtol=1e-8, atol=0)


def test_a_reduced_cell_stays_one():
    """Hexagonal and face-centred cells, full of ties, in float32 too: same lengths, and the second time nothing."""
    hexagonal = torch.tensor([[1.0, 0, 0], [-0.5, 0.75**0.5, 0], [0, 0, 1.6]], **DOUBLE)
    centred = torch.tensor([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]], **DOUBLE)
    for dtype in (torch.float32, torch.float64):
        cells = torch.stack([hexagonal, centred, 4 * torch.eye(3, **DOUBLE)]).to(dtype)
        reduced, _ = minkowski_reduced(cells)
        torch.testing.assert_close(reduced.norm(dim=-1), cells.norm(dim=-1))
        again, change = minkowski_reduced(reduced.double())
        assert torch.equal(again, reduced.double())
        assert torch.equal(change, torch.eye(3, **DOUBLE).expand(3, 3, 3))


def test_cells_that_are_none_end_without_harm_to_the_others():
    flat = torch.tensor([[1.0, 0, 0], [2.0, 0, 0], [0, 0, 1.0]])
    cells = torch.stack(
        [flat, torch.zeros(3, 3), torch.full((3, 3), torch.nan), torch.tensor([[1.0, 0, 0], [7, 1, 0], [0, 5, 1]])]
    )
    reduced, _ = minkowski_reduced(cells)
    torch.testing.assert_close(reduced[3].norm(dim=-1), torch.ones(3))


def test_niggli_cells_are_minkowski_reduced(skewed):
    """Which is why one ring of cells holds the nearest images of the data sets' cells."""
    for cell in skewed[:8]:
        niggli = torch.tensor(Lattice(cell.numpy()).get_niggli_reduced_lattice(1e-6).matrix.copy())
        lengths = minkowski_reduced(cell[None])[0][0].norm(dim=-1)
        torch.testing.assert_close(niggli.norm(dim=-1).sort().values, lengths, rtol=1e-5, atol=0)
