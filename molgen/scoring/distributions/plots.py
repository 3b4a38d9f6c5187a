"""Histograms small enough to draw."""

from __future__ import annotations

from typing import Any

import numpy as np

from molgen.scoring.distributions.histograms import Histogram
from molgen.scoring.distributions.metrics import Metric

MOST_BINS = 100
MOST_CATEGORIES = 30
CENTRAL = 0.998
"""Share of each side's values that the drawn range covers; a stray value must not squeeze the rest into one bar."""


def plotted(metric: Metric, sample: Histogram, reference: Histogram) -> dict[str, Any]:
    """Probabilities of both sides in common bins.

    They are shares of all values, so that they sum to less than one where values lie outside the drawn range.

    Args:
        metric: Whose bins these are.
        sample: May be empty; its probabilities are then 0.
        reference: Not empty.

    Returns:
        ``edges``, ``k + 1 <= 101`` ascending numbers, or for categories ``categories``, ``k <= 30`` names, the most
        frequent first; ``sample`` and ``reference``, ``k`` probabilities each.
    """
    if metric.category_name is not None:
        return _categories(metric, sample, reference)
    ranges = [_central(histogram) for histogram in (sample, reference) if histogram.total]
    first, last = min(low for low, _ in ranges), max(high for _, high in ranges)
    factor = -(-(last - first + 1) // MOST_BINS)
    starts = np.arange(first, last + 1, factor)
    edges = [metric.edge(int(bin_index)) for bin_index in [*starts, starts[-1] + factor]]
    return {
        "edges": [round(edge, 6) for edge in edges],
        **{
            name: _probabilities(histogram, (histogram.bins - first) // factor, len(starts))
            for name, histogram in (("sample", sample), ("reference", reference))
        },
    }


def _categories(metric: Metric, sample: Histogram, reference: Histogram) -> dict[str, Any]:
    assert metric.category_name is not None
    shares = {
        name: dict(zip(histogram.bins.tolist(), (histogram.counts / max(1, histogram.total)).tolist(), strict=True))
        for name, histogram in (("sample", sample), ("reference", reference))
    }
    both = {**shares["reference"], **shares["sample"]}
    most = sorted(both, key=lambda code: (-shares["reference"].get(code, 0.0), -shares["sample"].get(code, 0.0)))
    listed = most[:MOST_CATEGORIES]
    return {
        "categories": [metric.category_name(code - 1) for code in listed],
        **{name: [part.get(code, 0.0) for code in listed] for name, part in shares.items()},
    }


def _central(histogram: Histogram) -> tuple[int, int]:
    """First and last bin of the central values."""
    shares = np.cumsum(histogram.counts) / histogram.total
    tail = (1 - CENTRAL) / 2
    low, high = np.searchsorted(shares, [tail, 1 - tail])
    return int(histogram.bins[low]), int(histogram.bins[min(high, len(histogram.bins) - 1)])


def _probabilities(histogram: Histogram, places: np.ndarray, size: int) -> list[float]:
    shown = (places >= 0) & (places < size)
    counts = np.bincount(places[shown], histogram.counts[shown], size)
    return [round(float(share), 8) for share in counts / max(1, histogram.total)]
