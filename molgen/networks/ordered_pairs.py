"""The N x N ordered pairs of atoms, laid out so that what (i, j) and (j, i) share is computed once."""

from __future__ import annotations

from functools import lru_cache

import torch

from molgen.networks.half_pairs import half_pairs


class OrderedPairs:
    """One axis of length N^2: the P pairs i < j in row order, the same pairs reversed, then every atom with itself.

    Attributes:
        half: P = N (N - 1) / 2.
        first: i of each unordered pair, shape ``(P,)``, int64.
        second: j of each unordered pair, shape ``(P,)``, int64.
        senders: j of each ordered pair (i, j), shape ``(N^2,)``, int64.
        ends: For each ordered pair 1 at its receiver and 1 at N + its sender, shape ``(N^2, 2 N)``, float32.
    """

    def __init__(self, atoms: int, device: torch.device) -> None:
        pairs = half_pairs(atoms, device)
        self.atoms, self.half = atoms, len(pairs.first)
        self.first, self.second = pairs.first, pairs.second
        own = torch.arange(atoms, device=device)
        receivers = torch.cat([self.first, self.second, own])
        self.senders = torch.cat([self.second, self.first, own])
        self.ends = torch.zeros(atoms**2, 2 * atoms, device=device)
        rows = torch.arange(atoms**2, device=device)
        self.ends[rows, receivers] = 1.0
        self.ends[rows, atoms + self.senders] = 1.0


@lru_cache(maxsize=256)
def ordered_pairs(atoms: int, device: torch.device) -> OrderedPairs:
    """The layout for ``atoms`` atoms, made once, fit for training wherever it is first asked for."""
    with torch.inference_mode(False):
        return OrderedPairs(atoms, device)
