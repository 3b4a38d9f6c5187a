"""EDM's likelihood bound against densities that are known: by closed form, and by quadrature of the T-step model."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from molgen.batch import AtomBatch
from molgen.denoiser import project
from molgen.models import DataSummary
from molgen.models.edm import EDM, EDMConfig
from molgen.randomness import NoiseSource

SCALE = 2.0
"""Angstrom per unit of the latent in every model here, so that the bound's Jacobian counts."""
PRECISION = 1e-2
"""sigma_0^2 in every model here. EDM's 1e-5 would need far more than 1000 steps for a bound that is tight."""


class Known(nn.Module):
    """A denoiser that knows the features of every structure and uses ``expected`` for E[x | z_t]."""

    def __init__(self, model, features, expected):
        super().__init__()
        self.schedule, self.features, self.expected = model.process.schedule, features, expected

    def forward(self, z, t, mask):
        alpha, sigma = (getattr(self.schedule, name)(t)[:, None, None] for name in ("alpha", "sigma"))
        clean = torch.cat([self.expected(z[..., :3], alpha, sigma), self.features(z, alpha, sigma)], dim=-1)
        return project((z - alpha * clean) / sigma, mask)


class EveryTime(NoiseSource):
    """Noise whose times, in order, are those of all T terms: an average over it has no error from the choice of t."""

    def __init__(self, rows, atoms, steps):
        source = NoiseSource.seeded(0, rows, atoms)
        super().__init__(source.blocks, torch.float64)
        self.times = (torch.arange(rows) % steps + 0.5).double() / steps

    def uniform(self):
        return self.times


def model_with(expected, *, elements, features=None, sizes=(2,), steps=1000):
    histogram = [0] * (max(sizes) + 1)
    for size in sizes:
        histogram[size] += 1
    config = EDMConfig(hidden=4, layers=1, num_steps=steps, atomic_number=False, position_scale=SCALE)
    config.precision, config.element_scale = PRECISION, 1.0
    model = EDM(config, DataSummary(elements, tuple(histogram))).double()
    onehot = torch.full((1, 1, 1), 1 / config.element_scale, dtype=torch.float64)
    model.denoiser = Known(model, features or (lambda z, a, s: onehot.expand(*z.shape[:2], 1)), expected)
    return model


def estimate(model, batch, draws):
    """Mean and standard error of the bound of each structure, each time step being drawn ``draws`` times."""
    steps = model.config.num_steps
    rows = torch.arange(len(batch)).repeat_interleave(draws * steps)
    with torch.inference_mode():
        values = model.nll(batch[rows], EveryTime(len(rows), batch.mask.shape[1], steps))["nll"]
    values = values.reshape(len(batch), draws, steps).mean(2)
    return values.mean(1).numpy(), values.std(1).numpy() / math.sqrt(draws)


def pair_batch(offsets, numbers=(1, 1)):
    """Two atoms each, at plus and minus half of ``offsets``, shape (B, 3), angstrom."""
    half = torch.tensor(offsets, dtype=torch.float64) / 2
    return AtomBatch(
        mask=torch.ones(len(half), 2, dtype=torch.bool),
        elements=torch.tensor([numbers] * len(half)),
        positions=torch.stack([half, -half], dim=1),
    )


def gaussian(std):
    """E[x | z_t] of coordinates that are normal with ``std`` (latent units) in the zero-centre-of-mass subspace."""
    return lambda x, alpha, sigma: alpha * std**2 / (alpha**2 * std**2 + sigma**2) * x


@pytest.mark.parametrize(("atoms", "sizes"), [(2, (2,)), (4, (4,)), (3, (2, 3))])
def test_bound_is_tight_for_gaussian_positions(atoms, sizes):
    """For every structure, not on average: -log p = (d/2) log(2 pi s^2) + r^2 / (2 s^2) - log p(N), d = 3 (N - 1)."""
    std = 0.8
    model = model_with(gaussian(std), elements=(1,), sizes=sizes)
    drawn = torch.randn(5, atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    positions = (drawn - drawn.mean(1, keepdim=True)) * std * SCALE
    mask = torch.ones(5, atoms, dtype=torch.bool)
    batch = AtomBatch(mask=mask, elements=mask.long(), positions=positions + 7.0)
    mean, error = estimate(model, batch, 40)
    dimensions, radius = 3 * (atoms - 1), positions.square().sum((1, 2)).numpy()
    variance = (std * SCALE) ** 2
    exact = 0.5 * dimensions * math.log(2 * math.pi * variance) + radius / (2 * variance) + math.log(len(sizes))
    assert error.max() < 0.2
    assert (np.abs(mean - exact) < 4 * error + 0.02).all()
    assert np.ptp(exact) > 1  # the structures differ by more than the tolerance


def two_bumps(centre, std):
    """E[x | z_t] when u = (x_1 - x_2) / sqrt 2 is, in each direction, an even mixture of N(+-centre, std^2)."""

    def expected(x, alpha, sigma):
        u = (x[:, :1] - x[:, 1:]) / math.sqrt(2)
        clean = bumps_expectation(u, alpha, sigma, centre, std, torch)
        return torch.cat([clean, -clean], dim=1) / math.sqrt(2)

    return expected


def bumps_expectation(u, alpha, sigma, centre, std, library):
    total = alpha**2 * std**2 + sigma**2
    sign = library.tanh(alpha * centre * u / total)
    return (alpha * std**2 * u + sigma**2 * centre * sign) / total


CENTRE, STD = 0.9, 0.25


def alpha_sigma(k, steps):
    """EDM's schedule, written out again."""
    t = k / steps
    floor = 0.001 * (1 - (1 - 1 / steps) ** 2) ** 2
    alpha2 = (1 - 2 * PRECISION) * max((1 - t * t) ** 2, floor) + PRECISION
    return math.sqrt(alpha2), math.sqrt(1 - alpha2)


def reverse_step(z, clean, k, steps):
    """Mean and deviation of q(z_s | z_t, clean) from t = k/T to s = (k - 1)/T; of the decoder for k = 0."""
    alpha, sigma = alpha_sigma(k, steps)
    if k == 0:
        return clean, sigma / alpha
    alpha_s, sigma_s = alpha_sigma(k - 1, steps)
    ratio = alpha / alpha_s
    added = sigma**2 - (ratio * sigma_s) ** 2
    mean = (ratio * sigma_s**2 * z + alpha_s * added * clean) / sigma**2
    return mean, math.sqrt(added) * sigma_s / sigma


def normal(x, mean, deviation):
    return np.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))


