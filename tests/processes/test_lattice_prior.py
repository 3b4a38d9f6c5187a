"""The informed prior on lattices: exact round trips, moments of what it draws, and the flow to a known cell."""

import math

import pytest
import torch

from molgen.geometry.lattice import from_symmetric_log, lengths_angles, symmetric_log, volume
from molgen.processes.lattice_prior import LatticePrior
from molgen.processes.linear_flow import LinearFlow

DOUBLE = {"dtype": torch.float64}
MEAN, STD = [0.01, -0.02, 0.0, 0.1, -0.15, 0.9], [0.1, 0.2, 0.15, 0.1, 0.2, 0.12]


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(9)


def test_round_trip_is_exact(generator):
    prior, sizes = LatticePrior(MEAN, STD), torch.tensor([1, 4, 20, 52])
    k = torch.randn(4, 6, generator=generator, **DOUBLE)
    torch.testing.assert_close(prior.restore(prior.standardise(k, sizes), sizes), k, rtol=0, atol=1e-14)
    assert prior.standardise(k.float(), sizes).dtype == torch.float32


def test_fitted_to_cells_it_standardises_them(generator):
    """Statistics taken as a data set's summary does: volume per atom in the last coefficient."""
    sizes = torch.randint(1, 21, (500,), generator=generator)
    cells = torch.eye(3, **DOUBLE) * sizes[:, None, None] ** (1 / 3) * 2.5
    k = symmetric_log(cells + 0.3 * torch.randn(500, 3, 3, generator=generator, **DOUBLE))
    per_atom = k.clone()
    per_atom[:, 5] = (volume(from_symmetric_log(k)) / sizes).log() / 3
    z = LatticePrior(per_atom.mean(0).tolist(), per_atom.std(0).tolist()).standardise(k, sizes)
    torch.testing.assert_close(z.mean(0), torch.zeros(6, **DOUBLE), rtol=0, atol=1e-12)
    torch.testing.assert_close(z.std(0), torch.ones(6, **DOUBLE), rtol=1e-12, atol=0)


def test_draws_have_the_volume_per_atom_of_the_data(generator):
    """log(V/N) is normal with mean 3 * 0.9 and standard deviation 3 * 0.12: five standard errors of 4,000 draws."""
    sizes = torch.tensor([2, 16]).repeat(2000)
    lattice = from_symmetric_log(
        LatticePrior(MEAN, STD).restore(torch.randn(4000, 6, generator=generator, **DOUBLE), sizes)
    )
    size = (volume(lattice) / sizes).log()
    assert float(size.mean()) == pytest.approx(2.7, abs=5 * 0.36 / math.sqrt(4000))
    assert float(size.std()) == pytest.approx(0.36, rel=5 / math.sqrt(8000))


def test_where_all_cells_agree_noise_is_small_and_finite():
    """Perov-5 is cubic: five coefficients never differ by more than rounding."""
    prior, sizes = LatticePrior([0.0] * 5 + [0.9], [1e-9] * 5 + [0.1]), torch.tensor([5])
    rounding = torch.tensor([[1e-8] * 5 + [0.9 + math.log(5) / 3]], **DOUBLE)
    assert float(prior.standardise(rounding, sizes).abs().max()) < 1e-5
    noisy = from_symmetric_log(prior.restore(torch.ones(1, 6, **DOUBLE), sizes))
    assert float((lengths_angles(noisy)[1] - 90).abs().max()) < 2.0


@pytest.mark.parametrize("annealing", [0.0, 3.0])
def test_the_flow_with_the_exact_denoiser_returns_the_lattice(annealing, generator):
    """From the prior in ten steps; on the way every lattice is a cell."""
    prior, flow, sizes = LatticePrior(MEAN, STD), LinearFlow(), torch.full((20,), 6)
    target = torch.tensor([[3.0, 0.0, 0.0], [-1.5, 2.598, 0.0], [0.4, 0.2, 7.0]], **DOUBLE).expand(20, 3, 3)
    clean = prior.standardise(symmetric_log(target), sizes)
    z = torch.randn(20, 6, generator=generator, **DOUBLE)
    times = torch.linspace(1, 0, 11, **DOUBLE)
    for k in range(10):
        z = flow.step(z, clean, times[k : k + 1], times[k + 1 : k + 2], z, 0.0, annealing)
        assert bool((torch.linalg.det(from_symmetric_log(prior.restore(z, sizes))) > 0).all())
    found = from_symmetric_log(prior.restore(z, sizes))
    torch.testing.assert_close(found @ found.mT, target @ target.mT, rtol=1e-10, atol=1e-10)
