"""Features of many structures, structure by structure, so that any choice of them can be added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molgen.scoring.distributions.features import Features
from molgen.scoring.distributions.histograms import Sums
from molgen.scoring.distributions.metrics import Cells, metrics_of


@dataclass(frozen=True)
class FeatureTable:
    """Features as flat arrays.

    Attributes:
        bonds: Bond source of all structures.
        usable: Whether a structure contributes, shape ``(n,)``.
        described: Whether it contributes descriptors too, shape ``(n,)``.
        cells: Metric -> cells of all structures one after another.
        offsets: Metric -> where each structure's cells begin, and the end of the last, shape ``(n + 1,)``.
    """

    bonds: str
    usable: NDArray[np.bool_]
    described: NDArray[np.bool_]
    cells: dict[str, Cells]
    offsets: dict[str, NDArray[np.int64]]

    @classmethod
    def of(cls, features: Sequence[Features | None], bonds: str) -> FeatureTable:
        """Table of features; None is a structure whose features could not be computed."""
        rows = [Features(bonds, without_bonds=True) if item is None else item for item in features]
        empty = np.zeros(0, np.int64)
        columns = {name: [row.cells.get(name, empty) for row in rows] for name in metrics_of(bonds)}
        return cls(
            bonds,
            np.array([not row.without_bonds for row in rows], np.bool_),
            np.array([not (row.without_bonds or row.without_descriptors) for row in rows], np.bool_),
            {name: np.concatenate([empty, *column]) for name, column in columns.items()},
            {name: np.cumsum([0, *map(len, column)]) for name, column in columns.items()},
        )

    def __len__(self) -> int:
        return len(self.usable)

    def sums(self, rows: NDArray[np.int64]) -> Sums:
        """Sums over some structures.

        Args:
            rows: Their indices, each once, shape ``(k,)``.
        """
        chosen = np.zeros(len(self), np.bool_)
        chosen[rows] = True
        usable = int((chosen & self.usable).sum())
        sums = Sums()
        sums.bonds[self.bonds] = usable
        sums.counters["structures"] = usable
        sums.counters["without_bonds"] = int(chosen.sum()) - usable
        sums.counters["without_descriptors"] = usable - int((chosen & self.described).sum())
        for name, cells in self.cells.items():
            sums.add_cells(name, cells[np.repeat(chosen, np.diff(self.offsets[name]))])
        return sums

    def to_arrays(self) -> dict[str, NDArray]:
        """Everything but ``bonds`` as plain arrays."""
        arrays: dict[str, NDArray] = {"usable": self.usable, "described": self.described}
        for name in metrics_of(self.bonds):
            arrays |= {f"{name}.cells": self.cells[name], f"{name}.offsets": self.offsets[name]}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray], bonds: str) -> FeatureTable:
        """Undo ``to_arrays``.

        Raises:
            KeyError: An array is missing.
        """
        return cls(
            bonds,
            arrays["usable"],
            arrays["described"],
            {name: arrays[f"{name}.cells"] for name in metrics_of(bonds)},
            {name: arrays[f"{name}.offsets"] for name in metrics_of(bonds)},
        )
