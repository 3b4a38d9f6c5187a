"""Two SiLU layers over all ordered pairs of atoms, with the first layer's atom parts computed per atom.

The layer is where an EGNN spends its time, so forward and backward are written out: the pair tensors are made once and
filled in place, and nothing is kept that the backward pass does not read.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PairMLP(nn.Module):
    """SiLU(W2 SiLU(W1 [h_i, h_j, d_ij] + b1) + b2) for every ordered pair of atoms.

    Args:
        hidden: Width H.
        geometry: Invariants per pair, G.
    """

    def __init__(self, hidden: int, geometry: int) -> None:
        super().__init__()
        self.hidden, self.geometry = hidden, geometry
        self.first = nn.Linear(2 * hidden + geometry, hidden)
        self.second = nn.Linear(hidden, hidden)

    def forward(self, h: Tensor, invariants: Tensor) -> Tensor:
        """Apply the layers.

        Args:
            h: Atom features, shape ``(B, N, H)``.
            invariants: Per pair, shape ``(B, N, N, K G)``: each of the G invariants as K parts that sum to it.

        Returns:
            Shape ``(B, N, N, H)``; entry ``[b, i, j]`` has h_i first.
        """
        left, right, geometry = self.first.weight.split([self.hidden, self.hidden, self.geometry], dim=1)
        geometry = geometry.repeat_interleave(invariants.shape[-1] // self.geometry, dim=1)
        receiver, sender = F.linear(h, left, self.first.bias), F.linear(h, right)
        dtype = receiver.dtype
        second = self.second.weight.to(dtype), self.second.bias.to(dtype)
        inputs = receiver, sender, invariants.to(dtype), geometry.to(dtype), *second
        result: Tensor = _PairMLP.apply(*inputs) if torch.is_grad_enabled() else _layers(*inputs, in_place=True)[-1]
        return result


def _layers(
    receiver: Tensor,
    sender: Tensor,
    invariants: Tensor,
    geometry: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    in_place: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Both pre-activations and both activations, in order; with ``in_place`` only the last of them is what it says."""
    shape = (*invariants.shape[:3], receiver.shape[-1])
    first = (receiver.unsqueeze(2) + sender.unsqueeze(1)).view(-1, shape[-1])
    first.addmm_(invariants.reshape(-1, invariants.shape[-1]), geometry.t())
    hidden = F.silu(first, inplace=in_place)
    second = torch.addmm(bias, hidden, weight.t())
    return first, hidden, second, F.silu(second, inplace=in_place).view(shape)


class _PairMLP(torch.autograd.Function):
    """SiLU(SiLU(r_i + s_j + d_ij G^T) W^T + b); the shapes are those of ``PairMLP``."""

    @staticmethod
    def forward(
        ctx: Any, receiver: Tensor, sender: Tensor, invariants: Tensor, geometry: Tensor, weight: Tensor, bias: Tensor
    ) -> Tensor:
        inputs = receiver, sender, invariants, geometry, weight, bias
        first, hidden, second, output = _layers(*inputs, in_place=False)
        ctx.save_for_backward(first, hidden, second, invariants, geometry, weight)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        first, hidden, second, invariants, geometry, weight = ctx.saved_tensors
        shape = gradient.shape
        d_second = torch.ops.aten.silu_backward(gradient.reshape(second.shape), second)
        d_weight, d_bias = d_second.t() @ hidden, d_second.sum(0)
        d_first = torch.ops.aten.silu_backward(d_second @ weight, first)
        d_geometry = d_first.t() @ invariants.reshape(-1, invariants.shape[-1])
        d_invariants = (d_first @ geometry).view(invariants.shape)
        d_pair = d_first.view(shape)
        return d_pair.sum(2), d_pair.sum(1), d_invariants, d_geometry, d_weight, d_bias
