"""Reading categories and integers off a continuous latent at t = 0: the discretised likelihood of EDM."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_TINY = 1e-10


def _interval_probability(centre: Tensor, std: Tensor) -> Tensor:
    """P(-1/2 < y < 1/2) for y ~ N(centre, std^2)."""
    scale = 1.0 / (std * math.sqrt(2.0))
    return 0.5 * (torch.erf((centre + 0.5) * scale) - torch.erf((centre - 0.5) * scale))


def categorical_log_prob(latent: Tensor, index: Tensor, std: Tensor) -> Tensor:
    """log p(class | latent): each class's mass in [1/2, 3/2] of its coordinate, normalised over classes.

    Hoogeboom et al. 2022, section 3.3.

    Args:
        latent: Un-normalised one-hot coordinates at t = 0, shape ``(..., K)``.
        index: Class of each atom, shape ``(...)``, int64.
        std: Noise of the un-normalised coordinates, broadcastable to ``latent``.

    Returns:
        Log-probabilities in nats, shape ``(...)``.
    """
    mass = torch.log(_interval_probability(latent - 1.0, std) + _TINY)
    return mass.log_softmax(dim=-1).gather(-1, index.unsqueeze(-1)).squeeze(-1)


def integer_log_prob(latent: Tensor, value: Tensor, std: Tensor) -> Tensor:
    """log P(value - 1/2 < y < value + 1/2) for y ~ N(latent, std^2), in nats.

    Args:
        latent: Un-normalised integer coordinate at t = 0, shape ``(...)``.
        value: The integer, shape ``(...)``.
        std: Noise of the coordinate, broadcastable to ``latent``.
    """
    return torch.log(_interval_probability(value - latent, std) + _TINY)
