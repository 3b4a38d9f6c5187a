"""Histogram of a stream in constant memory."""

from __future__ import annotations

from bisect import bisect_right
from math import isfinite

FIRST = 20_000
BINS = 40
TAIL = 0.01
"""Share of the first values that may lie outside the bins at either end."""


class Histogram:
    """Counts of values in equal bins, whose range the first ``FIRST`` values set; those outside are counted too.

    Attributes:
        count: Finite values seen.
        edges: Bounds of the bins, ascending, ``BINS + 1`` of them; empty before ``finish``.
        counts: Values in each bin; the last includes its upper edge.
        below: Values below the first edge.
        above: Values above the last edge.
    """

    def __init__(self) -> None:
        self.count = self.below = self.above = 0
        self.edges: list[float] = []
        self.counts: list[int] = []
        self._first: list[float] | None = []

    def add(self, value: float) -> None:
        """Count one value; what is not finite is left out."""
        if not isfinite(value):
            return
        self.count += 1
        if self._first is None:
            self._put(value)
        else:
            self._first.append(value)
            if len(self._first) >= FIRST:
                self.finish()

    def finish(self) -> None:
        """Set the range, if no one did yet."""
        if not self._first:
            return
        values, self._first = sorted(self._first), None
        skipped = int(TAIL * len(values))
        low, high = values[skipped], values[-1 - skipped]
        if high <= low:  # one value only: bins around it that a float can tell apart
            width = max(abs(low), 1.0) * 1e-3
            low, high = low - width, high + width
        self.edges = [low * (1 - k / BINS) + high * (k / BINS) for k in range(BINS)] + [high]
        self.counts = [0] * BINS
        for value in values:
            self._put(value)

    def _put(self, value: float) -> None:
        if value < self.edges[0]:
            self.below += 1
        elif value > self.edges[-1]:
            self.above += 1
        else:
            self.counts[min(bisect_right(self.edges, value) - 1, BINS - 1)] += 1
