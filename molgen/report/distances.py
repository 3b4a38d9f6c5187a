"""The section on distributions: distances from the reference beside what they can resolve, and the histograms."""

from __future__ import annotations

from typing import Any

from molgen.report.charts import DASH, category_plot, number, ratio_dots, step_plot
from molgen.report.html import Html, el, table
from molgen.report.sections import notes, section

TYPES_DRAWN = 12
MEASURES = {"wasserstein": "Wasserstein", "jensen_shannon": "Jensen-Shannon"}
VERDICTS = {"within floor": "good", "above floor": "fair", "as bad as control": "bad", "no floor": "none"}
"""Verdict and the class of its mark."""
EXPLANATION = (
    "The noise floor is the distance of held-out real structures from the reference: below it, no generator can be "
    "told from the reference. The bad control is the distance of the same structures after their geometry was spoilt "
    "on purpose: a sample that reaches it is no better. The verdict is that of the Wasserstein distance where it is "
    "defined, else of the Jensen-Shannon distance (0 to 1): within floor (at most the floor), as bad as control (at "
    "least the control), above floor (anything else). A control that does not exceed the floor, as for elements, which "
    "moving atoms does not change, plays no part."
)
LEGEND = {"dot": "sample", "floor": "noise floor and below", "control": "bad control"}
FIGURES = {"reference": "reference", "sample": "sample"}
FEWEST_BINS = 25
"""Histograms with fewer bins are drawn as they are; they may count whole numbers."""


def verdict(distances: dict[str, Any]) -> str:
    """One of ``VERDICTS`` for a sample's distances with floor and control; see ``EXPLANATION``."""
    value, floor, control = _triple(distances, _measure(distances))
    if value is None or floor is None:
        return "no floor"
    if value <= floor:
        return "within floor"
    return "as bad as control" if control is not None and value >= control > floor else "above floor"


def _measure(distances: dict[str, Any]) -> str:
    return "wasserstein" if distances.get("wasserstein") is not None else "jensen_shannon"


def _triple(distances: dict[str, Any], measure: str) -> tuple[float | None, float | None, float | None]:
    floor, control = distances.get("floor") or {}, distances.get("control") or {}
    return distances.get(measure), floor.get(measure), control.get(measure)


def distributions(part: dict[str, Any] | None) -> Html | None:
    """The section; nothing where no distributions were asked for.

    Args:
        part: ``distributions`` of the summary.
    """
    if part is None:
        return None
    metrics, drawn = part["metrics"], part["histograms"]
    widest = _widest(list(metrics.values()))
    rows = [_row(metric["label"], metric["unit"], metric, widest) for metric in metrics.values()]
    bonds = f" Bonds: {part['bonds']}." if isinstance(part.get("bonds"), str) else ""
    counted = f"{part['n']:,} structures of the sample.{_split(part)}{bonds}"
    whole = {name: drawn.get(name, {}) for name, metric in metrics.items() if not metric.get("by_type")}
    figures = [
        _figure(metrics[name], metrics[name]["label"], one) for name, kinds in whole.items() for one in kinds.values()
    ]
    return section(
        "distributions",
        "Distributions against the reference",
        el("p", counted),
        el("p", EXPLANATION),
        table(_head("Distribution"), rows, caption="Distances from the reference", class_="distances"),
        _legend(LEGEND),
        notes(part["notes"]),
        el("h3", "Histograms"),
        _legend(FIGURES),
        el("div", figures, class_="grid plots"),
        [_typed(metric, drawn.get(name, {})) for name, metric in metrics.items() if metric.get("by_type")],
    )


def _split(part: dict[str, Any]) -> str:
    """Which structures are the reference, the held-out ones and the bad control, as far as the summary says."""
    facts = part.get("reference") or {}
    floor, jitter = part.get("floor_n"), facts.get("jitter")
    known = [f"Reference: {_many(facts.get('structures'))}structures of {facts.get('name') or facts.get('spec')}"]
    if facts.get("holdout"):
        known.append(f"held out: {_many(floor)}structures of {facts['holdout']}")
    if isinstance(jitter, int | float):
        known.append(f"control: their atoms moved by {number(jitter)} angstrom (standard deviation)")
    elif facts.get("control"):
        known.append(f"control: {facts['control']}")
    return f" {'; '.join(known)}." if facts else ""


def _many(count: Any) -> str:
    return f"{count:,} " if isinstance(count, int) else ""


