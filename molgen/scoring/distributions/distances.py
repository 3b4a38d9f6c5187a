"""Distances between histograms: Wasserstein-1, Jensen-Shannon, total variation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from molgen.scoring.distributions.histograms import EMPTY, Histogram
from molgen.scoring.distributions.metrics import Metric

Distances = dict[str, float | None]
KINDS = ("wasserstein", "jensen_shannon", "total_variation")


def distances(metric: Metric, p: Histogram, q: Histogram) -> Distances:
    """All distances between two histograms that are defined for a metric.

    Args:
        metric: Whose bins these are.
        p: One histogram.
        q: The other.

    Returns:
        ``wasserstein`` in the metric's unit, ``jensen_shannon`` between 0 and 1, and for categories only
        ``total_variation`` between 0 and 1; None where a distance is undefined: with an empty histogram, and the
        Wasserstein distance of categories.
    """
    if not p.total or not q.total:
        return dict.fromkeys(KINDS)
    if metric.category_name is not None:
        return {
            "wasserstein": None,
            "jensen_shannon": jensen_shannon(p, q),
            "total_variation": total_variation(p, q),
        }
    return {
        "wasserstein": wasserstein(p, q) * metric.width,
        "jensen_shannon": jensen_shannon(coarsened(p, metric.coarse), coarsened(q, metric.coarse)),
        "total_variation": None,
    }


def wasserstein(p: Histogram, q: Histogram) -> float:
    """Wasserstein-1 distance in bins: the area between the two cumulative distributions."""
    bins, difference = _difference(p, q)
    return float(np.abs(np.cumsum(difference)[:-1]) @ np.diff(bins))


def jensen_shannon(p: Histogram, q: Histogram) -> float:
    """Jensen-Shannon distance with logarithms to base 2: the root of the divergence, from 0 to 1 (no common bin)."""
    _, a, b = _aligned(p, q)
    middle = (a + b) / 2
    return float(np.sqrt(max(0.0, (_relative_entropy(a, middle) + _relative_entropy(b, middle)) / 2)))


def total_variation(p: Histogram, q: Histogram) -> float:
    """Half the sum of absolute differences of probabilities, from 0 to 1 (no common bin)."""
    return float(np.abs(_difference(p, q)[1]).sum() / 2)


def by_type(
    metric: Metric, sample: Mapping[int, Histogram], reference: Mapping[int, Histogram]
) -> dict[int, Distances]:
    """Distances of every type that occurs on either side; all None where it occurs on one side only."""
    return {
        code: distances(metric, sample.get(code, EMPTY), reference.get(code, EMPTY)) for code in {**reference, **sample}
    }


def weighted(parts: Mapping[int, Distances], reference: Mapping[int, Histogram]) -> Distances:
    """Mean over types, weighted by how many values of the reference each has.

    A type that one side lacks has no distance; the weights of the others are then taken to sum to one, and how much was
    left out is for the caller to report.

    Args:
        parts: Distances by type.
        reference: Histograms by type.
    """
    means: Distances = {}
    for kind in KINDS:
        known = [(value, reference[code].total) for code, part in parts.items() if (value := part[kind]) is not None]
        total = sum(weight for _, weight in known)
        means[kind] = sum(value * weight for value, weight in known) / total if known else None
    return means


def coarsened(histogram: Histogram, factor: int) -> Histogram:
    """Every ``factor`` bins as one; what lies below or above the range stays apart."""
    bins, where = np.unique((histogram.bins - 1) // factor, return_inverse=True)
    return Histogram(bins, np.bincount(where, histogram.counts, len(bins)).astype(np.int64))


def _aligned(p: Histogram, q: Histogram) -> tuple[NDArray, NDArray, NDArray]:
    """(bins of either, probabilities of p, of q) with the bins ascending."""
    bins, where = np.unique(np.concatenate([p.bins, q.bins]), return_inverse=True)
    a, b = (
        np.bincount(part, h.counts, len(bins)) / h.total
        for part, h in ((where[: len(p.bins)], p), (where[len(p.bins) :], q))
    )
    return bins, a, b


def _difference(p: Histogram, q: Histogram) -> tuple[NDArray, NDArray]:
    bins, a, b = _aligned(p, q)
    return bins, a - b


def _relative_entropy(p: NDArray, q: NDArray) -> float:
    some = p > 0
    return float((p[some] * np.log2(p[some] / q[some])).sum())
