"""Half the pairs on one axis, against loops over i and j."""

import pytest
import torch

from molgen.networks.half_pairs import half_pairs

CPU = torch.device("cpu")


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(4)


@pytest.mark.parametrize("atoms", [1, 2, 5])
def test_maps_against_loops(atoms):
    maps = half_pairs(atoms, CPU)
    expected = [(i, j) for i in range(atoms) for j in range(i + 1, atoms)]
    assert list(zip(maps.first.tolist(), maps.second.tolist(), strict=True)) == expected
    for p, (i, j) in enumerate(expected):
        for atom in range(atoms):
            assert int(maps.signs[p, atom]) == (atom == i) - (atom == j)
            assert int(maps.ends[p, atom]) == (atom in (i, j))
    dense = maps.to_dense.view(atoms, atoms)
    for i in range(atoms):
        for j in range(atoms):
            assert int(dense[i, j]) == (len(expected) if i == j else expected.index((min(i, j), max(i, j))))


def test_expand_and_take(generator):
    maps, pairs = half_pairs(4, CPU), torch.randn(3, 6, 2, generator=generator)
    dense = maps.expand(pairs)
    assert torch.equal(dense, dense.transpose(1, 2))
    assert not dense.diagonal(dim1=1, dim2=2).any()
    assert torch.equal(maps.take(dense), pairs)
    for p, (i, j) in enumerate(zip(maps.first.tolist(), maps.second.tolist(), strict=True)):
        assert torch.equal(dense[:, i, j], pairs[:, p])
    assert torch.equal(maps.take(dense[..., 0]), pairs[..., 0])
    classes = torch.randint(5, (3, 6, 1), generator=generator)
    assert maps.expand(classes).dtype == torch.int64
    assert torch.equal(maps.take(maps.expand(classes)), classes)


def test_gradient_of_expand(generator):
    maps = half_pairs(4, CPU)
    pairs = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: maps.expand(z).sin(), (pairs,))


def test_one_atom_has_no_pairs():
    maps = half_pairs(1, CPU)
    assert maps.expand(torch.zeros(2, 0, 3)).tolist() == torch.zeros(2, 1, 1, 3).tolist()
    assert maps.take(torch.zeros(2, 1, 1)).shape == (2, 0)


def test_maps_are_made_once():
    assert half_pairs(7, CPU) is half_pairs(7, CPU)


def test_maps_first_made_while_sampling_serve_training():
    half_pairs.cache_clear()
    with torch.inference_mode():
        half_pairs(5, torch.device("cpu"))
    maps = half_pairs(5, torch.device("cpu"))
    x = torch.randn(2, 5, 3, requires_grad=True)
    (x.index_select(1, maps.first) - x.index_select(1, maps.second)).square().sum().backward()
    assert float(x.grad.abs().sum()) > 0
