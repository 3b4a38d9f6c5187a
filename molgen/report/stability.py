"""The section on stability: energies above the hull, and how many records are stable, unique and novel."""

from __future__ import annotations

from typing import Any

from molgen.chemistry.hull import METASTABLE
from molgen.report.charts import step_plot
from molgen.report.funnel import funnel
from molgen.report.html import Html, el
from molgen.report.sections import section
from molgen.report.stability_rows import StabilityRows

FUNNELS = {
    "stable": ("0 eV/atom or less", "stable", "stable_unique", "sun"),
    "metastable": (f"{METASTABLE:g} eV/atom or less", "metastable", "metastable_unique", "metastable_sun"),
}
"""What is meant, and the metrics of protocol ``sun`` that count what is left after each further condition."""
LIMITS = {0.0: "0 eV/atom: stable", METASTABLE: f"{METASTABLE:g} eV/atom: metastable"}


def stability_section(summary: dict[str, Any], found: StabilityRows, hull: Html | None) -> Html:
    """The section.

    Args:
        summary: Of a scoring with protocol ``sun``.
        found: In its rows.
        hull: Plot of the convex hull of a chemical system; None if none was asked for.
    """
    metrics = summary["protocols"]["sun"]["metrics"]
    figures = [_histogram(summary["n"], found), *(_funnel(name, summary["n"], metrics) for name in FUNNELS)]
    return section("stability", "Stability", el("div", figures, class_="grid plots wide"), hull)


def _histogram(n: int, found: StabilityRows) -> Html:
    energies = found.energies
    unknown = n - energies.count
    outside = {"lower": energies.below, "higher": energies.above}
    said = " and ".join(f"{count:,} {where}" for where, count in outside.items() if count)
    words = f"{energies.count:,} of {n:,} records have a known energy, {unknown:,} have none"
    words += f"; {said} than the bins show" if said else ""
    shares = [count / energies.count for count in energies.counts]
    label = f"Histogram of the energy above the hull: {words}"
    return el(
        "figure",
        el("figcaption", el("b", "Energy above the hull"), el("span", "eV/atom", class_="meaning")),
        step_plot(energies.edges, shares, (), label=label, marks=LIMITS) if energies.count else None,
        el("p", f"{words}. Lines at 0 and {METASTABLE:g} eV/atom; a bin holds its upper bound.", class_="small"),
    )


def _funnel(name: str, n: int, metrics: dict[str, Any]) -> Html:
    """From all records to those that are stable (or metastable), unique and novel."""
    words, first, *others = FUNNELS[name]
    names = {"known_energy": "energy known", first: name}
    names |= dict(zip(others, (f"{name}, unique", f"{name}, unique, novel"), strict=True))
    known = {step: metrics[metric]["numerator"] for metric, step in names.items() if metrics.get(metric)}
    undefined = " Novelty is not defined without a reference." if metrics.get(others[-1]) is None else ""
    return el(
        "figure",
        el("figcaption", el("b", f"S.U.N., {name}"), el("span", f"{words} above the hull", class_="meaning")),
        funnel([("all records", n), *known.items()], f"S.U.N. funnel, {name}"),
        el("p", f"Shares are of all records.{undefined}", class_="small"),
    )
