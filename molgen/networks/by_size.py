"""Running a dense network on a batch of mixed sizes without paying for the padding."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_WORTH_SPLITTING = 1.15
"""Split when pairs with padding outnumber real pairs by this factor."""

Network = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def apply_by_size(network: Network, features: Tensor, positions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Apply ``network`` to groups of structures of similar size, each cut to its own largest; the result is unchanged.

    Only on the CPU, where pair work is what costs and reading the sizes is free; elsewhere it would stall the device.

    Args:
        network: Takes features ``(b, n, F)``, positions ``(b, n, 3)`` and mask ``(b, n)``; returns two tensors
            ``(b, n, .)``.
        features: Shape ``(B, N, F)``.
        positions: Shape ``(B, N, 3)``.
        mask: True for real atoms, shape ``(B, N)``; padding comes last.
    """
    if positions.device.type != "cpu" or torch.compiler.is_compiling():
        return network(features, positions, mask)
    sizes = mask.sum(dim=1)
    if mask.shape[1] ** 2 * len(sizes) <= _WORTH_SPLITTING * float(sizes.square().sum()):
        return network(features, positions, mask)
    order = sizes.argsort(stable=True)
    outputs = []
    for rows in order.split(max(1, len(order) // 8)):
        n = int(sizes[rows[-1]])
        parts = network(features[rows, :n], positions[rows, :n], mask[rows, :n])
        outputs.append([torch.nn.functional.pad(part, (0, 0, 0, mask.shape[1] - n)) for part in parts])
    back = order.argsort()
    first, second = (torch.cat(parts)[back] for parts in zip(*outputs, strict=True))
    return first, second
