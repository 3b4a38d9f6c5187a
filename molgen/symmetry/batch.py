"""GeneBatch: many genes as padded tensors; what models of genes see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import compress
from typing import Any

import torch
from torch import Tensor

from molgen.symmetry.gene import CELL, Gene
from molgen.symmetry.groups import GROUPS, space_group


@cache
def _multiplicities() -> Tensor:
    """Atoms of an orbit at each position of each group, shape ``(231, positions)``."""
    rows = [[], *(space_group(number).multiplicities.tolist() for number in GROUPS)]
    most = max(map(len, rows))
    return torch.tensor([[*row, *[0] * (most - len(row))] for row in rows], dtype=torch.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class GeneBatch:
    """``B`` genes padded to ``N`` orbits; padding is zero and comes last.

    Attributes:
        mask: True where an orbit is real, shape ``(B, N)``.
        groups: Numbers of the space groups, 1 to 230, shape ``(B,)``, int64.
        elements: Atomic numbers, shape ``(B, N)``, int64.
        places: Index of each orbit's Wyckoff position, shape ``(B, N)``, int64.
        cells: Lengths (angstrom) and angles (degree) of the conventional cells, shape ``(B, 6)``; NaN where unknown.
        properties: Named values of whole crystals, each of shape ``(B,)``, NaN where unknown.
    """

    mask: Tensor
    groups: Tensor
    elements: Tensor
    places: Tensor
    cells: Tensor
    properties: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.mask.shape[0]

    @property
    def num_atoms(self) -> Tensor:
        """Atoms of each primitive cell, shape ``(B,)``, int64."""
        return (_multiplicities().to(self.device)[self.groups.unsqueeze(1), self.places] * self.mask).sum(1)

    @property
    def device(self) -> torch.device:
        return self.mask.device

    def _map(self, function: Callable[[Tensor], Tensor]) -> GeneBatch:
        names = ("mask", "groups", "elements", "places", "cells")
        tensors = {name: function(getattr(self, name)) for name in names}
        return replace(self, **tensors, properties={key: function(value) for key, value in self.properties.items()})

    def to(self, device: torch.device | str) -> GeneBatch:
        """Copy on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def __getitem__(self, rows: slice | Tensor) -> GeneBatch:
        """The genes in ``rows`` (a slice, a boolean mask or indices), with the same padding."""
        return self._map(lambda tensor: tensor[rows])

    @classmethod
    def from_genes(cls, genes: Sequence[Gene]) -> GeneBatch:
        """Pad and stack genes, with the cells that their properties state."""
        shape = (len(genes), max(map(len, genes), default=0))
        mask, elements, places = torch.zeros(shape, dtype=torch.bool), *torch.zeros(2, *shape, dtype=torch.int64)
        for row, gene in enumerate(genes):
            mask[row, : len(gene)] = True
            for column, (z, k) in enumerate(gene.orbits):
                elements[row, column], places[row, column] = z, k
        cells = [[float(gene.properties.get(key, torch.nan)) for key in CELL] for gene in genes]
        return cls(
            mask=mask,
            groups=torch.tensor([gene.number for gene in genes], dtype=torch.int64),
            elements=elements,
            places=places,
            cells=torch.tensor(cells).reshape(-1, 6),
        )

    def to_genes(self, properties: Iterable[dict[str, Any]] | None = None) -> list[Gene]:
        """Unpadded genes on the CPU, without their cells.

        Args:
            properties: Of each gene; none if None.
        """
        fields = (self.groups, self.mask, self.elements, self.places)
        rows = zip(*(field.tolist() for field in fields), strict=True)
        named = ({} for _ in range(len(self))) if properties is None else properties
        return [
            Gene(g, tuple(compress(zip(z, k, strict=True), m)), properties=own)
            for (g, m, z, k), own in zip(rows, named, strict=True)
        ]
