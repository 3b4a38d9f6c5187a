"""Structures of given compositions that begin as known crystals with other elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.batch import AtomBatch
from molgen.models.data_summary import DataSummary
from molgen.models.known import Known
from molgen.sampling.compositions import Compositions
from molgen.sampling.prototypes import Prototypes
from molgen.sampling.sizes import Plan
from molgen.structure import Structure

TEMPLATE = "template"
"""Property of a crystal: name of the known crystal that it began as; empty where it began as noise."""


@dataclass(frozen=True)
class Templated:
    """Compositions of which the k-th structure begins as the k-th best template, and as noise when there are fewer.

    Attributes:
        compositions: What is asked for.
        prototypes: The known crystals.
        source: What they were read from, for the sidecar.
    """

    compositions: Compositions
    prototypes: Prototypes = field(repr=False)
    source: str = ""
    kind: ClassVar[str] = "formula"
    by_chance: ClassVar[bool] = False

    @property
    def numbers(self) -> tuple[tuple[int, ...], ...]:
        """For each composition the atomic number of every atom."""
        return self.compositions.numbers

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides the result, for the sidecar."""
        return {
            **self.compositions.settings,
            "templates": self.source,
            "templates_sha256": self.prototypes.sha256(),
        }

    def notes(self, data: DataSummary) -> list[str]:
        """What the user may not have meant, one sentence each."""
        wanted = set(self.numbers)
        without = sum(self.prototypes.template(numbers) is None for numbers in wanted)
        remarks = self.compositions.notes(data)
        if without:
            remarks.append(
                f"{without:,} of {len(wanted):,} compositions have no template, a known crystal with as many atoms of "
                "each kind in its cell, and begin as noise"
            )
        return remarks

    def plan(self, data: DataSummary, n: int, seed: int, atoms: tuple[int, int] | None = None) -> Plan:
        """As that of the compositions, an item being a composition and the rank of a template."""
        plan = self.compositions.plan(data, n, seed, atoms)
        before: dict[int, int] = {}
        items = []
        for chunk in range(len(plan.chunks)):
            ranked = np.empty_like(plan.items_of(chunk))
            for row, item in enumerate(plan.items_of(chunk).tolist()):
                ranked[row] = item + len(self.numbers) * before.get(item, 0)
                before[item] = before.get(item, 0) + 1
            items.append(ranked)
        return replace(plan, items=items).given(self)

    def given(
        self, vocabulary: Any, mask: Tensor, dtype: torch.dtype, items: NDArray[np.int64] | None = None
    ) -> tuple[Any, Known]:
        """The given elements, and crystals to begin with, for ``model.start``; see :meth:`Compositions.given`."""
        items = np.zeros(len(mask), np.int64) if items is None else items
        state, known = self.compositions.given(vocabulary, mask, dtype, items % len(self.numbers))
        found = [self.template(item) for item in items.tolist()]
        rows = torch.tensor([row for row, template in enumerate(found) if template is not None], device=mask.device)
        if len(rows):
            batch = AtomBatch.from_structures([one for one in found if one is not None], dtype=dtype).to(mask.device)
            begun = vocabulary.encode(batch)
            fractional, lattice = state.fractional.clone(), state.lattice.clone()
            fractional[rows, : begun.fractional.shape[1]] = begun.fractional
            lattice[rows] = begun.lattice
            state = state.replace(fractional=fractional, lattice=lattice)
        return state, replace(known, begun=torch.tensor([one is not None for one in found], device=mask.device))

    def template(self, item: int) -> Structure | None:
        """What a structure begins as; None for noise."""
        composition, rank = self._composition(item), item // len(self.numbers)
        # Structures of a target are compositions of their own, numbered by a label.
        labels = self.compositions.labels[composition] if self.compositions.labels else {}
        rank += int(labels.get("sample", 0))
        return self.prototypes.template(self.numbers[composition], rank)

    def restored(self, structure: Structure, item: int = 0) -> Structure:
        """The structure with the labels of its composition and the name of its template."""
        template = self.template(item)
        labelled = self.compositions.restored(structure, self._composition(item))
        name = "" if template is None else template.name
        return labelled.replace(properties={**labelled.properties, TEMPLATE: name})

    def problem(self, structure: Structure, item: int = 0) -> str:
        """Why a structure is not what was asked for, as ``"kind: detail"``; empty if it is."""
        return self.compositions.problem(structure, self._composition(item))

    def _composition(self, item: int) -> int:
        return item % len(self.numbers)
