"""The update of the pair state: a SiLU layer over pair, distance and both atoms, a residual, LayerNorm.

Forward and backward are written out: the pair tensors are what a thin network moves through memory, so sums are
accumulated by the products themselves and nothing is kept that the backward pass does not read.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def pair_update(
    z: Tensor, atoms: Tensor, radial: Tensor, ends: Tensor, layers: tuple[Tensor, ...], norm: torch.nn.LayerNorm
) -> Tensor:
    """norm(z + W2 SiLU(W1 z + Wr r + a_i + a_j) + b2), shape ``(B, P, C)``.

    Args:
        z: Pairs, shape ``(B, P, C)``.
        atoms: a, shape ``(B, N, C)``.
        radial: r, of which there is no gradient, shape ``(B, P, R)``.
        ends: 1 where an atom is an end of a pair, shape ``(B, P, N)``.
        layers: W1 ``(C, C)``, Wr ``(C, R)``, W2 ``(C, C)`` and b2 ``(C,)``.
        norm: Over C, with weight and bias.
    """
    dtype = z.dtype
    inputs = z, atoms.to(dtype), radial.to(dtype), ends, *(layer.to(dtype) for layer in layers)
    result: Tensor = _PairUpdate.apply(*inputs, norm.weight, norm.bias, norm.eps)
    return result


class _PairUpdate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        atoms: Tensor,
        radial: Tensor,
        ends: Tensor,
        first: Tensor,
        distance: Tensor,
        second: Tensor,
        bias: Tensor,
        weight: Tensor,
        offset: Tensor,
        eps: float,
    ) -> Tensor:
        needs_gradient = any(ctx.needs_input_grad)
        inner = torch.mm(_rows(z), first.t())
        inner.addmm_(_rows(radial), distance.t())
        inner.view(z.shape).baddbmm_(ends, atoms)
        active = F.silu(inner, inplace=not needs_gradient)
        total = torch.addmm(bias, active, second.t()).view(z.shape).add_(z)
        result, mean, deviation = torch.native_layer_norm(total, z.shape[-1:], weight, offset, eps)
        if needs_gradient:
            layers = first, second, weight, offset
            ctx.save_for_backward(z, radial, ends, inner, active, total, mean, deviation, *layers)
        return result

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        z, radial, ends, inner, active, total, mean, deviation, first, second, weight, offset = ctx.saved_tensors
        d_total, d_weight, d_offset = torch.ops.aten.native_layer_norm_backward(
            gradient.contiguous(), total, z.shape[-1:], mean, deviation, weight, offset, [True, True, True]
        )
        d_rows = _rows(d_total)
        d_second, d_bias = torch.mm(d_rows.t(), active), d_rows.sum(0)
        d_inner = torch.ops.aten.silu_backward(torch.mm(d_rows, second), inner)
        d_first, d_distance = torch.mm(d_inner.t(), _rows(z)), torch.mm(d_inner.t(), _rows(radial))
        d_atoms = torch.bmm(ends.mT, d_inner.view(z.shape))
        d_z = d_rows.addmm_(d_inner, first).view(z.shape)
        return d_z, d_atoms, None, None, d_first, d_distance, d_second, d_bias, d_weight, d_offset, None


def _rows(pairs: Tensor) -> Tensor:
    """``(B, P, C)`` -> ``(B P, C)``."""
    return pairs.reshape(-1, pairs.shape[-1])
