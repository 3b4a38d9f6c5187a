"""One pass over the rows, in constant memory: best and worst molecules, examples of failures, histograms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any

from molgen.report.histogram import Histogram
from molgen.report.picks import Pick, Smallest
from molgen.report.rows import kinds_of
from molgen.report.stability_rows import ABOVE, StabilityRows
from molgen.scoring.protocol import Row

NOT_CHECKS = (
    *("unique", "novel", "radical", "zwitterion"),
    *("p1", "tight_p1", "symmetric", "same_at_both", "covered", "target_valid"),
    *("both_groups", "same_space_group"),
)
"""Truth values about a molecule that are no judgement of its structure."""
ENERGY = "energy_gain"
EXAMPLES = 3
EXAMPLE_LENGTH = 300


@dataclass
class Collected:
    """What a report takes from the rows.

    Attributes:
        checks: Columns that count as checks in the order of the gallery.
        energy: Column that breaks ties between molecules; empty without one.
        energy_unit: Unit of the quantity of that name.
        best: Most checks passed first.
        worst: Fewest checks passed first.
        examples: Protocol -> kind of failure -> first records with it, as (index, source, reason).
        histograms: Column -> histogram of each column of floats that has values, but for the energy above the hull.
        stability: What the section on stability shows of the rows; None if they were not scored with it.
    """

    checks: list[str]
    energy: str
    energy_unit: str = ""
    best: list[Pick] = field(default_factory=list)
    worst: list[Pick] = field(default_factory=list)
    examples: dict[str, dict[str, list[tuple[int, str, str]]]] = field(default_factory=dict)
    histograms: dict[str, Histogram] = field(default_factory=dict)
    stability: StabilityRows | None = None


def collect(rows: Iterable[Row], summary: dict[str, Any], gallery: int) -> Collected:
    """Read all rows once.

    Args:
        rows: In their order.
        summary: Of the same scoring.
        gallery: Molecules to keep, half of them the best.
    """
    kinds = kinds_of(summary)
    checks = [c for c, kind in kinds.items() if kind == "bool" and c.rpartition(".")[2] not in NOT_CHECKS]
    copies = [c for c in kinds if c.endswith(".unique")]
    energies = [c for c, kind in kinds.items() if kind == "float" and c.rpartition(".")[2] == ENERGY]
    found = Collected(checks, energies[0] if energies else "")
    if energies:
        quantity = summary["protocols"][energies[0].rpartition(".")[0]]["metrics"].get(ENERGY) or {}
        found.energy_unit = quantity.get("unit", "")
    found.histograms = {c: Histogram() for c, kind in kinds.items() if kind == "float" and c != ABOVE}
    found.stability = StabilityRows() if ABOVE in kinds else None
    found.examples = {name: {kind: [] for kind in part["failures"]} for name, part in summary["protocols"].items()}
    best, worst = Smallest((gallery + 1) // 2), Smallest((gallery + 1) // 2)
    source, record = None, -1
    for row in rows:
        record = record + 1 if row["source"] == source else 0
        source = row["source"]
        _note_examples(row, found.examples)
        for column, histogram in found.histograms.items():
            if (value := row[column]) is not None:
                histogram.add(float(value))
        if row["problem"]:
            continue
        pick = _pick(row, record, found)
        if found.stability is not None:
            found.stability.add(pick)
        if any(row[column] is False for column in copies):
            continue
        last = inf if pick.energy is None else pick.energy
        best.add((-pick.passed, pick.failed, last, pick.index), pick)
        if pick.passed < len(checks) or pick.energy is not None:
            worst.add((pick.passed, -pick.failed, inf if pick.energy is None else -last, pick.index), pick)
    found.best, found.worst = _apart(best.sorted(), worst.sorted())
    for histogram in found.histograms.values():
        histogram.finish()
    if found.stability is not None:
        found.stability.energies.finish()
    found.histograms = {column: histogram for column, histogram in found.histograms.items() if histogram.count}
    return found


def _pick(row: Row, record: int, found: Collected) -> Pick:
    values = [row[column] for column in found.checks]
    passed, failed = values.count(True), values.count(False)
    energy = row[found.energy] if found.energy else None
    usable = isinstance(energy, int | float) and isfinite(energy)
    return Pick(row, record, passed, failed, len(values) - passed - failed, float(energy or 0) if usable else None)


def _note_examples(row: Row, examples: dict[str, dict[str, list[tuple[int, str, str]]]]) -> None:
    for protocol, kinds in examples.items():
        if reason := str(row["problem"] or row.get(f"{protocol}.reason") or ""):
            found = kinds.get(reason.partition(": ")[0])
            if found is not None and len(found) < EXAMPLES:
                found.append((int(row["index"] or 0), str(row["source"] or ""), _cut(reason)))


def _cut(text: str) -> str:
    return text if len(text) <= EXAMPLE_LENGTH else f"{text[:EXAMPLE_LENGTH]}\u2026"


def _apart(best: list[Pick], worst: list[Pick]) -> tuple[list[Pick], list[Pick]]:
    """Where the lists meet, as they do in a small file, a molecule stays in the one where it stands nearer the top."""
    in_best = {pick.index: place for place, pick in enumerate(best)}
    in_worst = {pick.index: place for place, pick in enumerate(worst)}
    return (
        [pick for pick in best if in_best[pick.index] <= in_worst.get(pick.index, inf)],
        [pick for pick in worst if in_worst[pick.index] < in_best.get(pick.index, inf)],
    )
