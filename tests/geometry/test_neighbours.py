"""Neighbour lists against pymatgen, edge by edge."""

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from molgen.geometry.neighbours import neighbour_list

DOUBLE = {"dtype": torch.float64}
SIZES = [4, 1, 6, 2]


@pytest.fixture
def crystals():
    """Random and sheared cells, one of a single atom, coordinates beyond [0, 1)."""
    generator = torch.Generator().manual_seed(11)
    lattice = 4 * torch.eye(3, **DOUBLE) + 0.8 * torch.randn(4, 3, 3, generator=generator, **DOUBLE)
    lattice[1] = torch.tensor([[2.5, 0, 0], [6.0, 2.6, 0], [-3.0, 1.0, 9.0]], **DOUBLE)
    lattice[2, 1] += 2 * lattice[2, 0]
    mask = torch.arange(6) < torch.tensor(SIZES)[:, None]
    fractional = 2 * torch.rand(4, 6, 3, generator=generator, **DOUBLE) * mask.unsqueeze(-1)
    return fractional, lattice, mask


def as_rows(source, target, offset, distance):
    return sorted(
        (int(i), int(j), *map(int, n), round(float(d), 6))
        for i, j, n, d in zip(source, target, offset, distance, strict=True)
    )


@pytest.mark.parametrize("cutoff", [1.0, 3.3, 7.0])
def test_every_edge_of_pymatgen_and_no_other(crystals, cutoff):
    fractional, lattice, mask = crystals
    found = neighbour_list(fractional, lattice, mask, cutoff)
    for row, n in enumerate(SIZES):
        structure = Structure(Lattice(lattice[row].numpy()), ["C"] * n, fractional[row, :n].numpy())
        edge = found.structure == row
        actual = as_rows(found.source[edge], found.target[edge], found.offset[edge], found.distance[edge])
        assert actual == as_rows(*structure.get_neighbor_list(cutoff))
    assert bool((found.structure.diff() >= 0).all())


def test_vectors_are_what_offsets_say(crystals):
    fractional, lattice, mask = crystals
    found = neighbour_list(fractional, lattice, mask, 6.0)
    rows = found.structure
    way = fractional[rows, found.target] + found.offset - fractional[rows, found.source]
    torch.testing.assert_close((way.unsqueeze(1) @ lattice[rows]).squeeze(1), found.vector)
    torch.testing.assert_close(found.vector.norm(dim=-1), found.distance)


def test_single_precision_and_gradients(crystals):
    fractional, lattice, mask = (value.float() if value.is_floating_point() else value for value in crystals)
    lattice.requires_grad_()
    found = neighbour_list(fractional, lattice, mask, 4.0)
    assert found.distance.dtype == torch.float32
    found.distance.sum().backward()
    assert bool(lattice.grad.isfinite().all())


def test_face_centred_copper_has_twelve():
    """The primitive cell: one atom, its twelve nearest images at a / sqrt 2, six more at a."""
    cell = 1.805 * torch.tensor([[[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]], **DOUBLE)
    found = neighbour_list(torch.zeros(1, 1, 3, **DOUBLE), cell, torch.ones(1, 1, dtype=torch.bool), 3.7)
    np.testing.assert_allclose(found.distance.sort().values, [3.61 / 2**0.5] * 12 + [3.61] * 6)


@pytest.mark.parametrize("thin", [0.0, 1e-4, float("nan")])
def test_a_cell_that_is_none_is_named(thin):
    lattice = torch.stack([torch.eye(3), torch.diag(torch.tensor([thin, 1.0, 1.0]))])
    with pytest.raises(ValueError, match="structure 1: more than 100000 cells"):
        neighbour_list(torch.zeros(2, 1, 3), lattice, torch.ones(2, 1, dtype=torch.bool), 5.0)
