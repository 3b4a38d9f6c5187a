"""Attention among the atoms of a structure, biased by a symmetric number per pair and head."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from molgen.networks.half_pairs import HalfPairs


def pair_attention(query_key_value: Tensor, bias: Tensor, blocked: Tensor, pairs: HalfPairs) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v, with the softmax in float32 or wider; the bias is 0 on the diagonal.

    Args:
        query_key_value: q, k and v of all heads, one after the other, shape ``(B, N, 3 H)``.
        bias: Shape ``(B, P, heads)``, same dtype.
        blocked: True where an atom must not look, shape ``(B, 1, 1, N)``.
        pairs: Index maps.

    Returns:
        Shape ``(B, N, H)``.
    """
    result: Tensor = _PairAttention.apply(query_key_value, bias, blocked, pairs)
    return result


class _PairAttention(torch.autograd.Function):
    """Written out because the small matrices of many heads cost more to move and convert than to multiply."""

    @staticmethod
    def forward(ctx: Any, query_key_value: Tensor, bias: Tensor, blocked: Tensor, pairs: HalfPairs) -> Tensor:
        structures, atoms, heads = len(bias), pairs.atoms, bias.shape[-1]
        split = query_key_value.view(structures, atoms, 3, heads, -1).permute(2, 0, 3, 1, 4).contiguous()
        query, key, value = split.flatten(1, 2)
        query.mul_(1 / math.sqrt(query.shape[-1]))
        logits = pairs.expand(bias).permute(0, 3, 1, 2).contiguous().masked_fill_(blocked, -torch.inf)
        logits = logits.flatten(0, 1).baddbmm_(query, key.mT)
        attention = logits.softmax(-1, dtype=_wide(logits)).to(logits.dtype)
        ctx.pairs, ctx.heads = pairs, heads
        ctx.save_for_backward(split, attention)
        seen = torch.bmm(attention, value).view(structures, heads, atoms, -1)
        return seen.transpose(1, 2).reshape(structures, atoms, -1)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        split, attention = ctx.saved_tensors
        query, key, value = split.flatten(1, 2)
        structures, atoms = gradient.shape[:2]
        heads = gradient.view(structures, atoms, ctx.heads, -1).transpose(1, 2).reshape(value.shape)
        wide = attention.to(_wide(attention))
        slope = torch.bmm(heads, value.mT).to(wide.dtype)
        slope = torch._softmax_backward_data(slope, wide, -1, wide.dtype).to(attention.dtype)
        d_split = torch.empty_like(split)
        d_query, d_key, d_value = d_split.flatten(1, 2)
        torch.bmm(slope, key, out=d_query).mul_(1 / math.sqrt(key.shape[-1]))
        torch.bmm(slope.mT, query, out=d_key)
        torch.bmm(attention.mT, heads, out=d_value)
        d_input = d_split.permute(1, 3, 0, 2, 4).reshape(structures, atoms, -1)
        dense = slope.view(structures, ctx.heads, atoms, atoms).permute(0, 2, 3, 1)
        return d_input, ctx.pairs.collect(dense), None, None


def _wide(tensor: Tensor) -> torch.dtype:
    """Type of a softmax: bfloat16's own is slower and less exact."""
    return torch.promote_types(tensor.dtype, torch.float32)
