import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from molgen.processes.gaussian import GaussianProcess
from molgen.processes.schedule import AdaptiveCosineSchedule, make_schedule

DOUBLE = {"dtype": torch.float64}


@pytest.fixture(params=["polynomial_2", "cosine"])
def process(request):
    return GaussianProcess(make_schedule(request.param, precision=1e-5, num_steps=1000))


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(3)


TIMES = [(1.0, 0.999), (0.7, 0.2), (0.5, 0.499), (0.05, 0.0), (0.001, 0.0)]


@pytest.mark.parametrize(("t", "s"), TIMES)
def test_posterior_is_bayes_rule(process, t, s):
    """q(z_s | z_t, x) from the product of q(z_s | x) and q(z_t | z_s) on a grid."""
    t, s = torch.tensor([t], **DOUBLE), torch.tensor([s], **DOUBLE)
    schedule = process.schedule
    a_t, a_s, v_t, v_s = (float(f(u)) for f in (schedule.alpha, schedule.sigma_squared) for u in (t, s))
    x, noise = 0.8, -0.6
    z_t = a_t * x + math.sqrt(v_t) * noise
    a_ts = a_t / a_s
    v_ts = v_t - a_ts**2 * v_s
    mean, std = process.posterior(torch.tensor([[z_t]], **DOUBLE), torch.tensor([[noise]], **DOUBLE), t, s)
    centre, width = float(mean), float(std)
    z_s = torch.linspace(centre - 12 * width, centre + 12 * width, 20001, **DOUBLE)
    log_density = -((z_s - a_s * x) ** 2) / (2 * v_s) - (z_t - a_ts * z_s) ** 2 / (2 * v_ts)
    weight = (log_density - log_density.max()).exp()
    weight /= weight.sum()
    numerical_mean = float((weight * z_s).sum())
    assert centre == pytest.approx(numerical_mean, abs=1e-6 * max(width, 1e-3))
    assert width == pytest.approx(float((weight * (z_s - numerical_mean) ** 2).sum().sqrt()), rel=1e-6)


@pytest.mark.parametrize(("t", "s"), TIMES)
def test_posterior_of_clean_is_that_of_noise(process, t, s, generator):
    t, s = torch.tensor([t], **DOUBLE), torch.tensor([s], **DOUBLE)
    x0, noise = (torch.randn(4, 3, generator=generator, **DOUBLE) for _ in range(2))
    z_t = process.corrupt(x0, t, noise)
    for mine, other in zip(process.posterior_of_clean(z_t, x0, t, s), process.posterior(z_t, noise, t, s), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-7, atol=1e-9)


def test_posterior_of_clean_ends_in_the_prediction(generator):
    """With a schedule that leaves no noise at t = 0."""
    process = GaussianProcess(AdaptiveCosineSchedule(2.5))
    z_t, x0 = (torch.randn(4, 3, generator=generator) for _ in range(2))
    for t in (1.0, 0.5, 0.002):
        mean, std = process.posterior_of_clean(z_t, x0, torch.tensor([t], **DOUBLE), torch.zeros(1))
        torch.testing.assert_close(mean, x0, rtol=1e-6, atol=1e-6)
        assert not std.any()


@pytest.mark.parametrize(("t", "s"), TIMES)
def test_transition_std_two_ways(process, t, s):
    t, s = torch.tensor([t], **DOUBLE), torch.tensor([s], **DOUBLE)
    std = process.transition_std(t, s)
    gamma = process.schedule.gamma
    softplus = torch.nn.functional.softplus
    reference = torch.sqrt(-torch.expm1(softplus(gamma(s)) - softplus(gamma(t))))  # Kingma et al. 2021, appendix
    torch.testing.assert_close(std, reference, rtol=1e-7, atol=0)


