"""The flow on the torus: its paths, and sampling with the exact prediction against known distributions."""

import math

import pytest
import torch

from molgen.geometry.centering import remove_mean
from molgen.geometry.periodic import shortest, wrap
from molgen.processes.torus_flow import TorusFlow

DOUBLE = {"dtype": torch.float64}
SIGMAS = pytest.mark.parametrize("sigma", [0.0, 0.15])


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(12)


@pytest.fixture
def pair(generator):
    """Data, start, noise and mask of cells of 5, 1 and 3 atoms."""
    mask = torch.arange(5) < torch.tensor([5, 1, 3])[:, None]
    x0, x1 = (torch.rand(3, 5, 3, generator=generator, **DOUBLE) * mask.unsqueeze(-1) for _ in range(2))
    return x0, x1, torch.randn(3, 5, 3, generator=generator, **DOUBLE), mask


def at(time):
    return torch.tensor([time], **DOUBLE)


def drift(a, b, mask):
    """How the way from a to b differs between the atoms of a structure: zero of a translation."""
    way = shortest(b - a)
    return shortest(way - way[:, :1])[mask].abs().max()


@SIGMAS
def test_ends_of_the_path(sigma, pair):
    """The data at t = 0; at t = 1 the start, moved as a whole."""
    x0, x1, noise, mask = pair
    flow = TorusFlow(sigma)
    first, nothing = flow.corrupt(x0, x1, at(0.0), noise, mask)
    assert float(shortest(first - x0).abs().max()) < 1e-15
    assert not nothing.any()
    last, _ = flow.corrupt(x0, x1, at(1.0), noise, mask)
    assert float(drift(x1, last, mask)) < 1e-12


@SIGMAS
def test_the_displacement_leads_back_and_has_no_drift(sigma, pair):
    x0, x1, noise, mask = pair
    for t in (0.1, 0.5, 0.99):
        x_t, to_clean = TorusFlow(sigma).corrupt(x0, x1, at(t), noise, mask)
        assert float(shortest(x_t + to_clean - x0).abs().max()) < 1e-12
        assert float(to_clean.sum(1).abs().max()) < 1e-12
        assert bool(((x_t >= 0) & (x_t < 1)).all())
        assert not x_t[~mask].any()
        assert not to_clean[~mask].any()


def test_velocity_is_the_slope_of_the_path(pair):
    """Central differences; constant along the geodesic; of each pair of atoms the shortest way between the ends."""
    x0, x1, noise, mask = pair
    flow, h = TorusFlow(), 1e-6
    velocities = []
    for t in (0.05, 0.4, 0.9):
        ahead, behind = (flow.corrupt(x0, x1, at(u), noise, mask)[0] for u in (t + h, t - h))
        to_clean = flow.corrupt(x0, x1, at(t), noise, mask)[1]
        velocities.append(flow.velocity(to_clean, at(t)))
        torch.testing.assert_close(shortest(ahead - behind) / (2 * h), velocities[-1], rtol=0, atol=1e-8)
        torch.testing.assert_close(flow.to_clean(velocities[-1], at(t)), to_clean)
    torch.testing.assert_close(velocities[0], velocities[2])
    torch.testing.assert_close(velocities[0], remove_mean(shortest(x1 - x0), mask))


@SIGMAS
def test_the_origin_plays_no_part(sigma, pair):
    """Data and start moved together: the same displacement. A moved state, a prediction with drift: the same step."""
    x0, x1, noise, mask = pair
    flow, shift = TorusFlow(sigma), torch.tensor([0.3, -1.7, 0.55], **DOUBLE) * mask.unsqueeze(-1)
    x_t, to_clean = flow.corrupt(x0, x1, at(0.7), noise, mask)
    moved, same = flow.corrupt(wrap(x0 + shift), wrap(x1 + shift), at(0.7), noise, mask)
    torch.testing.assert_close(same, to_clean, rtol=0, atol=1e-12)
    assert float(shortest(moved - x_t - shift).abs().max()) < 1e-12
    step = flow.step(x_t, to_clean, at(0.7), at(0.5), noise, mask, sigma=sigma, annealing=2.0)
    other = flow.step(moved, to_clean + shift, at(0.7), at(0.5), noise, mask, sigma=sigma, annealing=2.0)
    assert float(shortest(other - step - shift).abs().max()) < 1e-12


@SIGMAS
def test_corruption_has_the_spread_of_the_bridge(sigma, generator):
    """Variance of an atom's displacement: (t^2 / 12 + sigma^2 t (1 - t)) (1 - 1/N), five standard errors of 8,000."""
    shape = (2000, 4, 3)
    x0, x1 = torch.rand(shape, generator=generator, **DOUBLE), torch.rand(shape, generator=generator, **DOUBLE)
    noise, mask = torch.randn(shape, generator=generator, **DOUBLE), torch.ones(2000, 4, dtype=torch.bool)
    for t in (0.2, 0.6, 1.0):
        away = TorusFlow(sigma).corrupt(x0, x1, at(t), noise, mask)[1]
        expected = (t**2 / 12 + sigma**2 * t * (1 - t)) * 0.75
        assert float(away.square().mean()) == pytest.approx(expected, rel=5 * math.sqrt(2 / 8000))


