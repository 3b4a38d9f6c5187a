"""Structures of given genes: elements, space group and orbits are given, the free parameters are the model's."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.datasets.labels import distinct_labels
from molgen.errors import ConfigError, InputError
from molgen.models.data_summary import DataSummary
from molgen.models.known import Known
from molgen.sampling.compositions import Compositions
from molgen.sampling.formula import size_range
from molgen.sampling.sizes import Plan
from molgen.sampling.targets import TARGET
from molgen.structure import Structure
from molgen.symmetry.cell import conventional_cell, plausible_cell, states_cell
from molgen.symmetry.gene import ASKED, Gene
from molgen.symmetry.lines import line_of
from molgen.symmetry.padding import padded
from molgen.symmetry.placement import Placement, place


@dataclass(frozen=True)
class Realised:
    """Genes of which the model finds the free parameters; space group and orbits hold by construction.

    Attributes:
        compositions: Elements and labels of each structure.
        placements: The atoms of each in the cell that is expected.
    """

    compositions: Compositions
    placements: tuple[Placement, ...] = field(repr=False)
    kind: ClassVar[str] = "genes"
    by_chance: ClassVar[bool] = False

    @property
    def numbers(self) -> tuple[tuple[int, ...], ...]:
        """For each structure the atomic number of every atom."""
        return self.compositions.numbers

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides the result, for the sidecar."""
        return self.compositions.settings

    def notes(self, data: DataSummary) -> list[str]:
        """What the user may not have meant, one sentence each."""
        return self.compositions.notes(data)

    def plan(self, data: DataSummary, n: int, seed: int, atoms: tuple[int, int] | None = None) -> Plan:
        """As that of the compositions."""
        return self.compositions.plan(data, n, seed, atoms).given(self)

    def given(
        self, vocabulary: Any, mask: Tensor, dtype: torch.dtype, items: NDArray[np.int64] | None = None
    ) -> tuple[Any, Known]:
        """Given elements, symmetry and stated cells, for ``model.start``; see :meth:`Compositions.given`."""
        items = np.zeros(len(mask), np.int64) if items is None else items
        state, known = self.compositions.given(vocabulary, mask, dtype, items)
        placed = [self.placements[item] for item in items.tolist()]
        lattice = torch.tensor(np.stack([one.lattice for one in placed])).to(state.lattice)
        stated = torch.tensor([states_cell(one.gene) for one in placed], device=mask.device)
        symmetry = padded(placed, mask, dtype)
        return state.replace(lattice=lattice), replace(known, symmetry=symmetry, cells=stated)

    def restored(self, structure: Structure, item: int = 0) -> Structure:
        """The structure with the labels of its gene."""
        return self.compositions.restored(structure, item)

    def problem(self, structure: Structure, item: int = 0) -> str:
        """Why a structure is not what was asked for, as ``"kind: detail"``; empty if it is."""
        return self.compositions.problem(structure, item)


def read_realised(genes: Sequence[Gene], data: DataSummary, samples: int, source: str = "") -> Realised:
    """What a model is given for some structures of each gene.

    Args:
        genes: The genes; cells that their properties state are kept. Where none is stated, the cell is the model's, in
            the basis of a usual shape (:data:`molgen.symmetry.cell.SHAPES`), the k-th one for the k-th structure.
        data: Of the model.
        samples: Structures of each.
        source: What they were read from, for the sidecar.

    Returns:
        Gene 0 ``samples`` times, then gene 1, and so on. Labels are ``target``, the gene's name, made distinct, by
        which scoring finds the crystal that a gene was made of; ``sample``, from 0; and ``asked_space_group``. Genes
        that the model cannot do are left out, with a remark.

    Raises:
        ConfigError: There is none that it can do.
    """
    low, high = size_range(data)
    numbers, labels, placements, left_out = [], [], [], Counter[str]()
    for name, gene in zip(distinct_labels([gene.name for gene in genes]), genes, strict=True):
        if not set(gene.numbers) <= set(data.elements):
            left_out["have elements that the model does not know"] += 1
            continue
        if not low <= len(gene.numbers) <= high:
            left_out[f"have more or fewer atoms than it was trained on ({low} to {high})"] += 1
            continue
        try:
            # Where no cell is stated, each structure of a gene begins with another shape of it.
            cells = (
                [conventional_cell(gene)] if states_cell(gene) else [plausible_cell(gene, k) for k in range(samples)]
            )
            placed = [place(gene, cell) for cell in cells]
        except InputError as error:
            left_out[f"have no cell ({error})"] += 1
            continue
        numbers += [tuple(gene.numbers)] * samples
        labels += [{TARGET: name, "sample": k, ASKED: gene.number} for k in range(samples)]
        placements += placed * (samples // len(placed))
    reasons = [f"{count:,} {why}" for why, count in left_out.items()]
    if not numbers:
        raise ConfigError(f"none of {len(genes):,} genes can be realised: {'; '.join(reasons) or 'there are none'}")
    digest = hashlib.sha256("\n".join(line_of(gene) for gene in genes).encode())
    settings = {"genes": source, "per_gene": samples, "genes_sha256": digest.hexdigest()}
    remarks = [f"{left_out.total():,} of {len(genes):,} genes are left out: {'; '.join(reasons)}"] if reasons else []
    return Realised(Compositions(tuple(numbers), settings, tuple(labels), tuple(remarks)), tuple(placements))