def chain_density(steps, values):
    """p(u) of the T-step generative model by quadrature: Gaussian transitions on a grid, from t = 1 to the decoder."""
    grid = np.linspace(-4.5, 4.5, 1501)
    density = normal(grid, 0.0, 1.0)
    for k in range(steps, -1, -1):
        clean = bumps_expectation(grid, *alpha_sigma(k, steps), CENTRE, STD, np)
        mean, deviation = reverse_step(grid, clean, k, steps)
        targets = grid if k else np.asarray(values)
        density = (normal(targets[:, None], mean, deviation) @ density) * (grid[1] - grid[0])
    return density


def bound_by_quadrature(steps, values):
    """The bound on -log p(u) term by term: KL divergences of Gaussians, integrated over z_t by Gauss and Hermite."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    u = np.asarray(values)[:, None]
    alpha, sigma = alpha_sigma(steps, steps)
    total = 0.5 * (sigma**2 + alpha**2 * u[:, 0] ** 2 - 1 - math.log(sigma**2))
    for k in range(steps, -1, -1):
        alpha, sigma = alpha_sigma(k, steps)
        z = alpha * u + sigma * nodes
        clean = bumps_expectation(z, alpha, sigma, CENTRE, STD, np)
        model_mean, deviation = reverse_step(z, clean, k, steps)
        true_mean = reverse_step(z, u, k, steps)[0]
        term = 0.5 * ((model_mean - true_mean) / deviation) ** 2
        if k == 0:
            term = term + math.log(deviation * math.sqrt(2 * math.pi))
        total = total + term @ weights
    return total


@pytest.mark.parametrize("steps", [10, 50])
def test_bound_is_what_quadrature_gives(steps):
    """Positions of a density that is not Gaussian, T steps."""
    u = np.array([[0.9, 0.8, -1.0], [0.3, 0.9, 1.2], [0.0, 0.5, 0.9]])
    expected = bound_by_quadrature(steps, u.ravel()).reshape(3, 3).sum(1) + 3 * math.log(SCALE)
    model = model_with(two_bumps(CENTRE, STD), elements=(1,), steps=steps)
    mean, error = estimate(model, pair_batch(u * math.sqrt(2) * SCALE), 40_000 // steps)
    assert np.ptp(expected) > 2
    assert error.max() < 0.1
    assert (np.abs(mean - expected) < 4 * error).all()


def test_bound_is_above_the_generative_models_density_and_closes_with_steps():
    u = np.array([0.9, 0.8, -1.0, 0.5, 1.2])
    grid = np.linspace(-3, 3, 601)
    gaps = []
    for steps in (10, 20, 40):
        assert chain_density(steps, grid).sum() * 0.01 == pytest.approx(1.0, abs=1e-3)
        gaps.append(bound_by_quadrature(steps, u) + np.log(chain_density(steps, u)))
    assert all((gap > 0).all() for gap in gaps)
    assert (gaps[1] < 0.6 * gaps[0]).all()
    assert (gaps[2] < 0.6 * gaps[1]).all()


def test_bound_recovers_the_probabilities_of_elements():
    """Two kinds of molecule with weights 0.2 and 0.8 and known positions: the bound on kind k is -log w_k."""
    weights = torch.tensor([0.2, 0.8], dtype=torch.float64)
    kinds = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]], dtype=torch.float64)

    def features(z, alpha, sigma):
        squared = (z[:, None, :, 3:] - alpha[:, None] * kinds).square().sum((2, 3))
        return torch.einsum("bk,knf->bnf", (weights.log() - squared / (2 * sigma[:, :, 0] ** 2)).softmax(1), kinds)

    std = 0.5
    model = model_with(gaussian(std), elements=(1, 6), features=features)
    offsets = [[0.4, 0.0, 1.2]]
    batches = [pair_batch(offsets, numbers) for numbers in ((1, 6), (6, 6))]
    means, errors = zip(*(estimate(model, batch, 60) for batch in batches), strict=True)
    latent_radius = float(batches[0].positions.square().sum()) / SCALE**2
    positions = 1.5 * math.log(2 * math.pi * (std * SCALE) ** 2) + latent_radius / (2 * std**2)
    assert max(errors)[0] < 0.1
    for mean, error, weight in zip(means, errors, weights.tolist(), strict=True):
        assert mean[0] - positions == pytest.approx(-math.log(weight), abs=4 * error[0] + 0.03)


def test_impossible_sizes_have_infinite_bound():
    model = model_with(gaussian(1.0), elements=(1,), sizes=(3,))
    mean, _ = estimate(model, pair_batch([[1.0, 0.0, 0.0]]), 2)
    assert mean[0] == math.inf
