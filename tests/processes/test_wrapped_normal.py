"""The wrapped normal against the sum that defines it, its quadrature table, and sampling with the exact score."""

import math

import mpmath
import pytest
import torch

from molgen.geometry.periodic import shortest, wrap
from molgen.processes.wrapped_normal import WrappedNormal, log_density, mean_square_score, score

SIGMAS = pytest.mark.parametrize("sigma", [0.002, 0.005, 0.02, 0.1, 0.3, 0.399, 0.401, 0.5])


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(4)


def at(value):
    return torch.tensor([value], dtype=torch.float64)


def summed(x, sigma, images=40):
    """log sum_i N(x + i), by the definition."""
    i = torch.arange(-images, images + 1, dtype=torch.float64)
    terms = -0.5 * ((x.unsqueeze(-1) + i) / sigma).square() - math.log(sigma * math.sqrt(2 * math.pi))
    return torch.logsumexp(terms, dim=-1)


@SIGMAS
def test_density_and_score_against_autograd_of_the_sum(sigma, generator):
    x = (6 * torch.rand(4000, generator=generator, dtype=torch.float64) - 3).requires_grad_()
    expected = summed(x, sigma)
    (slope,) = torch.autograd.grad(expected.sum(), x)
    torch.testing.assert_close(log_density(x, at(sigma)), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(score(x, at(sigma)), slope, rtol=1e-6, atol=1e-9 / sigma)


@pytest.mark.parametrize("sigma", [0.05, 0.39, 0.41, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("x", [0.01, 0.3, 0.4999, 0.7])
def test_score_against_the_theta_function_at_fifty_digits(x, sigma):
    """A wide density is 1 plus a cosine under all rounding: only the relative error of its slope tells."""
    with mpmath.workdps(400):
        q = mpmath.exp(-2 * mpmath.pi**2 * mpmath.mpf(sigma) ** 2)
        z = mpmath.pi * mpmath.mpf(x)
        expected = mpmath.pi * mpmath.jtheta(3, z, q, 1) / mpmath.jtheta(3, z, q)
    assert float(score(at(x), at(sigma))) == pytest.approx(float(expected), rel=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_overflows(dtype, generator):
    """Any x, any sigma in [0.002, 5], the seams at 0, 1/2 and 1 included; the ratio of sums would give 0/0."""
    x = torch.cat([torch.rand(2000, generator=generator), torch.tensor([0.0, -0.0, 0.5, -0.5, 1.0, 7.5, -1e6, 3e38])])
    x = x.to(dtype).requires_grad_()
    for sigma in torch.logspace(math.log10(0.002), math.log10(5), 60, dtype=dtype):
        value = score(x, sigma)
        slopes = torch.autograd.grad(value.sum() + log_density(x, sigma).sum(), x)[0]
        assert value.dtype == dtype
        assert bool(value.isfinite().all() & slopes.isfinite().all())
        assert float(value.detach().abs().max()) <= 0.5 / float(sigma) ** 2 * (1 + 1e-5)


def test_float32_agrees_with_float64(generator):
    x = torch.rand(5000, generator=generator) - 0.5
    for sigma in (0.005, 0.05, 0.3, 0.5):
        wanted = score(x.double(), at(sigma))
        torch.testing.assert_close(
            score(x, at(sigma)).double(), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max())
        )


def test_mean_square_against_the_table_and_a_fine_sum():
    """The table of crystals.md, and 20,000 nodes of the definition."""
    sigmas = torch.tensor([0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5], dtype=torch.float64)
    found = mean_square_score(sigmas)
    torch.testing.assert_close(found[:3] * sigmas[:3].square(), torch.ones(3, dtype=torch.float64), rtol=1e-4, atol=0)
    torch.testing.assert_close(found[3:], at(1) * torch.tensor([19.08, 2.324, 0.1429, 0.00408]), rtol=2e-3, atol=0)
    x = (torch.arange(20_000, dtype=torch.float64) / 20_000 - 0.5).requires_grad_()
    for sigma in (0.002, 0.02, 0.041, 0.1, 0.13, 0.3, 0.5):
        density = summed(x, sigma, 8)
        (slope,) = torch.autograd.grad(density.sum(), x)
        expected = float((slope.square() * density.exp()).mean().detach())
        assert float(mean_square_score(at(sigma))) == pytest.approx(expected, rel=1e-9)


def test_mean_square_of_a_wide_density():
    sigma = torch.tensor([1.0, 4.0], dtype=torch.float64)
    expected = 8 * math.pi**2 * torch.exp(-4 * math.pi**2 * sigma.square())
    torch.testing.assert_close(mean_square_score(sigma), expected, rtol=1e-8, atol=0)


def test_schedule_is_the_reference_grid():
    process = WrappedNormal(0.005, 0.5, 1000)
    grid = torch.exp(torch.linspace(math.log(0.005), math.log(0.5), 1000, dtype=torch.float64))
    times = torch.arange(1001, dtype=torch.float64) / 1000
    torch.testing.assert_close(process.sigma(times), torch.cat([at(0), grid]), rtol=1e-12, atol=0)


def test_corruption_and_its_target(generator):
    """x_t stays on the torus; the target has unit mean square and points from x_t back to x_0."""
    process, shape = WrappedNormal(), (5, 8000, 3)
    t = torch.tensor([0.001, 0.4, 0.8, 0.9, 1.0], dtype=torch.float64)
    x0 = torch.rand(shape, generator=generator, dtype=torch.float64)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    x_t, target = process.corrupt(x0, t, noise), process.target(t, noise)
    assert bool(((x_t >= 0) & (x_t < 1)).all())
    assert torch.allclose(process.corrupt(x0, torch.zeros_like(t), noise), x0)
    torch.testing.assert_close(target.square().mean((1, 2)), torch.ones_like(t), rtol=0.05, atol=0)
    sigma = process.sigma(t)[:, None, None]
    torch.testing.assert_close(process.score_of(target, t), score(x_t - x0, sigma), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(process.score_of(target, t)[0], -noise[0] / process.sigma(t[:1]))


def mixture_score(x, sigma, places, shares):
    """Score of a mixture of wrapped normals about ``places`` (P,)."""
    away = x.unsqueeze(-1) - places
    weights = (log_density(away, sigma) + shares.log()).softmax(-1)
    return (weights * score(away, sigma)).sum(-1)


def sampled(process, count, steps, places, shares, generator, corrector):
    draw = lambda: torch.randn(1, count, generator=generator, dtype=torch.float64)  # noqa: E731
    x = torch.rand(1, count, generator=generator, dtype=torch.float64)
    times = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    for k in range(steps):
        t, s = times[k : k + 1], times[k + 1 : k + 2]
        if corrector:
            x = process.corrector(x, mixture_score(x, process.sigma(t), places, shares), t, draw(), corrector)
        x = process.predictor(x, mixture_score(x, process.sigma(t), places, shares), t, s, draw())
    return x


@pytest.mark.parametrize("corrector", [0.0, 1e-5])
def test_the_sampler_returns_a_known_point(corrector, generator):
    """A crystal of one place: every draw ends in it. The reference's step size; 300 steps and 20."""
    place = at(0.93)
    for steps in (300, 20):
        x = sampled(WrappedNormal(), 30, steps, place, at(1.0), generator, corrector)
        assert float(shortest(x - place).abs().max()) < 1e-9


@pytest.mark.parametrize("corrector", [0.0, 1e-5])
def test_the_sampler_gives_back_two_points(corrector, generator):
    """Shares 0.7 and 0.3, to five standard errors of 1,500 draws; the prior's 1.5 % from uniform is under that."""
    places, shares = torch.tensor([0.1, 0.55], dtype=torch.float64), torch.tensor([0.7, 0.3], dtype=torch.float64)
    x = sampled(WrappedNormal(), 1500, 100, places, shares, generator, corrector)
    away = shortest(x.unsqueeze(-1) - places).abs()
    assert float(away.min(-1).values.max()) < 1e-6
    assert float((away[..., 0] < 0.01).double().mean()) == pytest.approx(0.7, abs=5 * math.sqrt(0.21 / 1500))


def test_the_corrector_leads_to_the_distribution_of_its_time(generator):
    """Langevin steps widen too narrow a start to the wrapped normal of their time; mean cosine exp(-2 pi^2 sigma^2)."""
    process, t, count = WrappedNormal(), at(0.8), 5000
    sigma = process.sigma(t)
    x = wrap(0.2 + 0.5 * sigma * torch.randn(1, count, generator=generator, dtype=torch.float64))
    for _ in range(40):
        noise = torch.randn(1, count, generator=generator, dtype=torch.float64)
        x = process.corrector(x, score(x - 0.2, sigma), t, noise, 1e-6)
    mean = torch.cos(2 * math.pi * (x - 0.2)).mean()
    assert float(mean) == pytest.approx(math.exp(-2 * math.pi**2 * float(sigma) ** 2), abs=0.05)
