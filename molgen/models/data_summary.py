"""What a model must know of its training set; it travels in the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class DataSummary:
    """Facts derived from a packed data set's training split.

    Attributes:
        elements: Atomic numbers that occur, sorted; their order is the class order.
        size_histogram: Number of training structures with n atoms at index n.
    """

    elements: tuple[int, ...]
    size_histogram: tuple[int, ...]

    @property
    def max_atoms(self) -> int:
        """Largest structure of the training set."""
        return len(self.size_histogram) - 1

    def size_log_prob(self, sizes: Tensor) -> Tensor:
        """log p(N) of the training histogram in nats, -inf for sizes that never occur, shape of ``sizes``, float64."""
        counts = torch.tensor(self.size_histogram, dtype=torch.float64, device=sizes.device)
        table = (counts / counts.sum()).log()
        inside = sizes.clamp(max=self.max_atoms)
        return torch.where(sizes <= self.max_atoms, table[inside], -torch.inf)
