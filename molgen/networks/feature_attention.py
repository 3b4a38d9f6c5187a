"""Attention with one weight per feature: softmax over neighbours of pair logits as wide as the atoms."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def attend_by_feature(logits: Tensor, values: Tensor, pairs: Tensor) -> Tensor:
    """sum_j softmax_j(logits_ij) * values_j, feature by feature, over the pairs that are there (Le et al. 2022).

    Forward and backward are written out: of the tensors of the logits' size, one is kept, not three.

    Args:
        logits: Shape ``(B, N, N, H)``.
        values: Shape ``(B, N, H)``.
        pairs: 1 where j is a neighbour of i, else 0, shape ``(B, N, N, 1)``.

    Returns:
        Shape ``(B, N, H)``; zero for an atom without neighbours.
    """
    result: Tensor = _Attend.apply(logits, values.to(logits.dtype), pairs.to(logits.dtype))
    return result


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, values: Tensor, pairs: Tensor) -> Tensor:
        weights = (logits - logits.amax(2, keepdim=True)).exp_().mul_(pairs)
        # With neighbours the sum is about 1 or more, but for the rare case that the largest logit is none of theirs.
        scale = 1.0 / weights.sum(2).clamp(min=1e-20)
        output = (weights * values.unsqueeze(1)).sum(2) * scale
        ctx.save_for_backward(weights, scale, values, output)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]
        weights, scale, values, output = ctx.saved_tensors
        weighted = weights * (gradient * scale).unsqueeze(2)
        return (values.unsqueeze(1) - output.unsqueeze(2)).mul_(weighted), weighted.sum(1), None
