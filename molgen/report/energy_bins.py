"""Histogram of energies above the hull, a stream in constant memory."""

from __future__ import annotations

from collections import Counter
from math import ceil, isfinite

from molgen.chemistry.hull import METASTABLE, ROUNDING

PER_UNIT = 100
"""Finest bins in an eV/atom."""
WIDTHS = (1, 2, 5, 10)
"""Widths of the bins drawn, in finest bins: each divides both ``METASTABLE`` and zero from what is above."""
BINS = 40
"""Bins are widened until there are no more, if they can be."""
TAILS = (0.01, 0.05)
"""Shares of the values that may lie outside the bins, below and above: generators have a long tail of high energies."""
WIDEST = 10.0
"""eV/atom: what is further from the hull is an artefact of the potential, and outside the bins."""


class EnergyBins:
    """Counts of energies in bins that hold their upper bound.

    What is stable (0 or less) or metastable (0.1 eV/atom or less) lies left of these bounds, as in protocol ``sun``,
    rounding of the hull's file included.

    Attributes:
        count: Finite energies seen.
        edges: Bounds of the bins in eV/atom, ascending, 0 and 0.1 among them; empty before ``finish``.
        counts: Energies in each bin.
        below: Energies below the bins.
        above: Energies above the bins.
    """

    def __init__(self) -> None:
        self.count = self.below = self.above = 0
        self.edges: list[float] = []
        self.counts: list[int] = []
        self._finest: Counter[int] = Counter()  # key k: from k - 1 to k finest bins

    def add(self, energy: float) -> None:
        """Count one energy in eV/atom; what is not finite is left out."""
        if not isfinite(energy):
            return
        self.count += 1
        bounded = min(max(energy, -WIDEST - 1), WIDEST + 1)  # so that there are few different keys
        self._finest[ceil((bounded - ROUNDING) * PER_UNIT)] += 1

    def finish(self) -> None:
        """Choose the bins and fill them."""
        if not self._finest:
            return
        most = round(WIDEST * PER_UNIT)
        low = min(max(self._within(sorted(self._finest), TAILS[0]) - 1, -most), 0)
        high = max(min(self._within(sorted(self._finest, reverse=True), TAILS[1]), most), round(METASTABLE * PER_UNIT))
        width = next((width for width in WIDTHS if high - low <= BINS * width), WIDTHS[-1])
        first, last = low // width, -(-high // width)
        self.edges = [k * width / PER_UNIT for k in range(first, last + 1)]
        self.counts = [0] * (last - first)
        for finest, count in self._finest.items():
            place = -(-finest // width) - 1 - first
            if place < 0:
                self.below += count
            elif place >= len(self.counts):
                self.above += count
            else:
                self.counts[place] += count

    def _within(self, keys: list[int], tail: float) -> int:
        """The first key that no more than this share of all energies lies before."""
        left = int(tail * self.count)
        for key in keys:
            left -= self._finest[key]
            if left < 0:
                return key
        return keys[-1]
