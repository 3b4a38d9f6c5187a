"""The subspace of zero centre of mass, where translation-invariant densities live."""

from __future__ import annotations

from torch import Tensor


def remove_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Project onto zero mean over the real atoms of each structure; padding becomes zero.

    Args:
        x: Vectors, shape ``(B, N, 3)``.
        mask: True where an atom is real, shape ``(B, N)``.
    """
    weight = mask.unsqueeze(-1).to(x.dtype)
    mean = (x * weight).sum(dim=1, keepdim=True) / weight.sum(dim=1, keepdim=True).clamp(min=1)
    return (x - mean) * weight
