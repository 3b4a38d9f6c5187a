"""Unordered pairs of N atoms as one axis of length P = N (N - 1) / 2: half the work of N x N."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


class HalfPairs:
    """Index maps between atoms, unordered pairs i < j in row order, and dense N x N matrices.

    Attributes:
        first: i of each pair, shape ``(P,)``, int64.
        second: j of each pair, shape ``(P,)``, int64.
        to_dense: Pair of each entry of an N x N matrix, row by row, P on the diagonal, shape ``(N * N,)``, int64.
        ends: 1 where an atom is an end of a pair, shape ``(P, N)``, float32.
        signs: +1 at the first end, -1 at the second, shape ``(P, N)``, float32.
    """

    def __init__(self, atoms: int, device: torch.device) -> None:
        self.atoms = atoms
        self.first, self.second = torch.triu_indices(atoms, atoms, 1, device=device)
        count = len(self.first)
        index = torch.arange(count, device=device)
        dense = torch.full((atoms, atoms), count, dtype=torch.int64, device=device)
        dense[self.first, self.second] = index
        dense[self.second, self.first] = index
        self.to_dense = dense.flatten()
        self.signs = torch.zeros(count, atoms, device=device)
        self.signs[index, self.first] = 1.0
        self.signs[index, self.second] = -1.0
        self.ends = self.signs.abs()

    def take(self, dense: Tensor) -> Tensor:
        """Entries i < j of matrices, ``(B, N, N, ...)`` -> ``(B, P, ...)``."""
        return dense[:, self.first, self.second]

    def collect(self, dense: Tensor) -> Tensor:
        """Sum of the two entries of each pair, ``(B, N, N, C)`` -> ``(B, P, C)``; the transpose of ``expand``."""
        flat = dense.reshape(len(dense), self.atoms**2, -1)
        upper = flat.index_select(1, self.first * self.atoms + self.second)
        return upper + flat.index_select(1, self.second * self.atoms + self.first)

    def expand(self, pairs: Tensor) -> Tensor:
        """Symmetric matrices with a zero diagonal, ``(B, P, C)`` -> ``(B, N, N, C)``."""
        result: Tensor = _Expand.apply(pairs, self)
        return result


@lru_cache(maxsize=256)
def half_pairs(atoms: int, device: torch.device) -> HalfPairs:
    """The maps for ``atoms`` atoms, made once, fit for training wherever they are first asked for."""
    with torch.inference_mode(False):
        return HalfPairs(atoms, device)


class _Expand(torch.autograd.Function):
    """Gathers in both directions; the gather's own backward would scatter row by row."""

    @staticmethod
    def forward(ctx: Any, pairs: Tensor, maps: HalfPairs) -> Tensor:
        ctx.maps = maps
        padded = torch.nn.functional.pad(pairs, (0, 0, 0, 1))
        return padded.index_select(1, maps.to_dense).view(len(pairs), maps.atoms, maps.atoms, -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return ctx.maps.collect(gradient), None
