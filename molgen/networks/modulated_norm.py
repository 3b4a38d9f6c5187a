"""LayerNorm followed by a scale and a shift per structure, in the dtype that the next product wants."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_EPS = 1e-5


def modulated_norm(h: Tensor, scale: Tensor, shift: Tensor, dtype: torch.dtype) -> Tensor:
    """norm(h) (1 + scale) + shift, computed in the dtype of ``h`` and rounded once.

    Args:
        h: Atoms, shape ``(B, N, H)``.
        scale, shift: Per structure, in the dtype of ``h``, shape ``(B, 1, H)``.
        dtype: Of the result.
    """
    result: Tensor = _ModulatedNorm.apply(h, scale, shift, dtype)
    return result


class _ModulatedNorm(torch.autograd.Function):
    """Written out because the parts' own backward passes would convert and add the same gradients several times."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, scale: Tensor, shift: Tensor, dtype: torch.dtype) -> Tensor:
        normal, mean, deviation = torch.native_layer_norm(h, h.shape[-1:], None, None, _EPS)
        factor = 1 + scale
        ctx.save_for_backward(h, normal, mean, deviation, factor)
        return torch.addcmul(shift, normal, factor).to(dtype)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        h, normal, mean, deviation, factor = ctx.saved_tensors
        gradient = gradient.to(h.dtype)
        d_scale, d_shift = (gradient * normal).sum(1, keepdim=True), gradient.sum(1, keepdim=True)
        parts = torch.ops.aten.native_layer_norm_backward(
            gradient * factor, h, h.shape[-1:], mean, deviation, None, None, [True, False, False]
        )
        return parts[0], d_scale, d_shift, None
