"""Records that a report shows one by one."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from molgen.scoring.protocol import Row


@dataclass(frozen=True)
class Pick:
    """A molecule or crystal to be shown.

    Attributes:
        row: Its row.
        record: Its place in its source, from 0.
        passed: Checks that are true.
        failed: Checks that are false.
        open: Checks that are not applicable.
        energy: In the unit of the energy column; None without one.
    """

    row: Row
    record: int
    passed: int
    failed: int
    open: int
    energy: float | None

    @property
    def index(self) -> int:
        """Place in the whole input."""
        return int(self.row["index"] or 0)


class Smallest:
    """The ``size`` picks with the smallest keys; keys are tuples of numbers, all different."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._heap: list[tuple[tuple[float, ...], Pick]] = []

    def add(self, key: tuple[float, ...], pick: Pick) -> None:
        """Keep the pick if its key is among the smallest so far."""
        entry = (tuple(-part for part in key), pick)
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, entry)
        elif self._heap and entry[0] > self._heap[0][0]:
            heapq.heapreplace(self._heap, entry)

    def sorted(self) -> list[Pick]:
        """The smallest first."""
        return [pick for _, pick in sorted(self._heap, key=lambda entry: entry[0], reverse=True)]
