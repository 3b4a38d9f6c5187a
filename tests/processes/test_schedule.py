import math

import numpy as np
import pytest
import torch

from molgen.processes.schedule import (
    AdaptiveCosineSchedule,
    ClippedCosineSchedule,
    CosineSchedule,
    PolynomialSchedule,
    make_schedule,
)

GRID = torch.arange(1001, dtype=torch.float64) / 1000


def clipped_polynomial() -> np.ndarray:
    """EDM's table as its paper's code makes it: clip the ratios of neighbours, multiply up, shrink by the precision."""
    raw = (1 - np.linspace(0, 1, 1001) ** 2) ** 2
    ratios = np.clip(raw / np.concatenate([[1.0], raw[:-1]]), 0.001, 1.0)
    return (1 - 2e-5) * np.cumprod(ratios) + 1e-5


def test_published_checkpoints():
    schedule = PolynomialSchedule()
    alpha2, gamma = schedule.alpha_squared(GRID), schedule.gamma(GRID)
    for step, value in ((0, 0.99999), (500, 0.5624987), (999, 1.39959e-5), (1000, 1.00040e-5)):
        assert float(alpha2[step]) == pytest.approx(value, rel=1e-5)
    assert float(gamma[0]) == pytest.approx(-11.5129, abs=5e-5)
    assert float(gamma[1000]) == pytest.approx(11.5125, abs=5e-5)
    assert float(schedule.sigma(torch.zeros(()))) == pytest.approx(0.00316, abs=5e-6)


def test_closed_form_equals_the_clipped_table_everywhere():
    np.testing.assert_allclose(PolynomialSchedule().alpha_squared(GRID).numpy(), clipped_polynomial(), rtol=1e-11)


@pytest.mark.parametrize("name", ["polynomial_2", "cosine"])
def test_variance_is_preserved_and_signal_falls(name):
    schedule = make_schedule(name, precision=1e-5, num_steps=1000)
    alpha, sigma, gamma = schedule.alpha(GRID), schedule.sigma(GRID), schedule.gamma(GRID)
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones_like(alpha), rtol=1e-14, atol=0)
    torch.testing.assert_close(gamma, -torch.log(alpha**2 / sigma**2), rtol=1e-10, atol=1e-10)
    assert bool((gamma.diff() > 0).all())
    assert bool(torch.isfinite(gamma).all())
    assert gamma.dtype == torch.float64
    assert make_schedule(name, precision=1e-5, num_steps=1000).gamma(GRID.float()).dtype == torch.float64


def test_cosine_values():
    schedule = CosineSchedule(precision=1e-5)
    assert float(schedule.alpha_squared(torch.zeros(()))) == pytest.approx(1 - 1e-5, abs=1e-12)
    assert float(schedule.alpha_squared(torch.ones(()))) == pytest.approx(1e-5, abs=1e-12)
    waves = [math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2 for t in (0.5, 0.0)]
    assert float(schedule.alpha_squared(torch.tensor(0.5))) == pytest.approx(waves[0] / waves[1], abs=2e-5)


def test_precision_sets_both_ends():
    for schedule in (PolynomialSchedule(1e-3), CosineSchedule(1e-3)):
        ends = schedule.alpha_squared(torch.tensor([0.0, 1.0])).tolist()
        assert ends == pytest.approx([1 - 1e-3, 1e-3], rel=1e-4)


def test_unknown_name():
    with pytest.raises(ValueError, match="known: polynomial_2, cosine"):
        make_schedule("polynomial", precision=1e-5, num_steps=10)


def reference_table(nu: float, steps: int = 500) -> np.ndarray:
    """alpha as the reference makes it: the cosine over its value at 0, ratios of neighbours bounded, multiplied up."""
    raw = np.cos(0.5 * np.pi * ((np.arange(steps + 1) / steps) ** nu + 0.008) / 1.008) ** 2
    raw = raw / raw[0]
    ratios = np.clip(raw[1:] / raw[:-1], 0.05, 1.0)
    return np.concatenate([[1.0], np.cumprod(ratios)])


@pytest.mark.parametrize("nu", [1.0, 1.5, 2.5])
def test_adaptive_cosine_equals_the_bounded_table(nu):
    alpha = AdaptiveCosineSchedule(nu).alpha(torch.arange(501, dtype=torch.float64) / 500)
    np.testing.assert_allclose(alpha.numpy(), reference_table(nu), rtol=1e-9)


@pytest.mark.parametrize("nu", [1.0, 1.5, 2.5])
def test_adaptive_cosine_is_stable_at_both_ends(nu):
    schedule = AdaptiveCosineSchedule(nu)
    assert float(schedule.alpha(torch.zeros(()))) == 1.0
    assert float(schedule.lost(torch.zeros(()))) == 0.0
    assert float(schedule.sigma(torch.zeros(()))) == 0.0
    alpha, lost = schedule.alpha(GRID), schedule.lost(GRID)
    torch.testing.assert_close(alpha + lost, torch.ones_like(alpha), rtol=1e-14, atol=0)
    torch.testing.assert_close(schedule.alpha_squared(GRID) + schedule.sigma_squared(GRID), torch.ones_like(alpha))
    assert bool((alpha.diff() < 0).all())
    assert 0 < float(alpha[-1]) < 1e-4
    small = torch.tensor([1e-6, 1e-4], dtype=torch.float64)  # 1 - alpha to first order is 2 tan(start) * angle
    slope = 2 * math.tan(math.pi / 2 * 0.008 / 1.008) * math.pi / 2 / 1.008
    np.testing.assert_allclose(schedule.lost(small), slope * small**nu, rtol=1e-2)


def test_a_larger_exponent_keeps_a_field_longer():
    values = [float(AdaptiveCosineSchedule(nu).alpha(torch.tensor(0.5))) for nu in (1.0, 1.5, 2.5)]
    assert values == sorted(values)
    assert values[0] < 0.51 < 0.9 < values[2]


def test_clipped_cosine_is_the_chain_of_bounded_betas():
    """Nichol & Dhariwal's equation 17 on its grid; both bounds act."""
    time = np.arange(1001) / 1000
    wave = np.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2
    beta = np.clip(1 - wave[1:] / wave[:-1], 1e-4, 0.9999)
    assert beta[0] == 1e-4
    assert beta[-1] == 0.9999
    expected = np.concatenate([[1.0], np.cumprod(1 - beta)])
    schedule = ClippedCosineSchedule()
    np.testing.assert_allclose(schedule.alpha_squared(GRID).numpy(), expected, rtol=1e-10)
    np.testing.assert_allclose(schedule.sigma_squared(GRID).numpy(), 1 - expected, rtol=1e-9, atol=0)


def test_clipped_cosine_between_its_steps():
    schedule, between = ClippedCosineSchedule(100), (torch.arange(300, dtype=torch.float64) + 0.3) / 300
    alpha2 = schedule.alpha_squared(torch.cat([between.new_zeros(1), between, between.new_ones(1)]))
    assert float(alpha2[0]) == 1.0
    assert bool((alpha2.diff() < 0).all())
    halfway = schedule.alpha_squared(torch.tensor([0.50, 0.505, 0.51]))
    assert float(halfway[1]) == pytest.approx(math.sqrt(float(halfway[0] * halfway[2])), rel=1e-12)
