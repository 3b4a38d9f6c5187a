"""Time and size as a network's input."""

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


def time_and_size(t: Tensor, mask: Tensor, largest: int, count: int) -> Tensor:
    """:func:`time_features`, then the number of atoms and its square, shape ``(B, count + 2)``.

    Args:
        t: Times in [0, 1], shape ``(B,)``.
        mask: True for real atoms, shape ``(B, N)``.
        largest: Number of atoms that counts as 1.
        count: Features of the time.
    """
    size = mask.sum(1).to(t.dtype) / largest
    return torch.cat([time_features(t, count), torch.stack([size, size.square()], dim=-1)], dim=-1)