@SIGMAS
@pytest.mark.parametrize("annealing", [0.0, 5.0])
@pytest.mark.parametrize("steps", [1, 7, 50])
def test_the_sampler_returns_a_known_crystal(sigma, annealing, steps, pair, generator):
    """With the way to one crystal as prediction, up to an origin that nothing fixes; padding stays empty."""
    x0, x, _, mask = pair
    times = torch.linspace(1, 0, steps + 1, **DOUBLE)
    for k in range(steps):
        noise = torch.randn(x.shape, generator=generator, **DOUBLE)
        way = shortest(x0 - x)
        x = TorusFlow.step(
            x, way, times[k : k + 1], times[k + 1 : k + 2], noise, mask, sigma=sigma, annealing=annealing
        )
    assert float(drift(x0, x, mask)) < 1e-12
    assert not x[~mask].any()


def pair_density(e, t, sigma):
    """Density of the difference of two atoms' displacements, t (d_2 - d_1) + sigma sqrt(t (1 - t)) (z_2 - z_1).

    d uniform on a period, so the first part is a triangle of width t; the second is normal. The second difference of
    E max(0, x + s z) = x Phi(x / s) + s phi(x / s) is their convolution.
    """
    s = max(sigma * math.sqrt(2 * t * (1 - t)), 1e-12)

    def ramp(x):
        return x * torch.special.ndtr(x / s) + s / math.sqrt(2 * math.pi) * torch.exp(-0.5 * (x / s).square())

    return ((ramp(e + t) - 2 * ramp(e) + ramp(e - t)) / t**2).clamp(min=0.0)


def exact_displacement(x, t, sigma, places, shares):
    """E[displacement to the data | x_t] for cells of two atoms whose difference is one of ``places``.

    The difference of the atoms is all that is known; it came from place k around the period n times with the
    probability shares_k density(e_kn), e_kn = difference - place_k + n.
    """
    difference = (x[:, 1] - x[:, 0]).unsqueeze(-1).unsqueeze(-1)
    e = shortest(difference - places.unsqueeze(-1)) + torch.arange(-2, 3, **DOUBLE)
    weight = shares.unsqueeze(-1) * pair_density(e, t, sigma)
    mean = (weight * e).sum((-1, -2)) / weight.sum((-1, -2)).clamp(min=1e-300)
    return torch.stack([mean, -mean], dim=1) / 2


def waves(difference):
    """First two Fourier coefficients of a distribution on the period."""
    angle = 2 * math.pi * difference
    return torch.stack([torch.cos(angle), torch.sin(angle), torch.cos(2 * angle), torch.sin(2 * angle)]).mean((1, 2))


@SIGMAS
def test_the_exact_prediction_gives_back_two_crystals(sigma, generator):
    """Two atoms at a difference of 0.1 (share 0.7) or 0.45 (0.3): three axes of 1,000 cells are 3,000 draws.

    On the way, at t = 0.4, the draws have the distribution of ``corrupt``. Tolerances: five standard errors.
    """
    count, places, shares = 1000, torch.tensor([0.1, 0.45], **DOUBLE), torch.tensor([0.7, 0.3], **DOUBLE)
    flow, mask = TorusFlow(sigma), torch.ones(count, 2, dtype=torch.bool)
    x, times = torch.rand(count, 2, 3, generator=generator, **DOUBLE), torch.linspace(1, 0, 101, **DOUBLE)
    for k in range(100):
        if k == 60:
            halfway = waves(x[:, 1] - x[:, 0])
        to_clean = exact_displacement(x, float(times[k]), sigma, places, shares)
        noise = torch.randn(x.shape, generator=generator, **DOUBLE)
        x = flow.step(x, to_clean, times[k : k + 1], times[k + 1 : k + 2], noise, mask, sigma=sigma)
    away = shortest((x[:, 1] - x[:, 0]).unsqueeze(-1) - places).abs()
    assert float((away.min(-1).values < 1e-6).double().mean()) > 0.999
    assert float((away[..., 0] < 0.01).double().mean()) == pytest.approx(0.7, abs=5 * math.sqrt(0.21 / 3000))
    x0 = torch.zeros(20_000, 2, 3, **DOUBLE)
    x0[:, 1] = torch.where(torch.rand(20_000, 3, generator=generator, **DOUBLE) < 0.7, places[0], places[1])
    x1, noise = (
        torch.rand(x0.shape, generator=generator, **DOUBLE),
        torch.randn(x0.shape, generator=generator, **DOUBLE),
    )
    known, _ = flow.corrupt(x0, x1, times[60:61], noise, torch.ones(20_000, 2, dtype=torch.bool))
    torch.testing.assert_close(halfway, waves(known[:, 1] - known[:, 0]), rtol=0, atol=5 * 0.72 / math.sqrt(3000))
