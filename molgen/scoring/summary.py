"""What a scoring run says in the end: every protocol's metrics with all that they depend on."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import molgen
from molgen.scoring.protocol import Protocol, Row, all_columns, all_metrics
from molgen.scoring.rates import Distance, Estimate, Rate
from molgen.scoring.tally import Tally

Result = Rate | Estimate | Distance
UNREADABLE_LISTED = 100
"""Unreadable records that a summary lists one by one; all are counted, and all have their row."""


@dataclass
class Summary:
    """A score is a data split, a bond source, a table version and a denominator; all of them are here.

    Attributes:
        protocols: The protocols, in the order asked for.
        bonds: Bond source asked for.
        reference: What novelty was measured against, or None.
        with_novelty: Protocols for whose SMILES the reference is known; novelty of the others is not defined.
        n: All records, unreadable ones included.
        sources: Records from each file or data set.
        bonds_used: Structures by the bond source used; protocols that find bonds themselves do not count here.
        unreadable: Number of records that could not be scored.
        first_unreadable: The first of them: index, source, reason.
        distributions: Distances of distributions from a reference, or None.
        computed: Metrics by protocol and name that do not follow from single rows.
        notes: What a reader must know beside the numbers.
    """

    protocols: list[Protocol]
    bonds: str = "auto"
    reference: dict[str, Any] | None = None
    with_novelty: Container[str] = ()
    n: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    bonds_used: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    first_unreadable: list[dict[str, Any]] = field(default_factory=list)
    distributions: dict[str, Any] | None = None
    computed: dict[str, Mapping[str, Rate | Distance]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._tallies = {p.name: Tally(p, p.name in self.with_novelty) for p in self.protocols}

    def add(self, row: Row) -> None:
        """Count one row; everything a summary says of structures follows from the rows."""
        self.n += 1
        self.sources[str(row["source"] or "memory")] += 1
        if row["bonds"]:
            self.bonds_used[str(row["bonds"])] += 1
        if row["problem"]:
            self.unreadable += 1
            if len(self.first_unreadable) < UNREADABLE_LISTED:
                self.first_unreadable.append({"index": row["index"], "source": row["source"], "reason": row["problem"]})
        for tally in self._tallies.values():
            tally.add(row)

    def metrics(self, protocol: str | None = None) -> dict[str, Result | None]:
        """Metrics by name of one protocol, the first if None; None where the reference they need was not given."""
        name = protocol or self.protocols[0].name
        return {**self._tallies[name].results(), **self.computed.get(name, {})}

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "molgen": molgen.__version__,
            "n": self.n,
            "sources": dict(self.sources),
            "bonds": {"asked": self.bonds, "used": dict(self.bonds_used)},
            "reference": self.reference,
            "unreadable": {"count": self.unreadable, "first": self.first_unreadable},
            "protocols": {protocol.name: self._protocol(protocol) for protocol in self.protocols},
            "distributions": self.distributions,
            "notes": self.notes,
        }

    def _protocol(self, protocol: Protocol) -> dict[str, Any]:
        results = self.metrics(protocol.name)
        meanings = {metric.name: metric.meaning for metric in all_metrics(protocol)}
        return {
            "version": protocol.version,
            "bond_source": protocol.bond_source,
            "metrics": {
                name: None if result is None else result.to_dict() | {"meaning": meanings[name]}
                for name, result in results.items()
            },
            "failures": dict(self._tallies[protocol.name].failures.most_common()),
            "columns": {c.name: {"kind": c.kind, "meaning": c.meaning} for c in all_columns(protocol)},
            "notes": list(protocol.notes),
        }

    def to_text(self) -> str:
        """Aligned tables for people, with the notes below them."""
        lines = [f"{self.n:,} records from {', '.join(self.sources) or 'nothing'}"]
        if self.unreadable:
            lines.append(f"{self.unreadable:,} of them could not be read and count as failures")
        for protocol in self.protocols:
            lines += ["", f"protocol {protocol.name}, version {protocol.version}", f"bonds: {protocol.bond_source}"]
            lines += ["", *_table(self.metrics(protocol.name))]
            failures = self._tallies[protocol.name].failures.most_common(8)
            if failures:
                lines += ["", "failures: " + ", ".join(f"{kind} {count:,}" for kind, count in failures)]
            lines += [f"note: {note}" for note in protocol.notes]
        if self.distributions is not None:
            lines += ["", *_distribution_table(self.distributions)]
        if self.bonds_used:
            lines += ["", "bonds used: " + ", ".join(f"{name} {count:,}" for name, count in self.bonds_used.items())]
        if self.reference is not None:
            made = "; ".join(_set_in_words(made) for made in self.reference["sets"])
            lines += ["", f"reference: {self.reference['spec']}, {made}"]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _set_in_words(made: dict[str, Any]) -> str:
    if made["table"] in ("crystals", "genes"):
        return f"{made['distinct']:,} {made['table']} of {made['name']} ({made['use']})"
    return f"{made['distinct']:,} different SMILES ({made['table']})"


def to_json(document: dict[str, Any]) -> str:
    """The document as people can read it too: indented, arrays of numbers on one line."""
    text = json.dumps(document, indent=1, allow_nan=False)
    return re.sub(r"\[[\s\d.,eE+-]+\]", lambda numbers: " ".join(numbers[0].split()), text)


def _table(results: dict[str, Result | None]) -> list[str]:
    head = ("metric", "value", "numerator / denominator", "95 % interval")
    return _aligned([head, *(cells for name, result in results.items() for cells in _cells(name, result))])


def _cells(name: str, result: Result | None) -> list[tuple[str, str, str, str]]:
    name = name.replace("_", " ")
    if result is None:
        return [(name, "-", "-", "-")]
    if isinstance(result, Rate):
        counts = f"{result.numerator:,} / {result.denominator:,}"
        if result.value is None or result.low is None or result.high is None:
            return [(name, "-", counts, "-")]
        return [(name, f"{100 * result.value:.2f} %", counts, f"{100 * result.low:.2f} to {100 * result.high:.2f} %")]
    if isinstance(result, Distance):
        return _distance_cells(name, result)
    rows = []
    for kind in ("median", "mean"):
        value, low, high = (getattr(result, kind + end) for end in ("", "_low", "_high"))
        shown = "-" if value is None else f"{value:.4g} {result.unit}"
        rows.append(
            (f"{name}, {kind}", shown, f"of {result.count:,}", "-" if low is None else f"{low:.4g} to {high:.4g}")
        )
    return rows


def _distance_cells(name: str, result: Distance) -> list[tuple[str, str, str, str]]:
    value, floor, low, high = (
        "-" if number is None else f"{number:.3g}"
        for number in (result.value, result.floor, result.floor_low, result.floor_high)
    )
    return [
        (name, value, f"of {result.count:,}", "-"),
        (f"{name}, noise floor", floor, f"of {result.floor_count:,}", f"{low} to {high}"),
    ]


def _distribution_table(distributions: dict[str, Any]) -> list[str]:
    def number(values: dict[str, Any] | None, kind: str) -> str:
        value = None if values is None else values.get(kind)
        return "-" if value is None else f"{value:.4g}"

    kinds = ("wasserstein", "jensen_shannon")
    rows = [("distribution", "wasserstein", "floor", "control", "jensen-shannon", "floor", "control")]
    for metric in distributions["metrics"].values():
        cells = [number(part, kind) for kind in kinds for part in (metric, metric.get("floor"), metric.get("control"))]
        unit = f" ({metric['unit']})" if metric.get("unit") else ""
        rows.append((metric["label"] + unit, *cells))
    title = f"distances from the reference: {distributions['n']:,} structures, bonds: {distributions['bonds']}"
    return [title, "", *_aligned(rows), *(f"note: {note}" for note in distributions["notes"])]


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join([f"{row[0]:<{widths[0]}}", *(f"{cell:>{w}}" for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
