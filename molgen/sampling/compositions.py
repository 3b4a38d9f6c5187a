"""Structures of given compositions: every element is given, all else is the model's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.batch import AtomBatch
from molgen.elements import SYMBOLS, hill_formula
from molgen.models.data_summary import DataSummary
from molgen.models.known import Known
from molgen.sampling.sizes import Plan, plan_items
from molgen.structure import Structure


@dataclass(frozen=True)
class Compositions:
    """One composition for all structures of a run, or several that are shared out among them, one after the other.

    :func:`molgen.sampling.formula.read_formula` and :func:`molgen.sampling.targets.read_targets` make them.

    Attributes:
        numbers: For each composition the atomic number of every atom, in the order in which the structures have them.
        settings: What decides the result, for the sidecar.
        labels: For each composition the properties that its structures get; empty for none at all.
        remarks: What the user may not have meant, one sentence each.
    """

    numbers: tuple[tuple[int, ...], ...]
    settings: Mapping[str, Any]
    labels: tuple[Mapping[str, Any], ...] = ()
    remarks: tuple[str, ...] = field(default=(), compare=False)
    kind: ClassVar[str] = "formula"
    by_chance: ClassVar[bool] = False

    def plan(self, data: DataSummary, n: int, seed: int, atoms: tuple[int, int] | None = None) -> Plan:
        """``n`` structures in shares that differ by one at most, composition after composition; sizes follow."""
        items = np.sort(np.arange(n) % len(self.numbers))
        sizes = np.array([len(numbers) for numbers in self.numbers], np.int64)
        return plan_items(sizes[items], items, seed).given(self)

    def notes(self, data: DataSummary) -> list[str]:
        """What the user may not have meant, one sentence each."""
        return list(self.remarks)

    def given(
        self, vocabulary: Any, mask: Tensor, dtype: torch.dtype, items: NDArray[np.int64] | None = None
    ) -> tuple[Any, Known]:
        """The given values of a batch and which they are, for ``model.start``.

        Args:
            vocabulary: The model's.
            mask: True for real atoms, shape ``(B, N)``, each row of its composition's size.
            dtype: Of the positions.
            items: Composition of each row, shape ``(B,)``; the first for all if None.
        """
        numbers = torch.zeros(mask.shape, dtype=torch.int64)
        for row, item in enumerate(np.zeros(len(mask), np.int64) if items is None else items):
            numbers[row, : len(self.numbers[item])] = torch.tensor(self.numbers[item])
        state = state_with_elements(vocabulary, mask, numbers.to(mask.device), dtype)
        return state, Known.formula(mask)

    def restored(self, structure: Structure, item: int = 0) -> Structure:
        """The structure with the labels of its composition."""
        if not self.labels:
            return structure
        return structure.replace(properties={**structure.properties, **self.labels[item]})

    def problem(self, structure: Structure, item: int = 0) -> str:
        """Why a structure is not what was asked for, as ``"kind: detail"``; empty if it is."""
        if tuple(structure.numbers.tolist()) == self.numbers[item]:
            return ""
        wanted, has = hill_formula(self.numbers[item]), hill_formula(structure.numbers.tolist())
        return f"other composition: {has} for {wanted}"


def state_with_elements(vocabulary: Any, mask: Tensor, numbers: Tensor, dtype: torch.dtype) -> Any:
    """A model's state with the given elements; all else is a placeholder that is not to be taken as known.

    Args:
        vocabulary: The model's, of molecules or of crystals.
        mask: True for real atoms, shape ``(B, N)``.
        numbers: Atomic numbers, zero in padding, shape ``(B, N)``.
        dtype: Of the positions and the lattice.
    """
    data, batch, n = vocabulary.data, *mask.shape
    nothing = torch.zeros_like(numbers)
    stated = AtomBatch(
        mask=mask,
        elements=numbers,
        positions=torch.zeros(batch, n, 3, dtype=dtype, device=mask.device),
        charges=nothing + data.charges[0] * mask if data.has_bonds else None,
        bonds=nothing.unsqueeze(-1).expand(-1, -1, n) if data.has_bonds else None,
        lattice=torch.eye(3, dtype=dtype, device=mask.device).expand(batch, 3, 3) if data.is_periodic else None,
    )
    return vocabulary.encode(stated)


def in_hill_order(numbers: Iterable[int]) -> tuple[int, ...]:
    """Atomic numbers in the order of the Hill formula: carbon, hydrogen, then the alphabet, else the alphabet."""
    counts = Counter(int(z) for z in numbers)
    first = [z for z in (6, 1) if 6 in counts and z in counts]
    order = first + sorted((z for z in counts if z not in first), key=lambda z: SYMBOLS[z])
    return tuple(z for z in order for _ in range(counts[z]))
