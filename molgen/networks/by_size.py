"""Running a dense network on a batch of mixed sizes without paying for the padding."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_WORTH_SPLITTING = 1.15
"""Split when pairs with padding outnumber real pairs by this factor."""


def apply_by_size(network: Callable[..., tuple[Tensor, ...]], *inputs: Tensor) -> tuple[Tensor, ...]:
    """Apply ``network`` to groups of structures of similar size, each cut to its own largest; the result is unchanged.

    Only on the CPU, where pair work is what costs and reading the sizes is free; elsewhere it would stall the device.

    Args:
        network: Takes tensors like ``inputs``; returns tensors of structures, atoms or pairs.
        inputs: Of structures ``(B, F)``, atoms ``(B, N, F)`` or pairs ``(B, N, N, F)``; last the mask ``(B, N)``, True
            for real atoms, with padding at the end.
    """
    mask = inputs[-1]
    if mask.device.type != "cpu" or torch.compiler.is_compiling():
        return network(*inputs)
    sizes = mask.sum(dim=1)
    if mask.shape[1] ** 2 * len(sizes) <= _WORTH_SPLITTING * float(sizes.square().sum()):
        return network(*inputs)
    order = sizes.argsort(stable=True)
    outputs = []
    for rows in order.split(max(1, len(order) // 8)):
        n = int(sizes[rows[-1]])
        parts = network(*(_cut(tensor[rows], n) for tensor in inputs[:-1]), mask[rows, :n])
        outputs.append([_padded(part, mask.shape[1] - n) for part in parts])
    back = order.argsort()
    return tuple(torch.cat(parts)[back] for parts in zip(*outputs, strict=True))


def _cut(tensor: Tensor, atoms: int) -> Tensor:
    """The first ``atoms`` atoms, along every dimension that counts atoms."""
    return tensor[(slice(None), *[slice(atoms)] * (tensor.dim() - 2))]


def _padded(tensor: Tensor, atoms: int) -> Tensor:
    """Zeros for ``atoms`` more atoms, along every dimension that counts atoms."""
    return torch.nn.functional.pad(tensor, (0, 0) + (0, atoms) * (tensor.dim() - 2))
