"""Crystals of a chemical system: atoms are of the given elements only, and each of these occurs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.elements import SYMBOLS, atomic_number
from molgen.errors import ConfigError
from molgen.models.data_summary import DataSummary
from molgen.models.known import Known
from molgen.sampling.compositions import state_with_elements
from molgen.sampling.formula import knows
from molgen.sampling.sizes import Plan, make_plan
from molgen.structure import Structure


@dataclass(frozen=True)
class ChemicalSystem:
    """The elements of every structure of a run; make it with :meth:`parse`.

    The model is held to the elements, but which of them it uses is its own choice: a structure may lack one.

    Attributes:
        numbers: Atomic numbers, ascending.
    """

    numbers: tuple[int, ...]
    kind: ClassVar[str] = "chemical system"
    by_chance: ClassVar[bool] = True

    @classmethod
    def parse(cls, text: str, data: DataSummary) -> ChemicalSystem:
        """``"Li-Mn-O"``.

        Raises:
            ConfigError: It is no list of elements, or the model does not know one of them.
        """
        hint = "write symbols with hyphens: Li-Mn-O"
        words = [word for word in re.split(r"[-,\s]+", text.strip()) if word]
        try:
            numbers = sorted({atomic_number(word) for word in words})
        except ValueError as error:
            raise ConfigError(f"{text!r} is not a chemical system: {error}", hint=hint) from error
        if not numbers:
            raise ConfigError(f"{text!r} is not a chemical system", hint=hint)
        if unknown := [SYMBOLS[z] for z in numbers if z not in data.elements]:
            raise ConfigError(f"{text}: the model does not know {', '.join(unknown)}", hint=knows(data))
        return cls(tuple(numbers))

    def histogram(self, data: DataSummary) -> Sequence[int]:
        """Numbers of atoms to draw from: the training set's, with at least one atom of each element."""
        return [count if n >= len(self.numbers) else 0 for n, count in enumerate(data.size_histogram)]

    def plan(self, data: DataSummary, n: int, seed: int, atoms: tuple[int, int] | None = None) -> Plan:
        """``n`` numbers of atoms drawn from :meth:`histogram`; see :func:`molgen.sampling.sizes.make_plan`."""
        return make_plan(self.histogram(data), n, seed, atoms).given(self)

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the result, for the sidecar."""
        return {"chemical_system": "-".join(SYMBOLS[z] for z in self.numbers)}

    def notes(self, data: DataSummary) -> list[str]:
        """What the user may not have meant: nothing."""
        return []

    def given(
        self, vocabulary: Any, mask: Tensor, dtype: torch.dtype, items: NDArray[np.int64] | None = None
    ) -> tuple[Any, Known]:
        """No value, and which elements are allowed, for ``model.start``; see :class:`molgen.models.known.Known`."""
        state = state_with_elements(vocabulary, mask, mask.long() * self.numbers[0], dtype)
        wanted = torch.tensor(self.numbers, device=mask.device)
        allowed = torch.isin(vocabulary.elements, wanted).expand(len(mask), -1)
        nothing = torch.zeros_like(mask)
        return state, Known(atoms=nothing, elements=nothing, allowed=allowed)

    def restored(self, structure: Structure, item: int = 0) -> Structure:
        """The structure itself."""
        return structure

    def problem(self, structure: Structure, item: int = 0) -> str:
        """Why a structure is not of the system, as ``"kind: detail"``; empty if it is."""
        present = set(structure.numbers.tolist())
        if other := sorted(present - set(self.numbers)):
            return f"another element: {', '.join(SYMBOLS[z] for z in other)}"
        if absent := sorted(set(self.numbers) - present):
            return f"lacks an element: {', '.join(SYMBOLS[z] for z in absent)}"
        return ""