def _head(first: str) -> tuple[str, ...]:
    cells = [cell for measure in MEASURES.values() for cell in (measure, "floor", "control")]
    return (first, "Unit", *cells, "Multiples of the floor", "Verdict")


def _row(label: str, unit: str, distances: dict[str, Any], widest: float) -> tuple[Any, ...]:
    cells: list[Any] = []
    for measure in MEASURES:
        value, floor, control = _triple(distances, measure)
        cells += [el("b", number(value, 3)), number(floor, 3), number(control, 3)]
    value, floor, control = _triple(distances, _measure(distances))
    times = DASH if value is None or not floor else f"{number(value / floor, 2)} \u00d7"
    word = verdict(distances)
    dots = ratio_dots(value, floor, control, widest, f"{times} the noise floor; {word}")
    return (
        label,
        unit,
        *cells,
        el("span", dots, f" {times}", class_="nowrap"),
        el("span", word, class_=f"verdict {VERDICTS[word]}"),
    )


def _widest(several: list[dict[str, Any]]) -> float:
    """Largest multiple of the floor among samples and controls, from 2 to 10,000."""
    found = [2.0]
    for distances in several:
        value, floor, control = _triple(distances, _measure(distances))
        found += [other / floor for other in (value, control) if floor and other is not None]
    return min(max(found), 1e4)


def _legend(marks: dict[str, str]) -> Html:
    keys = [el("span", el("span", class_=f"key {kind}"), f" {text}", class_="nowrap") for kind, text in marks.items()]
    return el("p", keys, class_="legend small")


def _typed(metric: dict[str, Any], drawn: dict[str, Any]) -> Html:
    """Histograms and table by type of one metric."""
    types = metric["by_type"]
    ordered = sorted(types, key=lambda kind: -_count(types[kind], "reference_count"))
    widest = _widest(list(types.values()))
    rows = [(*_row(kind, metric["unit"], types[kind], widest), *_counts(types[kind])) for kind in ordered]
    shown = [kind for kind in [*ordered, *(k for k in drawn if k not in types)] if kind in drawn][:TYPES_DRAWN]
    label = f"{metric['label']}" + (f" ({metric['unit']})" if metric["unit"] else "")
    lacking = metric.get("only_in_sample") or 0
    strangers = f"{100 * lacking:.2f} % of the sample's values are of types that the reference lacks."
    return el(
        "article",
        el("h3", f"{label[:1].upper()}{label[1:]} by type"),
        el("p", f"{metric['meaning']}.", class_="meaning"),
        el("p", strangers, class_="meaning") if lacking else None,
        el("div", [_figure(metric, kind, drawn[kind]) for kind in shown], class_="grid plots"),
        el(
            "details",
            el("summary", f"Distances of {len(rows)} types"),
            table((*_head("Type"), "Sample", "Reference"), rows, caption=f"By type: {label}", class_="distances"),
        ),
    )


def _count(distances: dict[str, Any], key: str) -> int:
    value = distances.get(key)
    return value if isinstance(value, int) else 0


def _counts(distances: dict[str, Any]) -> tuple[str, str]:
    return f"{_count(distances, 'count'):,}", f"{_count(distances, 'reference_count'):,}"


def _figure(metric: dict[str, Any], title: str, histogram: dict[str, Any]) -> Html:
    label = f"{metric['label']}, {title}: shares of the sample beside those of the reference"
    sample, reference = histogram["sample"], histogram["reference"]
    if "categories" in histogram:
        plot = category_plot(histogram["categories"], sample, reference, label=label)
    else:
        count = _count((metric.get("by_type") or {}).get(title, metric), "count")
        plot = step_plot(*_merged(histogram["edges"], sample, reference, count), label=label)
    return el("figure", el("figcaption", el("b", title), el("span", metric["unit"], class_="meaning")), plot)


def _merged(edges: list[float], sample: list[float], reference: list[float], count: int) -> tuple[list[float], ...]:
    """Neighbouring bins put together until a small sample shows its shape, not its noise: by Rice's rule.

    Args:
        edges: Shape ``(k + 1,)``.
        sample: Shape ``(k,)``.
        reference: Shape ``(k,)``.
        count: Values of the sample.
    """
    k = len(sample)
    factor = max(1, round(k / max(FEWEST_BINS, 2 * count ** (1 / 3))))
    starts = range(0, k, factor)
    sums = [[sum(values[start : start + factor]) for start in starts] for values in (sample, reference)]
    # The last bin may be narrower; its right edge is the last one.
    return [*(edges[start] for start in starts), edges[-1]], sums[0], sums[1]
