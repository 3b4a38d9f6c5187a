"""Sections of the page that follow from the summary and the counts: what was scored, rates, failures, histograms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from molgen.report.charts import DASH, interval_bar, number, share_bar, step_plot
from molgen.report.collect import Collected
from molgen.report.histogram import TAIL, Histogram
from molgen.report.html import Html, el, table

KINDS_SHOWN = 25
SOURCES_SHOWN = 10
UNREADABLE_SHOWN = 10
DENOMINATORS = (
    "Every rate is printed with its numerator and denominator. Unless its meaning says otherwise, the denominator is "
    "all records, and records that could not be read count as failures. Rates over structures have Wilson's 95 % "
    "interval; a rate over atoms treats molecules, not atoms, as independent. Means and medians are over the "
    "structures that have a value, which are counted beside them."
)


def section(name: str, title: str, *children: Any) -> Html:
    """A part of the page that the menu can jump to."""
    return el("section", el("h2", title, id=f"{name}-title"), *children, id=name, aria_labelledby=f"{name}-title")


def notes(texts: Iterable[str]) -> Html | None:
    """A list of remarks; nothing without any."""
    items = [el("li", text) for text in texts]
    return el("ul", items, class_="notes") if items else None


def facts(summary: dict[str, Any], rows: str, scored: str, created: str) -> Html:
    """What was scored, how, and when.

    Args:
        summary: Of the scoring.
        rows: Name of the file of rows.
        scored: When the rows were written.
        created: When the report was made.
    """
    n, sources, bonds = summary["n"], summary["sources"], summary["bonds"]
    listed = [el("li", el("b", name), f": {count:,} records") for name, count in list(sources.items())[:SOURCES_SHOWN]]
    if len(sources) > SOURCES_SHOWN:
        listed.append(el("li", f"and {len(sources) - SOURCES_SHOWN:,} more sources"))
    used = ", ".join(f"{name} ({count:,})" for name, count in bonds["used"].items()) or "none needed"
    protocols = [
        el("li", el("b", name), f" {part['version']}; bonds: {part['bond_source']}")
        for name, part in summary["protocols"].items()
    ]
    unreadable = summary["unreadable"]["count"]
    short = {
        "Records": f"{n:,}",
        "Could not be read": f"{unreadable:,}" + (f" ({100 * unreadable / n:.2f} %)" if n else ""),
        "Bonds": f"asked for: {bonds['asked']}; used: {used}",
        "Rows": f"{rows}, written {scored} by molgen {summary['molgen']}",
        "Report": created,
    }
    wide = {
        "Sources": el("ul", listed),
        "Protocols": el("ul", protocols),
        "Reference": _reference(summary.get("reference")),
    }
    return section(
        "scored",
        "What was scored",
        el("dl", _entries(short), _entries(wide, "wide"), class_="facts"),
        el("p", DENOMINATORS),
        notes(summary["notes"]),
        _unreadable(summary["unreadable"]),
    )


def _entries(entries: dict[str, Any], class_: str | None = None) -> list[Html]:
    return [el("div", el("dt", key), el("dd", value), class_=class_) for key, value in entries.items()]


def _reference(reference: dict[str, Any] | None) -> Any:
    if not reference:
        return "none: novelty is not defined"
    sets = [made for made in reference.get("sets") or [] if isinstance(made, dict)]
    return [el("b", str(reference.get("spec", ""))), el("ul", [el("li", _set(made)) for made in sets])]


def _set(made: dict[str, Any]) -> str:
    """One set of known molecules in words."""
    words = {"table": "{}", "distinct": "{} different SMILES", "structures": "{} structures", "unusable": "{} unusable"}
    words |= {"name": "from {}", "fingerprint": "fingerprint {:.16}"}
    shown = {key: f"{made[key]:,}" if isinstance(made.get(key), int) else str(made.get(key)) for key in words}
    return ", ".join(text.format(shown[key]) for key, text in words.items() if key in made)


def _unreadable(unreadable: dict[str, Any]) -> Html | None:
    first = unreadable["first"][:UNREADABLE_SHOWN]
    if not first:
        return None
    more = unreadable["count"] - len(first)
    return el(
        "details",
        el("summary", f"Records that could not be read ({unreadable['count']:,})"),
        table(
            ("Record", "Source", "Reason"),
            [(one["index"], one["source"], one["reason"]) for one in first],
            caption="The first of them" if more else "All of them",
        ),
    )


BESIDE = ("Distance", "Structures", "Value", "Noise floor", "95 % of random samples", "Structures of each", "Meaning")


def rates(summary: dict[str, Any]) -> Html:
    """One table of metrics per protocol."""
    return section("summary", "Summary", [_protocol(name, part) for name, part in summary["protocols"].items()])


def _protocol(name: str, part: dict[str, Any]) -> Html:
    head = ("Metric", "Value", "Numerator / denominator", "95 % interval", "0 to 100 %", "Meaning")
    shares = [_rate(key, m) for key, m in part["metrics"].items() if m is None or m["kind"] == "rate"]
    quantities = [_quantity(key, m) for key, m in part["metrics"].items() if m is not None and m["kind"] == "quantity"]
    distances = [_distance(key, m) for key, m in part["metrics"].items() if m is not None and m["kind"] == "distance"]
    columns = ("Quantity", "Unit", "Structures", "Median", "95 % interval", "Mean", "95 % interval", "Meaning")
    return el(
        "article",
        el("h3", name, " ", el("span", f"version {part['version']}", class_="version")),
        el("p", f"Bonds: {part['bond_source']}."),
        table(head, shares, caption=f"Rates of {name}", class_="rates") if shares else None,
        table(columns, quantities, caption=f"Quantities of {name}", class_="quantities") if quantities else None,
        table(BESIDE, distances, caption=f"Distances of {name} from real structures", class_="quantities")
        if distances
        else None,
        notes(part["notes"]),
    )


def percent(rate: float | None) -> str:
    """A rate as a percentage with two decimals; a dash where there is none."""
    return DASH if rate is None else f"{100 * rate:.2f} %"


def _rate(name: str, metric: dict[str, Any] | None) -> tuple[Any, ...]:
    if metric is None:
        return (_words(name), DASH, DASH, DASH, None, el("span", "not defined without a reference", class_="meaning"))
    value, low, high = metric["value"], metric["low"], metric["high"]
    interval = DASH if low is None or high is None else f"{100 * low:.2f} to {percent(high)}"
    return (
        _words(name),
        el("b", percent(value)),
        f"{metric['numerator']:,} / {metric['denominator']:,}",
        interval,
        interval_bar(value, low, high, f"{percent(value)}, interval {interval}"),
        el("span", metric["meaning"], class_="meaning"),
    )


def _quantity(name: str, metric: dict[str, Any]) -> tuple[Any, ...]:
    def interval(kind: str) -> str:
        low, high = metric[f"{kind}_low"], metric[f"{kind}_high"]
        return DASH if low is None or high is None else f"{number(low)} to {number(high)}"

    return (
        _words(name),
        metric["unit"],
        f"{metric['count']:,}",
        el("b", number(metric["median"])),
        interval("median"),
        el("b", number(metric["mean"])),
        interval("mean"),
        el("span", metric["meaning"], class_="meaning"),
    )


def _distance(name: str, metric: dict[str, Any]) -> tuple[Any, ...]:
    low, high = metric["floor_low"], metric["floor_high"]
    return (
        _words(name),
        f"{metric['count']:,}",
        el("b", number(metric["value"])),
        number(metric["floor"]),
        DASH if low is None or high is None else f"{number(low)} to {number(high)}",
        f"{metric['floor_count']:,}",
        el("span", metric["meaning"], class_="meaning"),
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def failures(summary: dict[str, Any], found: Collected) -> Html:
    """Why structures fail: counts by kind of the first failure, with examples."""
    parts = []
    for name, part in summary["protocols"].items():
        kinds = sorted(part["failures"].items(), key=lambda entry: -entry[1])
        if not kinds:
            parts.append(el("article", el("h3", name), el("p", "No record failed.")))
            continue
        rows: list[tuple[Any, ...]] = [
            (kind, f"{count:,}", _share(count, summary["n"]), _examples(found.examples[name].get(kind, [])))
            for kind, count in kinds[:KINDS_SHOWN]
        ]
        rest = kinds[KINDS_SHOWN:]
        if rest:
            total = sum(count for _, count in rest)
            rows.append((f"{len(rest):,} other kinds", f"{total:,}", _share(total, summary["n"]), None))
        caption = f"Records by their first failure under {name}, of {summary['n']:,}"
        head = ("Kind", "Records", "Share of all records", "First examples (record: reason)")
        parts.append(el("article", el("h3", name), table(head, rows, caption=caption, class_="failures")))
    return section("failures", "Why structures fail", parts)


def _share(count: int, n: int) -> Html:
    share = count / n if n else 0.0
    return el("span", share_bar(share), f" {100 * share:.2f} %", class_="nowrap")


def _examples(examples: list[tuple[int, str, str]]) -> Html:
    return el(
        "ul",
        [el("li", el("b", index, title=source), f": {reason}") for index, source, reason in examples],
        class_="examples",
    )


def histograms(summary: dict[str, Any], found: Collected) -> Html | None:
    """One histogram for each column of floats."""
    if not found.histograms:
        return None
    figures = [_histogram(summary, column, histogram) for column, histogram in found.histograms.items()]
    return section("values", "Values per structure", el("div", figures, class_="grid plots"))


def _histogram(summary: dict[str, Any], column: str, histogram: Histogram) -> Html:
    protocol, _, name = column.rpartition(".")
    meaning = summary["protocols"][protocol]["columns"][name]["meaning"]
    shares = [count / histogram.count for count in histogram.counts]
    outside = {"lower": histogram.below, "higher": histogram.above}
    said = " and ".join(f"{count:,} {where}" for where, count in outside.items() if count)
    text = f"{histogram.count:,} structures" + (f"; {said} than the bins show" if said else "")
    label = f"Histogram of {column}: {text}"
    return el(
        "figure",
        el("figcaption", el("b", f"{protocol}: {_words(name)}"), el("span", meaning, class_="meaning")),
        step_plot(histogram.edges, shares, (), label=label),
        el("p", text, class_="small", title=f"The bins hold the middle {100 - 200 * TAIL:.0f} % of the first values"),
    )
