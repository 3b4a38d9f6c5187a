"""Composition features of Magpie, scaled as CDVAE scales them: 22 elemental properties with six statistics each.

Ward et al., npj Comput. Mater. 2, 16028 (2016); preset "magpie" of matminer's ElementProperty without imputation.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from molgen.elements import SYMBOLS

STATISTICS = ("minimum", "maximum", "range", "mean", "avg_dev", "mode")
FEATURES = 132


def magpie_features(numbers: Sequence[int]) -> NDArray[np.float64]:
    """Features of a composition, the six statistics of one property after those of another, shape ``(132,)``.

    ``avg_dev`` is the mean absolute deviation from the mean, ``mode`` the value of the most frequent element, the
    smallest where several are. NaN where a property of an element is unknown.

    Args:
        numbers: Atomic number of each atom, shape ``(N,)``, in any order.
    """
    counts = Counter(numbers)
    values = _table()[list(counts)]
    weights = np.array(list(counts.values()), np.float64) / len(numbers)
    low, high = values.min(axis=0), values.max(axis=0)
    mean = weights @ values
    deviation = weights @ np.abs(values - mean)
    mode = values[np.isclose(weights, weights.max())].min(axis=0)
    unknown = np.isnan(low)
    features = np.stack([low, high, high - low, mean, deviation, mode], axis=1)
    features[unknown] = np.nan
    return features.reshape(-1)


def scaled_features(numbers: Sequence[int]) -> NDArray[np.float64]:
    """``magpie_features`` less CDVAE's means, over its deviations; 0 where unknown. Shape ``(132,)``.

    CDVAE scales once (``compute_cov`` of its ``eval_utils.py``); DiffCSP's copy of that function scales twice, so that
    its coverage is at other cut-offs.
    """
    mean, deviation = _scaler()
    return np.nan_to_num((magpie_features(numbers) - mean) / deviation, nan=0.0)


@cache
def _table() -> NDArray[np.float64]:
    """Shape ``(119, 22)``; row 0 and elements without data are NaN."""
    table = np.full((len(SYMBOLS), 22), np.nan)
    for row in _rows("magpie.csv"):
        values = list(row.values())
        table[SYMBOLS.index(values[0])] = [float(value) if value else np.nan for value in values[1:]]
    return table


@cache
def _scaler() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = _rows("cdvae_scaler.csv")
    return np.array([float(row["mean"]) for row in rows]), np.array([float(row["deviation"]) for row in rows])


def _rows(name: str) -> list[dict[str, str]]:
    text = files("molgen.chemistry").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
