"""Batches of similar size: the same batch for the same step, whoever asks and whenever."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class SizeBatches:
    """An endless sequence of training batches, a pure function of the step, so that a run resumes anywhere.

    Each epoch is shuffled, sorted by size (ties stay shuffled), cut into batches, and the batches are shuffled. The
    structures that do not fill a batch are left out of that epoch at random.

    Args:
        indices: Training structures, shape ``(n,)``.
        sizes: Their atom counts, shape ``(n,)``.
        batch_size: Structures per batch.
        seed: Of the shuffles.
    """

    def __init__(self, indices: NDArray[np.int64], sizes: NDArray[np.int64], batch_size: int, seed: int) -> None:
        self.indices, self.sizes, self.seed = np.asarray(indices), np.asarray(sizes), seed
        self.batch_size = min(batch_size, len(self.indices))
        self._epoch, self._batches = -1, np.empty((0, 0), np.int64)

    @property
    def per_epoch(self) -> int:
        """Batches in one epoch."""
        return len(self.indices) // self.batch_size

    def at(self, step: int) -> NDArray[np.int64]:
        """Structures of the batch of a step, counted from 0 over all epochs, shape ``(batch_size,)``."""
        epoch, within = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            rng = np.random.default_rng((self.seed, epoch))
            kept = rng.permutation(len(self.indices))[: self.per_epoch * self.batch_size]
            by_size = kept[np.argsort(self.sizes[kept], kind="stable")]
            batches = self.indices[by_size].reshape(self.per_epoch, self.batch_size)
            self._epoch, self._batches = epoch, batches[rng.permutation(self.per_epoch)]
        return np.asarray(self._batches[within])


def ordered_batches(indices: NDArray[np.int64], sizes: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Every structure once, by size, in batches: for evaluation."""
    order = np.asarray(indices)[np.argsort(sizes, kind="stable")]
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
