"""Solvers against what is known exactly: moments of Gaussian data, weights of point masses, orders of convergence."""

import math

import numpy as np
import pytest
import torch

from molgen.errors import ConfigError
from molgen.models import DataSummary, build
from molgen.models.edm import EDMConfig
from molgen.sampling.settings import Settings, time_grid
from molgen.solvers.gaussian import SOLVERS, ancestral, ddim, dpm
from tests.sampling.exact import ExactModel, GaussianData, Points, masks, noise_for

DATA = GaussianData(position_std=1.4, feature_mean=0.3, feature_std=0.6)


def solve(solver, model, mask, steps, seed=0):
    noise = noise_for(mask, seed)
    return solver(model, model.centred_noise(mask, noise), time_grid(steps), mask, noise)


def alpha_sigma(t):
    """EDM's schedule, written out again."""
    floor = 0.001 * (1 - 0.999**2) ** 2
    alpha2 = (1 - 2e-5) * max((1 - t * t) ** 2, floor) + 1e-5
    return math.sqrt(alpha2), math.sqrt(1 - alpha2)


def ancestral_moments(mean, std, steps):
    """Mean and standard deviation of one coordinate after ``steps``, by Bayes' rule on p(z_s | x) p(z_t | z_s)."""
    m, v = 0.0, 1.0
    for k in range(steps, 0, -1):
        alpha_t, sigma_t = alpha_sigma(k / steps)
        alpha_s, sigma_s = alpha_sigma((k - 1) / steps)
        ratio = alpha_t / alpha_s
        added = sigma_t**2 - (ratio * sigma_s) ** 2
        total = 1 / sigma_s**2 + ratio**2 / added
        from_z, from_x = ratio / added / total, alpha_s / sigma_s**2 / total
        gain = alpha_t * std**2 / (alpha_t**2 * std**2 + sigma_t**2)
        m = from_z * m + from_x * (mean + gain * (m - alpha_t * mean))
        v = (from_z + from_x * gain) ** 2 * v + 1 / total
    return m, math.sqrt(v)


def check_moments(z, mask, position_std, feature_mean, feature_std):
    """Sampled moments within four standard errors, positions having 3 (N - 1) degrees of freedom."""
    sizes = mask.sum(1)
    dof = 3 * float((sizes - 1).sum())
    measured = float(z[..., :3].square().sum() / dof)
    assert measured == pytest.approx(position_std**2, rel=4 * math.sqrt(2 / dof))
    features = z[..., 3:][mask].flatten().numpy()
    assert features.mean() == pytest.approx(feature_mean, abs=4 * feature_std / math.sqrt(features.size))
    assert features.var() == pytest.approx(feature_std**2, rel=4 * math.sqrt(2 / features.size))
    assert float(z[..., :3].sum(1).abs().max()) < 1e-9
    assert not z[~mask].any()


@pytest.mark.parametrize("steps", [5, 25, 100])
def test_ancestral_has_exactly_the_moments_of_its_chain(steps):
    mask = masks([3, 5], 3000)
    z = solve(ancestral, DATA, mask, steps)
    _, position_std = ancestral_moments(0.0, 1.4, steps)
    check_moments(z, mask, position_std, *ancestral_moments(0.3, 0.6, steps))


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
def test_moments_of_the_data_with_many_steps(solver):
    mask = masks([2, 4], 2000)
    z = solve(solver, DATA, mask, 300)
    sigma_0 = alpha_sigma(0.0)[1]
    check_moments(z, mask, math.hypot(1.4, sigma_0), 0.3, math.hypot(0.6, sigma_0))


def final_scale(solver, steps, data_std=1.4):
    """What a deterministic solver multiplies a centred Gaussian coordinate by on its way from t = 1 to 0."""
    model, mask = GaussianData(data_std, 0.0, data_std), masks([2], 1)
    z = torch.zeros(1, 2, 5, dtype=torch.float64)
    z[:, 0, 0], z[:, 1, 0] = 1.0, -1.0
    return float(solver(model, z, time_grid(steps), mask, noise_for(mask))[0, 0, 0])


def scale_error(solver, steps, data_std=1.4):
    marginal = [math.sqrt(a**2 * data_std**2 + s**2) for a, s in (alpha_sigma(0.0), alpha_sigma(1.0))]
    return abs(final_scale(solver, steps, data_std) - marginal[0] / marginal[1])


def test_orders_of_convergence():
    errors = {solver: [scale_error(solver, steps) for steps in (200, 400, 800)] for solver in (ddim, dpm)}
    orders = {solver: -np.diff(np.log2(values)) for solver, values in errors.items()}
    assert orders[ddim] == pytest.approx(1, abs=0.25)
    assert (orders[dpm] > 1.6).all()
    assert all(second < 0.2 * first for first, second in zip(errors[ddim], errors[dpm], strict=True))


