"""What genes are asked for: space groups, atoms, elements, compositions; checked before anything is drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from molgen.elements import hill_formula
from molgen.errors import ConfigError
from molgen.models.data_summary import DataSummary
from molgen.sampling.chemical_system import ChemicalSystem
from molgen.sampling.compositions import Compositions
from molgen.sampling.formula import read_formula
from molgen.sampling.wanted_genes import can_hold, most_orbits
from molgen.symmetry.groups import GROUPS, space_group

_NAMED = 5
"""Most space groups, or numbers of atoms, that a refusal names."""


@dataclass(frozen=True)
class GeneRequest:
    """What genes are asked for; make it with :meth:`of`.

    Attributes:
        groups: Space groups that may occur; None for all of the training set.
        atoms: Least and most atoms of the primitive cell; None for those of the training set.
        system: Elements that may and must occur.
        compositions: Compositions that are shared out among the genes.
    """

    groups: tuple[int, ...] | None = None
    atoms: tuple[int, int] | None = None
    system: ChemicalSystem | None = None
    compositions: Compositions | None = None

    @classmethod
    def of(
        cls,
        data: DataSummary,
        *,
        groups: Sequence[int] | None = None,
        atoms: tuple[int, int] | None = None,
        chemical_system: str | None = None,
        formula: str | None = None,
        formula_units: tuple[int, int] | None = None,
    ) -> GeneRequest:
        """What is asked for, checked against the model's training set.

        Raises:
            ConfigError: Two things exclude each other, the model does not know an element, or nothing can be what was
                asked for; the message says which condition fails and what would do.
        """
        if formula is not None and (chemical_system is not None or atoms is not None):
            other = "a number of atoms" if chemical_system is None else "a chemical system"
            raise ConfigError(f"{other} has no place beside a formula, which states all atoms")
        if formula is None and formula_units is not None:
            raise ConfigError("a number of formula units needs a formula", hint="--formula LiFePO4")
        system = None if chemical_system is None else ChemicalSystem.parse(chemical_system, data)
        compositions = None if formula is None else read_formula(formula, data, formula_units)
        if atoms is not None and (atoms[0] > data.max_atoms or atoms[1] < 1):
            raise ConfigError(
                f"the model's training set has no crystals of {atoms[0]} to {atoms[1]} atoms in the primitive cell",
                hint=f"it has 1 to {data.max_atoms}",
            )
        request = cls(None if groups is None else tuple(sorted(set(groups))), atoms, system, compositions)
        return request._possible(data)

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the result, for the sidecar."""
        values: dict[str, Any] = {"space_groups": self.groups, "atoms": self.atoms}
        for condition in (self.system, self.compositions):
            values |= {} if condition is None else dict(condition.settings)
        return values

    @property
    def atom_range(self) -> tuple[int, int]:
        """Least and most atoms; a large number where nothing is asked for."""
        return self.atoms or (1, 10**6)

    def weights(self, data: DataSummary, item: int) -> np.ndarray:
        """Share of each space group among the training crystals, 0 where it is not asked for or cannot hold what is.

        Groups that are asked for and never occur in the training set count as one crystal.

        Args:
            data: Of the model.
            item: Composition in question.
        """
        counts = np.array(data.space_groups, np.float64)
        if self.groups is not None:
            asked = np.isin(np.arange(231), self.groups)
            counts = np.where(asked, np.maximum(counts, 1.0), 0.0)
        for number in np.flatnonzero(counts).tolist():
            if not self._fits(number, data, item):
                counts[number] = 0.0
        return counts

    def _fits(self, number: int, data: DataSummary, item: int) -> bool:
        if self.compositions is not None:
            return can_hold(number, tuple(Counter(self.compositions.numbers[item]).values()))
        low, most = self.atom_range
        return any(count >= self._elements for count in most_orbits(number, min(most, data.max_atoms))[low:])

    @property
    def _elements(self) -> int:
        """Elements that every gene must have, and orbits that it has at least."""
        return 1 if self.system is None else len(self.system.numbers)

    def _possible(self, data: DataSummary) -> GeneRequest:
        """The request with the compositions that some group can hold; ConfigError where there is none."""
        count = 1 if self.compositions is None else len(self.compositions.numbers)
        fitting = [item for item in range(count) if self.weights(data, item).any()]
        if not fitting:
            raise self._refusal(data)
        if self.compositions is None or len(fitting) == count:
            return self
        kept = self.compositions
        labels = tuple(kept.labels[i] for i in fitting) if kept.labels else ()
        left = ", ".join(hill_formula(kept.numbers[i]) for i in range(count) if i not in fitting)
        remark = f"no space group that is asked for can hold {left}, which are left out"
        compositions = Compositions(
            tuple(kept.numbers[i] for i in fitting), kept.settings, labels, (*kept.remarks, remark)
        )
        return GeneRequest(self.groups, self.atoms, self.system, compositions)

    def _refusal(self, data: DataSummary) -> ConfigError:
        listed = ", ".join(f"{n} ({space_group(n).symbol})" for n in (self.groups or ())[:_NAMED])
        more = ", ..." if len(self.groups or ()) > _NAMED else ""
        names = f"space group {listed}{more}" if listed else "a space group of the training set"
        if self.compositions is not None:
            first = self.compositions.numbers[0]
            return ConfigError(
                f"{hill_formula(first)} cannot be placed on orbits of {names}", hint=self._nearest(first, data)
            )
        low, high = self.atoms or (1, data.max_atoms)
        wanted = f"{low} atoms" if low == high else f"{low} to {high} atoms"
        of = "" if self.system is None else f" of {self.system.settings['chemical_system']}, at least one of each,"
        reason = f"no orbits of {names}{of} add up to {wanted} in the primitive cell"
        asked = self.groups or tuple(np.flatnonzero(data.space_groups).tolist())
        able = {
            n
            for number in asked
            for n, count in enumerate(most_orbits(number, data.max_atoms))
            if n and count >= self._elements
        }
        if not able:
            return ConfigError(f"{reason}, nor to any number up to the training set's {data.max_atoms}")
        near = sorted(sorted(able, key=lambda n: max(low - n, n - high))[:_NAMED])
        return ConfigError(reason, hint=f"{', '.join(map(str, near))} atoms can be")

    def _nearest(self, numbers: Sequence[int], data: DataSummary) -> str:
        """What would do instead of a composition that no asked group can hold, in words."""
        counts = Counter(numbers)
        units = [
            u
            for u in range(2, data.max_atoms // len(numbers) + 1)
            for n in self.groups or GROUPS
            if can_hold(n, tuple(u * c for c in counts.values()))
        ]
        able = [n for n in np.argsort(data.space_groups)[::-1].tolist() if n and data.space_groups[n]]
        able = [n for n in able if can_hold(n, tuple(counts.values()))][:_NAMED]
        sizes = sorted({int(m) for n in self.groups or GROUPS for m in space_group(n).multiplicities})
        parts = [f"orbits have {', '.join(map(str, sizes[:12]))} atoms in the primitive cell"]
        if units:
            parts.append(f"{units[0]} times as many atoms can be placed")
        if able:
            parts.append(f"space groups that can hold this: {', '.join(map(str, able))}")
        return "; ".join(parts)
