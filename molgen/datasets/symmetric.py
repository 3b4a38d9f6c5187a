"""A packed data set whose crystals come with their space groups and orbits, exactly symmetric: what flows train on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Placed:
    """The atoms of a crystal, the free parameters of its orbits, and whether its space group is known."""

    placement: Placement
    parameters: NDArray[np.float64]
    symmetric: bool


class SymmetricSet:
    """Serves the training loop as a :class:`PackedDataset` does, with ``AtomBatch.symmetry``.

    Each crystal is that of the data at the tolerance of its gene, moved onto its orbits, in the Niggli cell that
    sampling would take. Those without a gene or free parameters, or in a cell that is not primitive, stay as they are
    and keep to no space group. What was placed once is kept, a few kilobytes for each crystal.

    Args:
        genes: Of a packed data set.
    """

    def __init__(self, genes: GeneSet) -> None:
        self.genes, self.packed = genes, genes.dataset
        self.sizes, self.name = self.packed.sizes, self.packed.name
        self._gene_at = np.full(len(self.packed), -1)
        self._gene_at[genes.rows] = np.arange(len(genes))
        self._placed: dict[int, _Placed] = {}

    @property
    def fingerprint(self) -> str:
        """Of the crystals, the genes, and where atoms are on their orbits."""
        digest = hashlib.sha256(self.genes.fingerprint.encode())
        for array in (self.genes.cells, self.genes.parameters):
            digest.update(np.ascontiguousarray(np.round(array, 6) + 0.0).tobytes())
        return digest.hexdigest()

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
        placed = [self._place(row) for row in np.asarray(indices, np.int64).tolist()]
        plain = self.packed.batch(indices)
        assert plain.lattice is not None
        elements, positions, lattice = (t.numpy() for t in (plain.elements, plain.positions, plain.lattice))
        for row, one in enumerate(placed):
            atoms, cell = len(one.placement), one.placement.lattice
            elements[row, :atoms] = one.placement.gene.numbers
            positions[row, :atoms] = np.mod(one.placement.fractional(one.parameters), 1.0) @ cell
            lattice[row] = cell
        columns = zip(*((one.placement, one.parameters, one.symmetric) for one in placed), strict=True)
        placements, parameters, kept = (list(column) for column in columns) if placed else ([], [], [])
        return plain.replace(symmetry=padded(placements, plain.mask, torch.float32, parameters, kept))

    def _place(self, row: int) -> _Placed:
        if row not in self._placed:
            self._placed[row] = self._with_symmetry(row) or _without_symmetry(self.packed.structure(row))
        return self._placed[row]

    def _with_symmetry(self, row: int) -> _Placed | None:
        number = int(self._gene_at[row])
        if number < 0:
            return None
        gene, parameters = self.genes.gene(number), self.genes.parameters_of(number)
        if len(gene.numbers) != self.sizes[row] or not np.isfinite(parameters).all():
            return None
        try:
            placement = place(gene, conventional_cell(gene))
        except InputError:
            return None
        return _Placed(placement=placement, parameters=parameters, symmetric=True)


def _without_symmetry(structure: Structure) -> _Placed:
    """Every atom is an orbit of its own."""
    assert structure.lattice is not None
    order = np.argsort(structure.numbers, kind="stable")
    placement = place(Gene(1, tuple((int(z), 0) for z in structure.numbers)), structure.lattice)
    parameters = np.mod(structure.positions[order] @ np.linalg.inv(structure.lattice), 1.0)
    return _Placed(placement=placement, parameters=parameters, symmetric=False)
