"""Sums of scored structures beside a reference, as the report shows them.

These can be set beside numbers that MiDi's code gives (Vignac et al. 2023, taken over by others), on the same split,
bond source, hydrogens and number of samples: the Wasserstein distance of the angles at one element (0.1 degree bins
there too), that of ``n_atoms``, and twice the total variation of ``element`` (MiDi's lacks the factor 1/2).

These cannot: bond lengths, whose types are the four orders alone there, in 0.01 angstrom bins, with a mean weighted by
shares of all atom pairs, so that it is smaller by about the share of pairs that are bonded; the mean over angles,
weighted there by atoms with two bonds or more, here by angles; bond types, with "no bond" among them there; charges,
compared element by element there. MiDi has no torsions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from molgen.scoring.distributions.cautions import cautions
from molgen.scoring.distributions.distances import Distances, by_type, distances, weighted
from molgen.scoring.distributions.histograms import EMPTY, Histogram, Sums
from molgen.scoring.distributions.metrics import Metric, metrics_of
from molgen.scoring.distributions.plots import plotted
from molgen.scoring.distributions.reference import DistributionReference

TYPES_LISTED = 60
"""Types of a metric that are listed one by one, the most frequent of the reference first; the mean is over all."""
TYPES_PLOTTED = 12

Histograms = Mapping[int, Histogram]


def compare(sums: Sums, reference: DistributionReference) -> dict[str, Any]:
    """Distances of the scored structures from a reference, each beside its noise floor and bad control.

    Args:
        sums: Over the features of the scored structures.
        reference: What to compare with.

    Returns:
        JSON values. ``floor`` is the distance of ``floor_n`` held-out structures from the reference (as many as were
        scored, or all there are), ``control`` that of the same structures spoilt. Undefined numbers are None.
    """
    rows = reference.draw(sums.n)
    floor, control = reference.holdout.sums(rows), reference.control.sums(rows)
    metrics, histograms = {}, {}
    for metric in metrics_of(reference.bonds).values():
        sides = [part.histograms(metric.name) for part in (sums, reference.sums, floor, control)]
        metrics[metric.name] = _described(metric, sums, reference.sums) | _compared(metric, *sides)
        histograms[metric.name] = _plots(metric, sides[0], sides[1])
    return {
        "reference": reference.description,
        "bonds": reference.bonds,
        "n": sums.n,
        "floor_n": floor.n,
        "notes": [*reference.notes, *cautions(sums, reference.sums, reference.bonds, floor.n)],
        "metrics": metrics,
        "histograms": histograms,
    }


def _described(metric: Metric, sums: Sums, reference: Sums) -> dict[str, Any]:
    return {
        "label": metric.label,
        "unit": metric.unit,
        "meaning": metric.meaning,
        "bins": {"wasserstein": metric.width, "jensen_shannon": metric.width * metric.coarse},
        "clipped": sums.clipped(metric.name),
        "reference_clipped": reference.clipped(metric.name),
    }


def _compared(
    metric: Metric, sample: Histograms, reference: Histograms, floor: Histograms, control: Histograms
) -> dict[str, Any]:
    """Distances of one metric, whole and by type."""
    counts, reference_counts = _totals(sample), _totals(reference)
    counted = {"count": sum(counts.values()), "reference_count": sum(reference_counts.values())}
    if metric.type_name is None:
        main, *others = (
            distances(metric, part.get(0, EMPTY), reference.get(0, EMPTY)) for part in (sample, floor, control)
        )
        return {**main, **_beside(*others), **counted, "by_type": {}}
    parts, floor_parts, control_parts = (by_type(metric, part, reference) for part in (sample, floor, control))
    undefined: Distances = distances(metric, EMPTY, EMPTY)
    listed = sorted(parts, key=lambda code: (-reference_counts.get(code, 0), -counts.get(code, 0), code))
    return {
        **weighted(parts, reference),
        **_beside(weighted(floor_parts, reference), weighted(control_parts, reference)),
        **counted,
        "only_in_sample": _share(counts, reference_counts),
        "only_in_reference": _share(reference_counts, counts),
        "by_type": {
            metric.type_name(code): {
                **parts[code],
                **_beside(floor_parts.get(code, undefined), control_parts.get(code, undefined)),
                "count": counts.get(code, 0),
                "reference_count": reference_counts.get(code, 0),
            }
            for code in listed[:TYPES_LISTED]
        },
    }


def _beside(floor: Distances, control: Distances) -> dict[str, Any]:
    return {"floor": floor, "control": control}


def _totals(histograms: Histograms) -> dict[int, int]:
    return {code: histogram.total for code, histogram in histograms.items()}


def _share(counts: Mapping[int, int], others: Mapping[int, int]) -> float | None:
    """Share of the values whose type the other side lacks; they enter no distance."""
    total = sum(counts.values())
    return sum(count for code, count in counts.items() if code not in others) / total if total else None


def _plots(metric: Metric, sample: Histograms, reference: Histograms) -> dict[str, Any]:
    """Histograms of the types with most values in the reference; of a metric without types under ``all``."""
    most = sorted(reference, key=lambda code: -reference[code].total)[:TYPES_PLOTTED]
    return {
        "all" if metric.type_name is None else metric.type_name(code): plotted(
            metric, sample.get(code, EMPTY), reference[code]
        )
        for code in most
    }
