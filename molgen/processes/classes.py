"""Drawing classes: priors over a state space and inverse distribution functions."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

PRIORS: Final = ("uniform", "marginal", "mask")


def class_prior(name: str, marginal: Tensor) -> Tensor:
    """Probability of each state at the end of a categorical process, float64.

    Args:
        name: ``uniform``; ``marginal``, the data's own shares; or ``mask``, one absorbing state after the K classes.
        marginal: Share of each class in the data, shape ``(K,)``.

    Returns:
        Shape ``(S,)``; S = K + 1 with a mask, K otherwise.

    Raises:
        ValueError: The name is unknown.
    """
    shares = marginal.double()
    if name == "uniform":
        return torch.full_like(shares, 1.0 / len(shares))
    if name == "marginal":
        return shares / shares.sum()
    if name == "mask":
        return torch.cat([torch.zeros_like(shares), shares.new_ones(1)])
    raise ValueError(f"unknown prior {name!r}; known: {', '.join(PRIORS)}")


def draw_class(weights: Tensor, uniform: Tensor) -> Tensor:
    """One class by inverse distribution function; a class of weight zero is never drawn.

    Args:
        weights: Of each class, not negative, not all zero, shape ``(..., K)``; they need not sum to one.
        uniform: Draws in [0, 1), shape ``(...)``, float64 or the dtype of ``weights``.

    Returns:
        Shape ``(...)``, int64.
    """
    steps = weights.cumsum(-1)
    aim = uniform.unsqueeze(-1).to(steps.dtype) * steps[..., -1:]
    return (aim >= steps).sum(-1).clamp(max=weights.shape[-1] - 1)
