import math

import pytest
import torch
from torch.distributions import Normal

from molgen.processes.discretised import categorical_log_prob, integer_log_prob


def integral(low: float, high: float, mean: float, std: float) -> float:
    """Simpson's rule for the mass of a normal density between two points."""
    x = torch.linspace(low, high, 2001, dtype=torch.float64)
    weights = torch.ones_like(x)
    weights[1:-1:2], weights[2:-1:2] = 4.0, 2.0
    density = Normal(*torch.tensor([mean, std], dtype=torch.float64)).log_prob(x).exp()
    return float((weights * density).sum() * (high - low) / 2000 / 3)


@pytest.mark.parametrize(("latent", "value", "std"), [(3.2, 3, 0.4), (3.2, 4, 0.4), (-1.0, 2, 1.5), (6.0, 6, 0.05)])
def test_integer_mass_is_the_integral(latent, value, std):
    tensors = [torch.tensor(v, dtype=torch.float64) for v in (latent, value, std)]
    actual = float(integer_log_prob(tensors[0], tensors[1], tensors[2]).exp())
    assert actual == pytest.approx(integral(value - 0.5, value + 0.5, latent, std), abs=2e-10)


def test_integers_sum_to_one():
    values = torch.arange(-40, 41, dtype=torch.float64)
    total = integer_log_prob(torch.full_like(values, 0.37), values, torch.tensor(1.3, dtype=torch.float64)).exp().sum()
    assert float(total) == pytest.approx(1.0, abs=1e-8)


def test_classes_sum_to_one_and_follow_their_mass():
    latent = torch.tensor([0.2, 0.9, -0.3, 1.4], dtype=torch.float64)
    std = torch.tensor(0.3, dtype=torch.float64)
    probabilities = torch.stack([categorical_log_prob(latent, torch.tensor(k), std) for k in range(4)]).exp()
    assert float(probabilities.sum()) == pytest.approx(1.0, abs=1e-12)
    masses = [integral(0.5, 1.5, float(value), 0.3) for value in latent]
    for probability, mass in zip(probabilities.tolist(), masses, strict=True):
        assert probability == pytest.approx(mass / sum(masses), abs=1e-8)


def test_small_noise_reads_the_class_and_never_gives_minus_infinity():
    onehot = torch.eye(5, dtype=torch.float64)
    std = torch.tensor(0.0127, dtype=torch.float64)  # sigma_0 times EDM's scale of 4
    right = categorical_log_prob(onehot, torch.arange(5), std)
    wrong = categorical_log_prob(onehot, (torch.arange(5) + 1) % 5, std)
    assert bool((right > -1e-8).all())
    assert bool((wrong < math.log(1e-9)).all())
    assert bool(torch.isfinite(wrong).all())


def test_far_away_values_keep_a_gradient_free_of_nan():
    latent = torch.tensor([[30.0, -30.0]], dtype=torch.float64, requires_grad=True)
    std = torch.tensor(0.01, dtype=torch.float64)
    categorical_log_prob(latent, torch.tensor([1]), std).sum().backward()
    assert bool(torch.isfinite(latent.grad).all())
