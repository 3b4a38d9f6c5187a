"""What a report takes from rows of protocol ``sun``, in one pass and constant memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import isfinite

from molgen.elements import NUMBERS
from molgen.report.chemical_system import SIZES, System
from molgen.report.energy_bins import EnergyBins
from molgen.report.formulas import atoms_of
from molgen.report.picks import Pick, Smallest

ABOVE, RMSD, CONVERGED = "sun.e_above_hull", "sun.rmsd", "sun.converged"
MOVED = 6
"""Relaxed crystals shown beside what they were."""


@dataclass
class StabilityRows:
    """What the section on stability shows of the rows.

    Attributes:
        energies: Above the hull, in eV/atom.
        systems: How many crystals of a known energy above the hull are of a chemical system that can be drawn.
    """

    energies: EnergyBins = field(default_factory=EnergyBins)
    systems: Counter[System] = field(default_factory=Counter)
    _moved: Smallest = field(default_factory=lambda: Smallest(MOVED))

    def add(self, pick: Pick) -> None:
        """Take one record that could be read."""
        above, rmsd = pick.row[ABOVE], pick.row[RMSD]
        if isinstance(above, int | float):
            self.energies.add(float(above))
            system = tuple(sorted(atoms_of(str(pick.row["formula"]))))
            if len(system) in SIZES and NUMBERS.keys() >= set(system):
                self.systems[system] += 1
        if pick.row[CONVERGED] and isinstance(rmsd, int | float) and isfinite(rmsd):
            self._moved.add((-rmsd, pick.index), pick)

    @property
    def moved(self) -> list[Pick]:
        """Those ``MOVED`` crystals relaxed to convergence whose atoms moved furthest by RMSD, the furthest first."""
        return self._moved.sorted()

    @property
    def usual_system(self) -> System | None:
        """The chemical system of most crystals, the first in the alphabet of several; None without any."""
        return min(self.systems, key=lambda system: (-self.systems[system], system), default=None)