def test_corrupt_then_denoised_gives_the_field_back(process, generator):
    x, noise = (torch.randn(4, 5, 2, generator=generator, **DOUBLE) for _ in range(2))
    t = torch.tensor([0.0, 0.3, 0.8, 1.0], **DOUBLE)
    z_t = process.corrupt(x, t, noise)
    torch.testing.assert_close(process.denoised(z_t, noise, t), x, rtol=1e-9, atol=1e-9)
    alpha, sigma = process.schedule.alpha(t), process.schedule.sigma(t)
    torch.testing.assert_close(z_t[2], alpha[2] * x[2] + sigma[2] * noise[2])


def test_steps_compose_to_the_forward_kernel(process):
    """Going t -> s by the posterior leaves q(z_s | x): its variance is what the forward kernel gives at s."""
    t, s = torch.tensor([0.6], **DOUBLE), torch.tensor([0.35], **DOUBLE)
    x = 1.3
    a_t, s_t = float(process.schedule.alpha(t)), float(process.schedule.sigma(t))
    noise = torch.tensor([[-1.0], [0.0], [1.0]], **DOUBLE)  # the mean is linear in the noise: its slope is what counts
    mean, std = process.posterior(a_t * x + s_t * noise, noise, t, s)
    slope = float(mean[2] - mean[1])
    torch.testing.assert_close(mean[1, 0], process.schedule.alpha(s)[0] * x)
    assert slope**2 + float(std) ** 2 == pytest.approx(float(process.schedule.sigma_squared(s)), rel=1e-9)


def test_ddim_keeps_the_noise_and_the_estimate(process, generator):
    x, noise = (torch.randn(2, 3, generator=generator, **DOUBLE) for _ in range(2))
    t, s = torch.tensor([0.9, 0.5], **DOUBLE), torch.tensor([0.4, 0.0], **DOUBLE)
    z_s = process.ddim_step(process.corrupt(x, t, noise), noise, t, s)
    torch.testing.assert_close(z_s, process.corrupt(x, s, noise), rtol=1e-9, atol=1e-9)


def test_prior_kl_against_torch(process, generator):
    x = torch.randn(2, 4, generator=generator, **DOUBLE)
    x[1, 2:] = 0.0  # padding
    one = torch.ones(1, **DOUBLE)
    alpha, sigma = process.schedule.alpha(one), process.schedule.sigma(one)
    expected = kl_divergence(Normal(alpha * x, sigma.expand_as(x)), Normal(0.0, 1.0))
    actual = process.prior_kl(x, torch.tensor([4, 2]))
    torch.testing.assert_close(actual[0], expected[0].sum(), rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(actual[1], expected[1, :2].sum(), rtol=1e-6, atol=1e-12)


def test_reconstruction_nll_against_torch(process, generator):
    x, noise, predicted = (torch.randn(3, 6, generator=generator, **DOUBLE) for _ in range(3))
    zero = torch.zeros(3, **DOUBLE)
    z_0 = process.corrupt(x, zero, noise)
    std = process.schedule.sigma(zero[:1]) / process.schedule.alpha(zero[:1])
    expected = -Normal(process.denoised(z_0, predicted, zero), std).log_prob(x).sum(1)
    actual = process.reconstruction_nll((noise - predicted).square().sum(1), torch.full((3,), 6))
    torch.testing.assert_close(actual, expected, rtol=1e-8, atol=1e-8)


def test_bound_weight_is_the_kl_between_posteriors(process, generator):
    """1/2 (SNR_s/SNR_t - 1) |eps - eps'|^2 = KL(q(z_s | z_t, x) || q(z_s | z_t, x'))."""
    z_t, noise, predicted = (torch.randn(1, 5, generator=generator, **DOUBLE) for _ in range(3))
    t, s = torch.tensor([0.42], **DOUBLE), torch.tensor([0.41], **DOUBLE)
    (true_mean, std), (model_mean, _) = (process.posterior(z_t, e, t, s) for e in (noise, predicted))
    expected = kl_divergence(Normal(true_mean, std), Normal(model_mean, std)).sum()
    actual = 0.5 * process.bound_weight(t, s)[0] * (noise - predicted).square().sum()
    torch.testing.assert_close(actual, expected, rtol=1e-8, atol=0)