def test_dpm_is_better_than_ddim_with_few_steps():
    for steps in (10, 20, 50):
        assert scale_error(dpm, steps) < 0.7 * scale_error(ddim, steps)


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
def test_weights_of_point_masses_are_recovered(solver):
    points = torch.zeros(2, 3, 5, dtype=torch.float64)
    points[0, 0, 0], points[0, 1, 0] = 1.0, -1.0
    points[1, 1, 2], points[1, 2, 2] = 0.8, -0.8
    points[0, :, 3], points[1, :, 4] = 0.25, 0.25
    model = Points(points, torch.tensor([0.3, 0.7], dtype=torch.float64))
    mask = masks([3], 3000)
    z = solve(solver, model, mask, 200)
    distance = (z[:, None] - points).square().sum((2, 3)).sqrt()
    nearest, index = distance.min(1)
    assert float(nearest.max()) < 0.05
    assert float((index == 0).double().mean()) == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 3000))


def test_one_ancestral_step_is_the_reference_formula():
    """Hoogeboom et al.'s code gets sigma^2_{t|s} from softplus and log-sigmoid of gamma; done here in that way."""

    class Fixed(ExactModel):
        def denoiser(self, z, t, mask):
            return torch.sin(3 * z)

    model, mask = Fixed(2), masks([4], 6)
    mask[:, 3] = False
    start = model.centred_noise(mask, noise_for(mask, 1))
    times = torch.tensor([0.37, 0.368], dtype=torch.float64)
    result = ancestral(model, start, times, mask, noise_for(mask, 2))

    gamma_t, gamma_s = model.process.schedule.gamma(times).split(1)
    softplus, log_sigmoid = torch.nn.functional.softplus, torch.nn.functional.logsigmoid
    variance_ts = -torch.expm1(softplus(gamma_s) - softplus(gamma_t))
    alpha_ts = torch.exp(0.5 * (log_sigmoid(-gamma_t) - log_sigmoid(-gamma_s)))
    sigma_t, sigma_s = gamma_t.sigmoid().sqrt(), gamma_s.sigmoid().sqrt()
    mean = start / alpha_ts - variance_ts / alpha_ts / sigma_t * torch.sin(3 * start)
    drawn = model.centred_noise(mask, noise_for(mask, 2))
    expected = (mean + variance_ts.sqrt() * sigma_s / sigma_t * drawn) * mask[..., None]
    expected[..., :3] -= (expected[..., :3].sum(1, keepdim=True) / 3) * mask[..., None]
    torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-9)


def test_on_step_is_called_after_every_step():
    mask, seen = masks([3], 2), []
    for solver in SOLVERS.values():
        noise = noise_for(mask)
        start = DATA.centred_noise(mask, noise)
        seen.append([])
        end = solver(DATA, start, time_grid(4), mask, noise, lambda k, z: seen[-1].append((k, z)))
        assert [k for k, _ in seen[-1]] == [1, 2, 3, 4]
        assert torch.equal(seen[-1][-1][1], end)


def test_the_grid_with_the_models_own_steps_is_edms():
    assert torch.equal(time_grid(1000), torch.arange(1000, -1, -1).double() / 1000)
    assert time_grid(3).tolist() == [1.0, 2 / 3, 1 / 3, 0.0]
    assert time_grid(4, spacing=2.0).tolist() == [1.0, 0.5625, 0.25, 0.0625, 0.0]
    with pytest.raises(ConfigError, match="0 sampling steps"):
        time_grid(0)
    for spacing in (0.0, -1.0, math.nan, math.inf, 1e-9, 1000.0):
        with pytest.raises(ConfigError, match=r"must be between 0\.1 and 10"):
            time_grid(4, spacing=spacing)
    for spacing in (0.1, 10.0):
        assert bool((time_grid(10_000, spacing=spacing).diff() < 0).all())


def test_unknown_solver():
    model = build(EDMConfig(hidden=8, layers=1), DataSummary((1, 6), (0, 1)))
    with pytest.raises(ConfigError, match="'euler'") as caught:
        Settings.of(model, solver="euler")
    assert "ancestral, ddim, dpm" in caught.value.hint


def test_second_order_sde_is_better_than_ancestral_with_few_steps():
    mask = masks([4], 4000)
    dof = 3 * 3 * len(mask)
    errors = {}
    for name in ("ancestral", "dpm_sde"):
        z = solve(SOLVERS[name], DATA, mask, 25)
        errors[name] = abs(math.sqrt(float(z[..., :3].square().sum()) / dof) - 1.4)
    assert errors["dpm_sde"] < 0.5 * errors["ancestral"]
