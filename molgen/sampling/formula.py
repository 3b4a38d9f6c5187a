"""Molecules of a given composition: every element is given, positions, charges and bonds are the model's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from molgen.elements import SYMBOLS, atomic_number, hill_formula
from molgen.errors import ConfigError
from molgen.models.data_summary import DataSummary
from molgen.models.graph import Graph, GraphVocabulary
from molgen.models.known import Known
from molgen.structure import Structure

_PART = re.compile(r"([A-Za-z][a-z]?)(\d*)")


@dataclass(frozen=True)
class Formula:
    """The elements of every molecule of a run; make it with :meth:`parse`.

    Attributes:
        numbers: Atomic number of each atom, in the order in which the molecules have them (that of the Hill formula).
    """

    numbers: tuple[int, ...]
    kind: ClassVar[str] = "formula"

    @classmethod
    def parse(cls, text: str, data: DataSummary) -> Formula:
        """``"C7H10O2"``, hydrogens included.

        Raises:
            ConfigError: It is no formula, or has elements or a size that the model's training set does not have.
        """
        counts = _counts(text)
        if unknown := [SYMBOLS[z] for z in counts if z not in data.elements]:
            raise ConfigError(f"{text}: the model does not know {', '.join(unknown)}", hint=_knows(data))
        sizes = [n for n, count in enumerate(data.size_histogram) if count]
        if not sizes[0] <= (total := sum(counts.values())) <= sizes[-1]:
            hint = "hydrogens count; give them all, as in C2H6O" if total < sizes[0] else ""
            raise ConfigError(
                f"{text} has {total} atoms; the molecules that the model was trained on have {sizes[0]} to {sizes[-1]}",
                hint=hint,
            )
        order = hill_formula(z for z, count in counts.items() for _ in range(count))
        return cls(tuple(z for z, count in _counts(order).items() for _ in range(count)))

    def histogram(self, data: DataSummary) -> Sequence[int]:
        """Numbers of atoms to draw from: the formula's own."""
        return [0] * len(self.numbers) + [1]

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the result, for the sidecar."""
        return {"formula": hill_formula(self.numbers)}

    def notes(self, data: DataSummary) -> list[str]:
        """What the user may not have meant, one sentence each."""
        notes = []
        if sum(self.numbers) % 2:
            name = hill_formula(self.numbers)
            notes.append(f"{name} has an odd number of electrons: its neutral molecules are radicals")
        if 1 in data.elements and 1 not in self.numbers:
            notes.append("the formula has no hydrogen; hydrogens must be stated, none is added")
        return notes

    def given(self, vocabulary: GraphVocabulary, mask: Tensor, dtype: torch.dtype) -> tuple[Graph, Known]:
        """The given values of a batch and which they are, for ``model.start``.

        Args:
            vocabulary: The model's.
            mask: True for real atoms, all of the formula's size, shape ``(B, N)``.
            dtype: Of the positions.
        """
        numbers = torch.tensor(self.numbers, device=mask.device)
        classes = (numbers.unsqueeze(-1) == vocabulary.elements).int().argmax(-1)
        elements = classes.expand(mask.shape) * mask
        nothing = torch.zeros_like(elements)
        graph = Graph(
            mask=mask,
            positions=torch.zeros(*mask.shape, 3, dtype=dtype, device=mask.device),
            elements=elements,
            charges=nothing,
            bonds=nothing.unsqueeze(-1).expand(-1, -1, mask.shape[1]),
        )
        return graph, Known(atoms=torch.zeros_like(mask), elements=mask)

    def restored(self, structure: Structure) -> Structure:
        """The molecule itself: nothing has a place of its own."""
        return structure

    def kept(self, structure: Structure) -> bool:
        """Whether a molecule has the composition."""
        return tuple(structure.numbers.tolist()) == self.numbers


def _counts(text: str) -> dict[int, int]:
    """Atoms of each atomic number, in the order of the text."""
    hint = "write C7H10O2: symbols with their numbers, hydrogens too"
    parts = [match.groups() for match in _PART.finditer(text)]
    if not parts or "".join(symbol + count for symbol, count in parts) != text:
        raise ConfigError(f"{text!r} is not a chemical formula", hint=hint)
    counts: dict[int, int] = {}
    for symbol, count in parts:
        try:
            number = atomic_number(symbol)
        except ValueError as error:
            raise ConfigError(f"{text}: {error}", hint=hint) from error
        if count and not 1 <= int(count[:10]) < 1_000_000:
            raise ConfigError(f"{text}: {symbol}{count} is not a number of atoms", hint=hint)
        counts[number] = counts.get(number, 0) + int(count or 1)
    return counts


def _knows(data: DataSummary) -> str:
    return f"it knows {', '.join(SYMBOLS[z] for z in data.elements)}"
