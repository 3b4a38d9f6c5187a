"""Sums over images against the same sums written as loops, and their symmetries."""

import itertools

import pytest
import torch

from molgen.geometry.lattice import from_symmetric_log
from molgen.networks.attention import Layout
from molgen.networks.image_basis import ImageBasis


@pytest.fixture
def cells():
    generator = torch.Generator().manual_seed(3)
    k = 0.2 * torch.randn(3, 6, generator=generator, dtype=torch.float64)
    k[:, 5] += 1.5
    fractional = torch.rand(3, 4, 3, generator=generator, dtype=torch.float64)
    return (
        fractional,
        from_symmetric_log(k),
        Layout.of(torch.ones(3, 4, dtype=torch.bool), torch.float64, torch.float64),
    )


def by_hand(basis, difference, lattice):
    near, pull = torch.zeros(12, dtype=torch.float64), torch.zeros(12, 3, dtype=torch.float64)
    for shift in itertools.product((-1.0, 0.0, 1.0), repeat=3):
        image = difference - difference.round() + torch.tensor(shift, dtype=torch.float64)
        distance = (image @ lattice).norm()
        for r, centre in enumerate(basis.centres.double()):
            u = float((distance - centre) / basis.width)
            bump = (1 - u * u) ** 2 if abs(u) < 1 else 0.0
            near[r] += bump
            pull[r] += bump * image / (1 + distance)
    return near, pull


def test_sums_over_images(cells):
    fractional, lattice, layout = cells
    basis = ImageBasis(12).double()
    even, odd = basis(fractional, lattice, layout)
    for b, (p, (i, j)) in itertools.product(range(3), enumerate(itertools.combinations(range(4), 2))):
        near, pull = by_hand(basis, fractional[b, i] - fractional[b, j], lattice[b])
        torch.testing.assert_close(even[b, p, :12], near)
        torch.testing.assert_close(odd[b, p, :12], pull)


def test_own_images(cells):
    _, lattice, _ = cells
    basis = ImageBasis(12).double()
    for b in range(3):
        near, _ = by_hand(basis, torch.zeros(3, dtype=torch.float64), lattice[b])
        zero = (1 - (basis.centres.double() / basis.width) ** 2).clamp(min=0).square()
        torch.testing.assert_close(basis.own_images(lattice)[b], near - zero)


def test_even_and_odd(cells):
    fractional, lattice, layout = cells
    basis = ImageBasis(12).double()
    even, odd = basis(fractional, lattice, layout)
    shifts = torch.randint(-2, 3, fractional.shape, generator=torch.Generator().manual_seed(0)) + 0.37
    there = basis(fractional + shifts.round() + 0.21, lattice, layout)
    torch.testing.assert_close(there, (even, odd))
    inverted = basis(-fractional, lattice, layout)
    torch.testing.assert_close(inverted, (even, -odd))
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64))[0]
    torch.testing.assert_close(basis(fractional, lattice @ rotation, layout), (even, odd))
