"""The linear flow and its bridges against the Gaussians that they are, and sampling with the exact prediction."""

import math
from itertools import pairwise

import pytest
import torch

from molgen.processes.linear_flow import LinearFlow, time_from_uniform

SIGMAS = pytest.mark.parametrize("sigma", [0.0, 0.7])


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(2)


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def at(time):
    return torch.tensor([time], dtype=torch.float64)


@SIGMAS
def test_corruption_has_the_moments_of_the_bridge(sigma, generator):
    """Mean (1 - t) x_0 + t x_1, standard deviation sigma sqrt(t (1 - t)), to five standard errors of 40,000 draws."""
    flow, x0, x1 = LinearFlow(sigma), torch.full((1, 40_000), 2.0), torch.full((1, 40_000), -1.0)
    for t in (0.0, 0.2, 0.6, 1.0):
        x_t = flow.corrupt(x0.double(), x1.double(), at(t), normal(generator, 1, 40_000))
        std = sigma * math.sqrt(t * (1 - t))
        assert float(x_t.mean()) == pytest.approx(2 - 3 * t, abs=5 * std / 200 + 1e-12)
        assert float(x_t.std()) == pytest.approx(std, abs=5 * std / 280 + 1e-12)


@SIGMAS
@pytest.mark.parametrize(("t", "s"), [(1.0, 0.9), (0.7, 0.2), (0.5, 0.499), (0.05, 0.0)])
def test_a_step_is_the_conditional_gaussian(sigma, t, s):
    """x_s given x_t, x_0 and x_1, from the joint Gaussian, whose covariance is sigma^2 s (1 - t) for s < t."""
    x0, x1, deviation = 0.8, -1.7, 0.31
    mean_s, mean_t = ((1 - u) * x0 + u * x1 for u in (s, t))
    x_t = mean_t + (deviation if sigma and t < 1 else 0.0)
    variance_t, variance_s = (sigma**2 * u * (1 - u) for u in (t, s))
    gain = sigma**2 * s * (1 - t) / variance_t if variance_t else 0.0
    mean = mean_s + gain * (x_t - mean_t)
    variance = variance_s - gain * sigma**2 * s * (1 - t)
    noise = torch.tensor([[-1.0, 0.0, 1.0]], dtype=torch.float64)
    x_s = LinearFlow.step(
        torch.full((1, 3), x_t).double(), torch.full((1, 3), x0).double(), at(t), at(s), noise, sigma
    )[0]
    assert float(x_s[1]) == pytest.approx(mean, rel=1e-6)
    assert float(x_s[2] - x_s[1]) == pytest.approx(math.sqrt(max(variance, 0.0)), rel=1e-6, abs=1e-12)
    assert float(x_s[1] - x_s[0]) == pytest.approx(float(x_s[2] - x_s[1]))


@SIGMAS
def test_steps_of_any_length_lead_to_the_data(sigma, generator):
    """Knowing x_0, one step or a hundred end in it, and on the way the distribution is that of ``corrupt``."""
    flow, x0, count = LinearFlow(sigma), 1.5, 40_000
    data = torch.full((1, count), x0, dtype=torch.float64)
    x = normal(generator, 1, count)
    for t, s in ((1.0, 0.55), (0.55, 0.5), (0.5, 0.1)):
        x = flow.step(x, data, at(t), at(s), normal(generator, 1, count), sigma)
        expected = math.sqrt(s**2 + sigma**2 * s * (1 - s))
        assert float(x.mean()) == pytest.approx((1 - s) * x0, abs=5 * expected / 200)
        assert float(x.std()) == pytest.approx(expected, rel=5 / 280)
    torch.testing.assert_close(flow.step(x, data, at(0.1), at(0.0), normal(generator, 1, count), sigma), data)


@SIGMAS
def test_the_sampler_gives_back_gaussian_data(sigma, generator):
    """With E[x_0 | x_t] for x_0 ~ N(1.2, 0.6^2): 200 steps, tolerance five standard errors of 40,000 draws and 1 %."""
    flow, mean, std, count = LinearFlow(sigma), 1.2, 0.6, 40_000
    x = normal(generator, 1, count)
    times = torch.linspace(1, 0, 201, dtype=torch.float64)
    for k in range(1, len(times)):
        t, s = times[k - 1 : k], times[k : k + 1]
        variance = (1 - t) ** 2 * std**2 + flow.spread(t) ** 2
        guess = mean + (1 - t) * std**2 / variance * (x - (1 - t) * mean)
        x = flow.step(x, guess, t, s, normal(generator, 1, count), sigma)
    assert float(x.mean()) == pytest.approx(mean, abs=5 * std / 200 + 0.01)
    assert float(x.std()) == pytest.approx(std, rel=5 / 280 + 0.01)


