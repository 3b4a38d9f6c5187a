"""Molecules to measure with where no data set is at hand: random ones with the statistics of a training set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.batch import AtomBatch
from molgen.models import DataSummary

QM9: Final = DataSummary(
    elements=(1, 6, 7, 8),
    size_histogram=(
        *(0, 0, 0, 1, 4, 4, 8, 15, 41, 98, 284, 669, 1462, 2775, 4840, 7584, 10502, 12957, 13321, 13808),
        *(9466, 9958, 3391, 4841, 538, 1506, 48, 266, 0, 25),
    ),
    element_counts=(914643, 627091, 98369, 138656),
    charges=(-1, 0, 1),
    charge_counts=(271, 1778217, 271),
    bond_orders=(0, 1, 2, 3),
    bond_counts=(13784400, 1711714, 101541, 27639),
    position_std=1.4,
)
"""Training split of QM9 as EDM divides it, without the molecules that our copy lacks (those with fluorine)."""


class RandomMolecules:
    """As much of a packed data set as training asks for, drawn at random: only its cost is like that of real data.

    Args:
        data: Sizes and frequencies of elements, charges and bonds to draw from.
        count: Molecules.
        seed: Of the draws.
    """

    def __init__(self, data: DataSummary, count: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        histogram = np.asarray(data.size_histogram, np.float64)
        self.sizes: NDArray[np.int64] = rng.choice(len(histogram), size=count, p=histogram / histogram.sum())
        self.data, self.seed = data, seed

    def indices(self, split: str) -> NDArray[np.int64]:
        """All of them, whatever the split."""
        return np.arange(len(self.sizes))

    def batch(self, indices: NDArray[np.int64] | Sequence[int]) -> AtomBatch:
        """Molecules of the sizes of ``indices``, in that order; the same ones for the same indices."""
        rows = np.asarray(indices, np.int64)
        seed = int(np.random.SeedSequence([self.seed, *rows.tolist()]).generate_state(1)[0])
        return random_batch(self.data, torch.from_numpy(self.sizes[rows]), torch.Generator().manual_seed(seed))


def random_batch(data: DataSummary, sizes: Tensor, generator: torch.Generator) -> AtomBatch:
    """Molecules whose atoms are scattered at random, with charges and bonds where ``data`` has them.

    Args:
        data: Frequencies of elements, charges and bonds; spread of the positions.
        sizes: Atoms of each, shape ``(B,)``, int64.
        generator: Random draws.
    """
    mask = torch.arange(int(sizes.max())) < sizes[:, None]
    pairs = mask.unsqueeze(1) & mask.unsqueeze(2)
    fields: dict[str, Any] = {}
    if data.has_bonds:
        fields["charges"] = _draw(data.charges, data.charge_counts, mask, generator)
        upper = _draw(data.bond_orders, data.bond_counts, pairs, generator).triu(1)
        fields["bonds"] = upper + upper.mT
    positions = torch.randn((*mask.shape, 3), generator=generator) * data.position_std
    elements = _draw(data.elements, data.element_counts or (1,) * len(data.elements), mask, generator)
    return AtomBatch(mask=mask, elements=elements, positions=positions * mask.unsqueeze(-1), **fields)


def _draw(values: Sequence[int], counts: Sequence[int], where: Tensor, generator: torch.Generator) -> Tensor:
    """Values drawn in proportion to their counts, 0 elsewhere, shape of ``where``, int64."""
    weights = torch.tensor(counts, dtype=torch.float64)
    drawn = torch.multinomial(weights, where.numel(), replacement=True, generator=generator).view(where.shape)
    return torch.tensor(values)[drawn] * where
