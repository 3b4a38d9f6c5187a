"""Time as a network's input."""

from __future__ import annotations

import torch
from torch import Tensor


def time_features(t: Tensor, count: int) -> Tensor:
    """Sines and cosines of multiples of sqrt(t) pi / 2, which tell times near the data apart, shape ``(B, count)``.

    Args:
        t: Times in [0, 1], shape ``(B,)``.
        count: An even number.
    """
    frequencies = torch.arange(1, count // 2 + 1, device=t.device, dtype=t.dtype) * (torch.pi / 2)
    angles = t.clamp(min=0).sqrt().unsqueeze(-1) * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
