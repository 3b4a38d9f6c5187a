"""Energy above the convex hull of known compounds, by pymatgen's phase diagrams.

The hull is that of the entries given, pure elements being entries like any other: where a reference lacks a pure
element, compounds are compared with the compounds that hold it, and what is richer in it than all of them is unknown.
Every hull is an upper bound of the true one, so that energies above it are lower bounds of the true ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from molgen.chemistry.composition import Composition
from molgen.elements import SYMBOLS
from molgen.errors import InputError

METASTABLE = 0.1
"""eV/atom above the hull up to which MatterGen and LeMat-GenBench count."""
ROUNDING = 1e-6
"""eV/atom: files of hulls state six digits, so that a known compound compared with itself lies within this of zero."""
KEPT = 256
"""Chemical systems whose phase diagram is kept."""
STAND_IN = 1000.0
"""Energy in eV/atom of a pure element that the reference lacks: so high that nothing decomposes to it by choice."""
SMALLEST_FRACTION = 1e-6
"""Of the atoms; phases with less are rounding."""


@dataclass(frozen=True)
class Entry:
    """A known compound.

    Attributes:
        name: Such as ``mp-149``.
        composition: Reduced.
        energy: eV per atom.
    """

    name: str
    composition: Composition
    energy: float

    @property
    def formula(self) -> str:
        """Reduced, the less electronegative elements first, diatomic gases as such: ``Li2O``, ``O2``."""
        return str(_pymatgen(self.composition).reduced_formula)


@dataclass(frozen=True)
class StablePhases:
    """The convex hull of a chemical system.

    Attributes:
        entries: The phases on it.
        tie_lines: Places in ``entries`` of every two phases that coexist, that is the edges of the hull's facets,
            each once, the smaller first.
    """

    entries: tuple[Entry, ...]
    tie_lines: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class AboveHull:
    """Where a compound lies.

    Attributes:
        energy: Above the hull in eV per atom; below zero where it is more stable than all known phases together.
        phases: The competing phases, which the same atoms would form on the hull, with their shares of the atoms.
    """

    energy: float
    phases: tuple[tuple[str, float], ...]


class Hull:
    """The convex hull of some entries; phase diagrams are made when a chemical system is first asked for.

    Args:
        entries: Of each composition the lowest one counts.

    Attributes:
        elements: Atomic numbers that occur.
        pure: Those of them with an entry of the pure element.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        lowest: dict[Composition, Entry] = {}
        for entry in entries:
            if entry.composition not in lowest or entry.energy < lowest[entry.composition].energy:
                lowest[entry.composition] = entry
        self._of_system: dict[frozenset[int], list[Entry]] = {}
        for entry in lowest.values():
            self._of_system.setdefault(_system(entry.composition), []).append(entry)
        self.elements = frozenset().union(*self._of_system)
        self.pure = frozenset(number for (number, *others) in self._of_system if not others)
        self._diagrams: OrderedDict[frozenset[int], Any] = OrderedDict()

    def above(self, composition: Composition, energy: float) -> AboveHull:
        """Where a compound lies relative to the hull of the entries of its elements.

        Args:
            composition: Reduced.
            energy: eV per atom, of the same kind as the entries' are.

        Raises:
            InputError: ``"no reference: detail"``: the entries say nothing about such a composition.
        """
        target = _pymatgen(composition)
        phases = self._diagram(_system(composition)).get_decomposition(target)
        shares = {phase: float(share) for phase, share in phases.items() if share > SMALLEST_FRACTION}
        if lacking := [phase.name for phase in shares if phase.attribute is None]:
            raise InputError(f"no reference: nothing in it is as rich in {', '.join(sorted(lacking))}")
        hull = sum(share * phase.attribute.energy for phase, share in shares.items()) / sum(shares.values())
        named = sorted(((phase.attribute.name, share) for phase, share in shares.items()), key=lambda p: -p[1])
        return AboveHull(energy - hull, tuple(named))

    def stable(self, elements: Iterable[int]) -> StablePhases:
        """What is on the hull of the entries of these elements, and of some of them.

        Args:
            elements: Atomic numbers. Where the pure element is missing, the hull ends at compounds.

        Raises:
            InputError: ``"no reference: detail"``: an element is in no entry.
        """
        diagram = self._diagram(frozenset(elements))
        phases: dict[int, Entry] = {}
        for place in sorted({int(corner) for facet in diagram.facets for corner in facet}):
            if (entry := diagram.qhull_entries[place].attribute) is not None:
                phases[place] = entry
        corners = [sorted(int(corner) for corner in facet if int(corner) in phases) for facet in diagram.facets]
        edges = sorted({edge for facet in corners for edge in combinations(facet, 2)})
        order = {place: k for k, place in enumerate(phases)}
        return StablePhases(tuple(phases.values()), tuple((order[i], order[j]) for i, j in edges))

    def _diagram(self, system: frozenset[int]) -> Any:
        """InputError where an element is in no entry."""
        from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram

        if unknown := sorted(system - self.elements):
            raise InputError(f"no reference: no compound of {_named(unknown)} is in it")
        if system in self._diagrams:
            self._diagrams.move_to_end(system)
            return self._diagrams[system]
        found: list[Any] = []
        for size in range(1, len(system) + 1):
            for part in combinations(sorted(system), size):
                for entry in self._of_system.get(frozenset(part), ()):
                    atoms = sum(count for _, count in entry.composition)
                    found.append(PDEntry(_pymatgen(entry.composition), entry.energy * atoms, entry.name, entry))
        lacking = system - self.pure
        found += [PDEntry(_pymatgen(((number, 1),)), STAND_IN, SYMBOLS[number], None) for number in lacking]
        self._diagrams[system] = made = PhaseDiagram(found)
        if len(self._diagrams) > KEPT:
            self._diagrams.popitem(last=False)
        return made


def _system(composition: Composition) -> frozenset[int]:
    return frozenset(number for number, _ in composition)


def _pymatgen(composition: Composition) -> Any:
    from pymatgen.core.composition import Composition as Formula

    return Formula({SYMBOLS[number]: count for number, count in composition})


def _named(numbers: Iterable[int]) -> str:
    return ", ".join(SYMBOLS[number] for number in numbers)