@SIGMAS
def test_spread_and_reach_against_draws(sigma, generator):
    """Spread is the noise in x_t; reach is what is left to guess of unit-variance data. Five standard errors."""
    flow, count = LinearFlow(sigma), 100_000
    x0, x1 = normal(generator, 1, count), normal(generator, 1, count)
    for t in (0.03, 0.4, 0.9):
        x_t = flow.corrupt(x0, x1, at(t), normal(generator, 1, count))
        assert float((x_t - (1 - t) * x0).std()) == pytest.approx(float(flow.spread(at(t))), rel=5 / 447)
        best = (x0 * x_t).mean() / x_t.square().mean() * x_t  # least squares
        assert float((x0 - best).std()) == pytest.approx(float(flow.reach(at(t))), rel=5 / 447)


@SIGMAS
def test_spread_and_reach_against_their_formulas(sigma):
    flow, t = LinearFlow(sigma), torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=torch.float64)
    noise = (t**2 + sigma**2 * t * (1 - t)).sqrt()
    torch.testing.assert_close(flow.spread(t), noise)
    torch.testing.assert_close(flow.reach(t), noise / (noise**2 + (1 - t) ** 2).sqrt())
    assert float(flow.reach(t)[0]) == 0.0
    assert float(flow.reach(t)[-1]) == 1.0


@pytest.mark.parametrize("power", [1.0, 1.5, 3.0, 0.5])
def test_density_of_times(power):
    """Evenly spaced u give times of which a share 1 - (1 - a)^power lies below a: density power (1 - t)^(power - 1)."""
    u = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    t = time_from_uniform(u, power)
    assert 0.0 <= float(t.min()) <= float(t.max()) <= 1.0
    for a in (0.01, 0.2, 0.5, 0.9):
        assert float((t < a).double().mean()) == pytest.approx(1 - (1 - a) ** power, abs=1e-4)
    edges = torch.tensor([0.30, 0.31], dtype=torch.float64)
    share = float(((t >= edges[0]) & (t < edges[1])).double().mean())
    assert share / 0.01 == pytest.approx(power * (1 - 0.305) ** (power - 1), rel=0.03)


def test_times_are_per_structure(generator):
    flow, t, s = LinearFlow(0.3), torch.tensor([0.9, 0.2]), torch.tensor([0.5, 0.0])
    x, x0, noise = (normal(generator, 2, 4, 3) for _ in range(3))
    together = flow.step(x, x0, t, s, noise, 0.3)
    for row in range(2):
        rows = slice(row, row + 1)
        torch.testing.assert_close(
            together[rows], flow.step(x[rows], x0[rows], t[rows], s[rows], noise[rows], 0.3), rtol=0, atol=0
        )


def test_annealing_is_the_faster_flow_integrated():
    """dx/dt = (x - x_0)/t (1 + a (1 - t)) in 20,000 small steps against one, or two; the last ends in x_0."""
    x0, start, a = 0.7, -1.3, 6.0
    x, grid = start, torch.linspace(0.8, 0.3, 20_001, dtype=torch.float64).tolist()
    for t, s in pairwise(grid):
        middle = 0.5 * (t + s)
        x += (s - t) * (x - x0) / middle * (1 + a * (1 - middle))
    state, data = torch.full((1, 1), start).double(), torch.full((1, 1), x0).double()
    once = LinearFlow.step(state, data, at(0.8), at(0.3), state, 0.0, a)
    assert float(once) == pytest.approx(x, rel=1e-3, abs=1e-4)
    halfway = LinearFlow.step(state, data, at(0.8), at(0.5), state, 0.0, a)
    torch.testing.assert_close(LinearFlow.step(halfway, data, at(0.5), at(0.3), state, 0.0, a), once)
    torch.testing.assert_close(LinearFlow.step(state, data, at(0.8), at(0.0), state, 0.0, a), data)


def test_without_annealing_the_step_is_the_same_to_the_bit(generator):
    x, data, noise = (normal(generator, 3, 4) for _ in range(3))
    t, s = torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64), torch.tensor([0.8, 0.3, 0.0], dtype=torch.float64)
    plain = LinearFlow.step(x, data, t, s, noise, 0.4)
    assert torch.equal(LinearFlow.step(x, data, t, s, noise, 0.4, 0.0), plain)
    assert not torch.equal(LinearFlow.step(x, data, t, s, noise, 0.4, 1.0)[:2], plain[:2])
