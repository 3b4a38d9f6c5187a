"""A packed data set whose crystals come with their space groups and orbits, exactly symmetric: what flows train on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from molgen.batch import AtomBatch
from molgen.datasets.genes import GeneSet
from molgen.errors import InputError
from molgen.structure import Structure
from molgen.symmetry.cell import conventional_cell
from molgen.symmetry.gene import Gene
from molgen.symmetry.padding import padded
from molgen.symmetry.placement import Placement, place

_REMEMBERED = 65_536
"""Placements that are kept, a few kilobytes each."""


class SymmetricSet:
    """Serves the training loop as a :class:`PackedDataset` does, with ``AtomBatch.symmetry``.

    Each crystal is that of the data at the tolerance of its gene, moved onto its orbits, in the Niggli cell that
    sampling would take. Those without a gene or free parameters, or in a cell that is not primitive, stay as they are
    and have the group P1.

    Args:
        genes: Of a packed data set.
    """

    def __init__(self, genes: GeneSet) -> None:
        self.genes, self.packed = genes, genes.dataset
        self.sizes, self.name = self.packed.sizes, self.packed.name
        self._gene_at = np.full(len(self.packed), -1)
        self._gene_at[genes.rows] = np.arange(len(genes))
        self._placed = lru_cache(_REMEMBERED)(self._place)

    @property
    def fingerprint(self) -> str:
        """Of the crystals and the genes."""
        return self.genes.fingerprint

    def __len__(self) -> int:
        return len(self.packed)

    def indices(self, split: str) -> NDArray[np.int64]:
        """Indices of the structures of a split, ascending."""
        return self.packed.indices(split)

    def structure(self, index: int) -> Structure:
        """One structure as the data have it."""
        return self.packed.structure(index)

    def batch(self, indices: NDArray[np.int64] | Sequence[int]) -> AtomBatch:
        """Structures as one batch, padded to the largest of them."""
        rows = np.asarray(indices, np.int64).tolist()
        placed = [self._placed(row) for row in rows]
        plain = self.packed.batch(indices)
        assert plain.lattice is not None
        elements, positions, lattice = (t.numpy() for t in (plain.elements, plain.positions, plain.lattice))
        for row, (placement, parameters) in enumerate(placed):
            atoms = len(placement)
            elements[row, :atoms] = placement.gene.numbers
            positions[row, :atoms] = np.mod(placement.fractional(parameters), 1.0) @ placement.lattice
            lattice[row] = placement.lattice
        symmetry = padded([one for one, _ in placed], plain.mask, torch.float32, [known for _, known in placed])
        return plain.replace(symmetry=symmetry)

    def _place(self, row: int) -> tuple[Placement, NDArray[np.float64]]:
        """The atoms of a crystal, and the free parameters of its orbits."""
        number, size = int(self._gene_at[row]), int(self.sizes[row])
        if number >= 0:
            gene, parameters = self.genes.gene(number), self.genes.parameters_of(number)
            if len(gene.numbers) == size and np.isfinite(parameters).all():
                try:
                    return place(gene, conventional_cell(gene)), parameters
                except InputError:
                    pass
        return _without_symmetry(self.packed.structure(row))


def _without_symmetry(structure: Structure) -> tuple[Placement, NDArray[np.float64]]:
    """A crystal as one of P1: every atom is an orbit."""
    order = np.argsort(structure.numbers, kind="stable")
    gene = Gene(1, tuple((int(z), 0) for z in structure.numbers))
    assert structure.lattice is not None
    placement = place(gene, structure.lattice)
    return placement, np.mod(structure.positions[order] @ np.linalg.inv(structure.lattice), 1.0)
