"""All ordered pairs of atoms of a batch on one long axis, so that a layer is a few large matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from molgen.networks.half_pairs import half_pairs


class OrderedPairs:
    """The N x N ordered pairs (i, j): P pairs i < j in row order, the same reversed, then every atom with itself.

    Attributes:
        atoms: N.
        half: P = N (N - 1) / 2.
        first: i of each unordered pair, shape ``(P,)``, int64.
        second: j of each unordered pair, shape ``(P,)``, int64.
        receivers: i of each ordered pair, shape ``(N^2,)``, int64.
        senders: j of each ordered pair, shape ``(N^2,)``, int64.
        ends: For each ordered pair 1 at columns 2 i and 2 j + 1, shape ``(N^2, 2 N)``, float32.
    """

    def __init__(self, atoms: int, device: torch.device) -> None:
        pairs = half_pairs(atoms, device)
        self.atoms, self.half = atoms, len(pairs.first)
        self.first, self.second = pairs.first, pairs.second
        own = torch.arange(atoms, device=device)
        self.receivers = torch.cat([self.first, self.second, own])
        self.senders = torch.cat([self.second, self.first, own])
        self.ends = torch.zeros(atoms**2, 2 * atoms, device=device)
        rows = torch.arange(atoms**2, device=device)
        self.ends[rows, 2 * self.receivers] = 1.0
        self.ends[rows, 2 * self.senders + 1] = 1.0


@lru_cache(maxsize=256)
def ordered_pairs(atoms: int, device: torch.device) -> OrderedPairs:
    """The layout for ``atoms`` atoms, made once, fit for training wherever it is first asked for."""
    with torch.inference_mode(False):
        return OrderedPairs(atoms, device)


@dataclass(frozen=True)
class Block:
    """S structures padded to N atoms, which follow one another on the long axes.

    Attributes:
        rows: Which structures of the batch, shape ``(S,)``, int64.
        pairs: The order of the pairs of each.
        ends: Of ``pairs``, in the type of the computation, shape ``(S, N^2, 2 N)``.
        sums: 1 where an ordered pair has this receiver and a real sender, shape ``(S, N, N^2)``.
        starts: Where the block begins on the axes of atoms, unordered and ordered pairs.
    """

    rows: Tensor
    pairs: OrderedPairs
    ends: Tensor
    sums: Tensor
    starts: tuple[int, int, int]

    def atoms(self, flat: Tensor) -> Tensor:
        """``(M, H)`` to ``(S, N, H)``; a view, as the following."""
        return self._part(flat, self.starts[0], self.pairs.atoms)

    def both_ends(self, flat: Tensor) -> Tensor:
        """``(2 M, H)``, two rows for each atom, to ``(S, 2 N, H)``."""
        return self._part(flat, 2 * self.starts[0], 2 * self.pairs.atoms)

    def halves(self, flat: Tensor) -> Tensor:
        """``(U, H)`` to ``(S, P, H)``."""
        return self._part(flat, self.starts[1], self.pairs.half)

    def ordered(self, flat: Tensor) -> Tensor:
        """``(E, H)`` to ``(S, N^2, H)``."""
        return self._part(flat, self.starts[2], self.pairs.atoms**2)

    def _part(self, flat: Tensor, start: int, length: int) -> Tensor:
        count = len(self.rows)
        return flat[start : start + count * length].view(count, length, flat.shape[-1])


class FlatPairs:
    """A batch's atoms (M), unordered pairs (U) and ordered pairs (E) as long axes.

    On the CPU structures are sorted by size and nothing is padded; elsewhere, where sorting would stall the device,
    they are one block with its padding.

    Args:
        mask: True for real atoms, with padding at the end, shape ``(B, N)``.
        dtype: Type of the computation.

    Attributes:
        blocks: One for every size.
        places: Place of each atom among the B N of the batch, shape ``(M,)``, int64.
        structures: Structure of each atom, shape ``(M,)``, int64.
        count: E.
    """

    def __init__(self, mask: Tensor, dtype: torch.dtype) -> None:
        groups, sizes = _groups(mask)
        self.blocks: list[Block] = []
        places, starts = [], (0, 0, 0)
        for rows, n in zip(groups, sizes, strict=True):
            pairs, s = ordered_pairs(n, mask.device), len(rows)
            ends = pairs.ends.to(dtype).expand(s, -1, -1)
            sums = pairs.ends[:, ::2].T.to(dtype) * mask[rows][:, pairs.senders].unsqueeze(1)
            self.blocks.append(Block(rows, pairs, ends, sums, starts))
            starts = (starts[0] + s * n, starts[1] + s * pairs.half, starts[2] + s * n * n)
            places.append((rows.unsqueeze(1) * mask.shape[1] + torch.arange(n, device=mask.device)).flatten())
        self.places, self.count = torch.cat(places), starts[2]
        self.structures = self.places // mask.shape[1]

    def differences(self, x: Tensor) -> Tensor:
        """x_j - x_i of unordered pairs i < j, ``(B, N, C)`` to ``(U, C)``."""
        parts = []
        for block in self.blocks:
            own = x[block.rows]
            parts.append((own[:, block.pairs.second] - own[:, block.pairs.first]).flatten(0, 1))
        return torch.cat(parts)

    def padded(self, flat: Tensor, like: Tensor) -> Tensor:
        """Atoms back in the batch, zero in padding, ``(M, H)`` to ``(B, N, H)`` for a mask ``like``."""
        dense = flat.new_zeros(like.numel(), flat.shape[-1]).index_copy(0, self.places, flat)
        return dense.view(*like.shape, -1) * like.unsqueeze(-1)


def _groups(mask: Tensor) -> tuple[list[Tensor], list[int]]:
    """Rows of each block and the number of atoms in it."""
    if mask.device.type != "cpu" or torch.compiler.is_compiling():
        return [torch.arange(len(mask), device=mask.device)], [mask.shape[1]]
    sizes = mask.sum(1)
    order = sizes.argsort(stable=True)
    found, counts = sizes[order].unique_consecutive(return_counts=True)
    return list(order.split(counts.tolist())), found.tolist()
