"""The Wyckoff gene: a crystal as its space group and a multiset of orbits, an element on each (Kazeev et al. 2025)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.elements import atomic_number, hill_formula, symbol
from molgen.errors import InputError
from molgen.symmetry.groups import SpaceGroup, space_group

ASKED = "asked_space_group"
"""Property of a crystal: number of the space group of the gene that it was made of."""
CELL = ("a", "b", "c", "alpha", "beta", "gamma")
"""Properties of a gene: lengths (angstrom) and angles (degree) of the conventional cell."""


@dataclass(frozen=True)
class Gene:
    """A space group and orbits. Rock salt is ``Gene(225, ((11, 0), (17, 1)))``: Na on 4a, Cl on 4b.

    Attributes:
        number: Of the space group, 1 to 230.
        orbits: Atomic number and index of the Wyckoff position of each orbit, sorted; a multiset.
        name: Identifier; may be empty. It plays no part in comparisons.
        properties: Named scalars that travel with the gene. They play no part either.
    """

    number: int
    orbits: tuple[tuple[int, int], ...]
    name: str = field(default="", compare=False)
    properties: dict[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "orbits", tuple(sorted([(int(z), int(k)) for z, k in self.orbits])))

    def __len__(self) -> int:
        return len(self.orbits)

    @property
    def group(self) -> SpaceGroup:
        """The space group; InputError where the number is none."""
        return space_group(self.number)

    @cached_property
    def numbers(self) -> list[int]:
        """Atomic number of every atom of the primitive cell, orbit after orbit."""
        multiplicities = self.group.multiplicities
        return [z for z, k in self.orbits for _ in range(int(multiplicities[k]))]

    @property
    def formula(self) -> str:
        """Of the primitive cell, in Hill's order."""
        return hill_formula(self.numbers)

    @property
    def freedom(self) -> int:
        """Free coordinates of the atoms; the cell's are ``group.lattice_freedom``."""
        return sum(self.group.positions[k].freedom for _, k in self.orbits)

    def replace(self, **changes: Any) -> Gene:
        """Copy with some attributes changed."""
        return replace(self, **changes)

    def labelled(self, properties: Mapping[str, Any]) -> Gene:
        """Copy with more properties."""
        return replace(self, properties={**self.properties, **properties})

    def problem(self) -> str:
        """Why no crystal has this gene; empty where one can. A point without freedom holds one atom."""
        if not self.orbits:
            return "no orbits"
        positions = self.group.positions
        for z, k in self.orbits:
            if not 0 <= k < len(positions):
                return f"space group {self.number} has no Wyckoff position number {k}"
            if not 1 <= z <= 118:
                return f"{z} is not an atomic number"
        fixed = [k for _, k in self.orbits if positions[k].freedom == 0]
        if len(fixed) > len(set(fixed)):
            letter = next(positions[k].letter for k in fixed if fixed.count(k) > 1)
            return f"position {letter} of space group {self.number} is a fixed point and used twice"
        return ""

    def relabelled(self) -> list[Gene]:
        """All descriptions of the same crystal from other origins and in other axes, this one first, each once."""
        places = np.array([k for _, k in self.orbits], np.int64)
        found: dict[tuple[tuple[int, int], ...], Gene] = {}
        for moved in self.group.relabellings[:, places].tolist():
            gene = Gene(self.number, tuple((z, k) for (z, _), k in zip(self.orbits, moved, strict=True)))
            found.setdefault(gene.orbits, gene)
        return list(found.values())

    @cached_property
    def fingerprint(self) -> tuple[int, tuple[tuple[int, int], ...]]:
        """Equal for genes that describe the same crystal from different origins or in different axes."""
        elements = np.array([z for z, _ in self.orbits], np.int64)
        return self.number, _least(self._moved() + 100 * elements, lambda code: (code // 100, code % 100))

    @cached_property
    def template(self) -> tuple[int, tuple[tuple[int, int], ...]]:
        """The fingerprint without elements: how often each position is used."""
        return self.number, _least(self._moved(), lambda code: (0, code))

    def _moved(self) -> NDArray[np.int64]:
        """Positions of the orbits under every relabelling, shape ``(R, orbits)``."""
        return self.group.relabellings[:, [k for _, k in self.orbits]]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: ``{"space_group": 225, "orbits": [["Na", "a"], ["Cl", "b"]], ...}``."""
        letters = self.group.letters
        facts: dict[str, Any] = {"name": self.name} if self.name else {}
        facts |= {"space_group": self.number, "symbol": self.group.symbol, "formula": self.formula}
        facts |= {"atoms": len(self.numbers), "orbits": [[symbol(z), letters[k]] for z, k in self.orbits]}
        return facts | ({"properties": self.properties} if self.properties else {})

    @classmethod
    def from_dict(cls, values: Any) -> Gene:
        """The inverse of :meth:`to_dict`; ``space_group`` and ``orbits`` suffice.

        Raises:
            InputError: A field is missing or wrong, or no crystal has this gene; "kind: detail".
        """
        if not isinstance(values, dict) or not isinstance(values.get("orbits"), list):
            raise InputError('malformed gene: it is {"space_group": 225, "orbits": [["Na", "a"], ["Cl", "b"]]}')
        number = values.get("space_group")
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= 230:
            raise InputError(f"malformed gene: space_group is {number!r}, not a number from 1 to 230")
        letters, orbits = space_group(number).letters, []
        for orbit in values["orbits"]:
            if not (isinstance(orbit, list) and len(orbit) == 2 and all(isinstance(part, str) for part in orbit)):
                raise InputError(f'malformed gene: orbit {orbit!r} is not a pair such as ["Na", "a"]')
            if len(orbit[1]) != 1 or orbit[1] not in letters:
                raise InputError(f"unknown position: space group {number} has {letters}, not {orbit[1]!r}")
            try:
                orbits.append((atomic_number(orbit[0]), letters.index(orbit[1])))
            except ValueError as error:
                raise InputError(f"unknown element: {error}") from error
        stated = values.get("properties")
        gene = cls(number, tuple(orbits), str(values.get("name", "")), stated if isinstance(stated, dict) else {})
        if problem := gene.problem():
            raise InputError(f"impossible gene: {problem}")
        return gene


def _least(codes: NDArray[np.int64], decode: Any) -> tuple[tuple[int, int], ...]:
    """The lexicographically least row, each row sorted, decoded.

    Args:
        codes: One number per orbit, for every relabelling, shape ``(R, orbits)``.
        decode: From a number to what it stands for.
    """
    rows = np.unique(np.sort(codes, axis=1), axis=0)
    return tuple(decode(int(code)) for code in rows[0])
