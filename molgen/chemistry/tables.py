"""EDM's two tables, bond lengths and valences, as arrays indexed by atomic number."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from molgen.elements import NUMBERS, SYMBOLS

TABLE = "edm-lookup-1"
"""Name of the frozen tables; part of every score made with them."""
MARGINS_PM = (10.0, 5.0, 3.0)
"""Added to the length of a single, double and triple bond; tuned by EDM's authors on QM9."""
NUM_ELEMENTS = len(SYMBOLS)
"""Rows of every table: atomic numbers 0 (padding, dummy) to 118."""
MAX_VALENCE = 8
"""Sums of bond orders from here on are never allowed."""


@dataclass(frozen=True)
class EdmTables:
    """Everything the lookup needs.

    Attributes:
        thresholds: Distance in pm below which a pair has at least bond order ``k + 1``, shape ``(3, 119, 119)``,
            float64; minus infinity where the order does not exist for the pair.
        allowed: True where an element may have a sum of bond orders, shape ``(119, MAX_VALENCE + 1)``, bool.
        known: Elements that have a valence, shape ``(119,)``, bool.
    """

    thresholds: NDArray[np.float64]
    allowed: NDArray[np.bool_]
    known: NDArray[np.bool_]

    def stable(self, numbers: NDArray, valences: NDArray) -> NDArray[np.bool_]:
        """Which atoms have an allowed sum of bond orders; both arguments and the result have shape ``(A,)``."""
        result: NDArray[np.bool_] = self.allowed[table_rows(numbers), np.minimum(valences, MAX_VALENCE)]
        return result

    def valences(self, number: int) -> list[int]:
        """Sums of bond orders at which element ``number`` is stable; empty if the table does not know it."""
        return [int(v) for v in np.flatnonzero(self.allowed[table_rows(np.int64(number))])]


def table_rows(numbers: NDArray | np.int64) -> NDArray[np.int64]:
    """Atomic numbers as rows of the tables: anything else becomes 0, which never bonds and is never stable."""
    z = np.asarray(numbers, np.int64)
    return np.where((z > 0) & (z < NUM_ELEMENTS), z, 0)


@cache
def edm_tables() -> EdmTables:
    """The tables of Hoogeboom et al. 2022, read once from the csv files beside this module."""
    thresholds = np.full((3, NUM_ELEMENTS, NUM_ELEMENTS), -np.inf)
    for row in read_table("edm_bond_lengths.csv"):
        a, b, order = NUMBERS[row["element_a"]], NUMBERS[row["element_b"]], int(row["order"])
        thresholds[order - 1, a, b] = thresholds[order - 1, b, a] = float(row["length_pm"]) + MARGINS_PM[order - 1]
    allowed = np.zeros((NUM_ELEMENTS, MAX_VALENCE + 1), bool)
    for row in read_table("edm_valences.csv"):
        allowed[NUMBERS[row["element"]], [int(v) for v in row["valences"].split()]] = True
    return EdmTables(thresholds=thresholds, allowed=allowed, known=np.asarray(allowed.any(axis=1)))


def read_table(name: str) -> Iterator[dict[str, str]]:
    """Rows of a csv file beside this module, without its comment lines."""
    text = files("molgen.chemistry").joinpath(name).read_text(encoding="utf-8")
    yield from csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
