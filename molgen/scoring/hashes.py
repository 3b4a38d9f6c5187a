"""Sets of 64-bit hashes: 8 bytes a member, so that a million SMILES need 8 MB."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]


def smiles_hash(smiles: str) -> np.uint64:
    """Stable 64-bit hash of a canonical SMILES: BLAKE2b with an 8-byte digest of its UTF-8 bytes, little-endian.

    Two of a million different SMILES share a hash with a probability of 3e-8.
    """
    return np.uint64(int.from_bytes(blake2b(smiles.encode(), digest_size=8).digest(), "little"))


def contains(members: Hashes, hashes: Hashes) -> NDArray[np.bool_]:
    """Which of ``hashes``, shape ``(k,)``, are in the sorted array ``members``."""
    if len(members) == 0:
        return np.zeros(len(hashes), bool)
    place = np.minimum(np.searchsorted(members, hashes), len(members) - 1)
    return np.asarray(members[place] == hashes)


class HashSet:
    """A growing set, kept as a few sorted runs, each at least twice as long as the next."""

    def __init__(self) -> None:
        self._runs: list[Hashes] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def add(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Add ``hashes``, shape ``(k,)``; True where a hash was not in the set and is its first occurrence here."""
        fresh = np.zeros(len(hashes), bool)
        fresh[np.unique(hashes, return_index=True)[1]] = True
        for run in self._runs:
            fresh &= ~contains(run, hashes)
        new = np.sort(hashes[fresh])
        while self._runs and len(self._runs[-1]) < 2 * len(new):
            new = np.sort(np.concatenate([self._runs.pop(), new]))
        if len(new):
            self._runs.append(new)
        return fresh

    def sorted(self) -> Hashes:
        """All members in one ascending array."""
        return np.sort(np.concatenate([np.zeros(0, np.uint64), *self._runs]))
