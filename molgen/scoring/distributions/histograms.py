"""Sums of features over any number of structures, in memory that depends on the metrics' bins only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molgen.scoring.distributions.features import Features
from molgen.scoring.distributions.metrics import EVERY_METRIC, STRIDE, Cells

Counts = NDArray[np.int64]
WAITING_CELLS = 500_000
"""Cells that wait before equal ones are counted together; 16 bytes each."""
_COUNTERS = ("structures", "without_bonds", "without_descriptors", "lost")


@dataclass(frozen=True)
class Histogram:
    """Counts of the values of one type, without empty bins.

    Attributes:
        bins: Ascending bin indices, shape ``(k,)``.
        counts: Values in each, positive, shape ``(k,)``.
    """

    bins: Counts
    counts: Counts

    @property
    def total(self) -> int:
        """Number of values."""
        return int(self.counts.sum())


EMPTY = Histogram(np.zeros(0, np.int64), np.zeros(0, np.int64))


class Sums:
    """Features added up. Sums of parts merge to exactly the sums of the whole, in any order.

    Attributes:
        counters: ``structures`` that contribute; ``without_bonds``, which contribute nothing; ``without_descriptors``,
            which contribute their geometry only; ``lost``, whose features could not be computed.
        bonds: Structures by the bond source used.
    """

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter(dict.fromkeys(_COUNTERS, 0))
        self.bonds: Counter[str] = Counter()
        self._cells: dict[str, tuple[Cells, Counts]] = {}
        self._waiting: dict[str, list[tuple[Cells, Counts]]] = {}
        self._waiting_cells = 0

    @property
    def n(self) -> int:
        """Structures that contribute."""
        return self.counters["structures"]

    def add(self, features: Features) -> None:
        """Add one structure."""
        if features.without_bonds:
            self.counters["without_bonds"] += 1
            return
        self.counters["structures"] += 1
        self.counters["without_descriptors"] += features.without_descriptors
        self.bonds[features.bonds] += 1
        for name, cells in features.cells.items():
            self.add_cells(name, cells)

    def add_lost(self) -> None:
        """Count a structure whose features could not be computed."""
        self.counters["lost"] += 1

    def add_cells(self, metric: str, cells: Cells) -> None:
        """Add values of one metric, counted to no structure.

        Args:
            metric: A name in ``EVERY_METRIC``.
            cells: Shape ``(k,)``.
        """
        self._wait(metric, cells, np.ones(len(cells), np.int64))

    def merge(self, other: Sums) -> Sums:
        """The sums of both; neither is changed. Merging many small sums into a large one, one by one, is cheap."""
        merged = Sums()
        merged._cells = dict(self._cells)
        for part in (self, other):
            merged.counters.update(part.counters)
            merged.bonds.update(part.bonds)
            for name, waiting in part._waiting.items():
                for cells, counts in waiting:
                    merged._wait(name, cells, counts)
        for name, (cells, counts) in other._cells.items():
            merged._wait(name, cells, counts)
        return merged

    def histograms(self, metric: str) -> dict[int, Histogram]:
        """Histogram of each type that has values, by the type's code, ascending; one type 0 where there are none."""
        self._settle()
        cells, counts = self._cells.get(metric, (EMPTY.bins, EMPTY.counts))
        if not len(cells):
            return {}
        types, starts = np.unique(cells // STRIDE, return_index=True)
        parts = zip(np.split(cells % STRIDE, starts[1:]), np.split(counts, starts[1:]), strict=True)
        return {int(code): Histogram(bins, part) for code, (bins, part) in zip(types, parts, strict=True)}

    def clipped(self, metric: str) -> int:
        """Values of a metric outside its range."""
        last = EVERY_METRIC[metric].bins + 1
        return sum(int(h.counts[(h.bins == 0) | (h.bins == last)].sum()) for h in self.histograms(metric).values())

    def to_arrays(self) -> dict[str, NDArray]:
        """Everything as plain arrays that ``numpy.savez`` can write without pickle."""
        self._settle()
        arrays: dict[str, NDArray] = {
            "counters": np.array([self.counters[name] for name in _COUNTERS], np.int64),
            "bonds.names": np.array(list(self.bonds), np.str_),
            "bonds.counts": np.array(list(self.bonds.values()), np.int64),
        }
        for name, (cells, counts) in self._cells.items():
            arrays |= {f"{name}.cells": cells, f"{name}.counts": counts}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> Sums:
        """Undo ``to_arrays``.

        Raises:
            KeyError, ValueError: These are not its arrays.
        """
        sums = cls()
        sums.counters.update(dict(zip(_COUNTERS, arrays["counters"].tolist(), strict=True)))
        sums.bonds.update(dict(zip(arrays["bonds.names"].tolist(), arrays["bonds.counts"].tolist(), strict=True)))
        for name in EVERY_METRIC:
            if f"{name}.cells" in arrays:
                cells, counts = (np.asarray(arrays[f"{name}.{part}"], np.int64) for part in ("cells", "counts"))
                if cells.shape != counts.shape or cells.ndim != 1:
                    raise ValueError(f"{name} has {cells.shape} cells and {counts.shape} counts")
                sums._cells[name] = cells, counts
        return sums

    def __getstate__(self) -> dict[str, NDArray]:
        return self.to_arrays()

    def __setstate__(self, state: dict[str, NDArray]) -> None:
        self.__dict__.update(Sums.from_arrays(state).__dict__)

    def _wait(self, metric: str, cells: Cells, counts: Counts) -> None:
        self._waiting.setdefault(metric, []).append((cells, counts))
        self._waiting_cells += len(cells)
        if self._waiting_cells > WAITING_CELLS:
            self._settle()

    def _settle(self) -> None:
        """Add the counts of equal cells."""
        for name, waiting in self._waiting.items():
            parts = [self._cells[name], *waiting] if name in self._cells else waiting
            cells, where = np.unique(np.concatenate([cells for cells, _ in parts]), return_inverse=True)
            counts = np.zeros(len(cells), np.int64)
            np.add.at(counts, where, np.concatenate([counts for _, counts in parts]))
            self._cells[name] = cells, counts
        self._waiting, self._waiting_cells = {}, 0
