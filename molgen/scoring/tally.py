"""Metrics of one protocol, added up row by row."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Any

import numpy as np

from molgen.scoring.protocol import (
    Computed,
    Metric,
    Protocol,
    Quantity,
    Row,
    Share,
    UnitShare,
    all_columns,
    all_metrics,
)
from molgen.scoring.rates import ClusteredCount, Estimate, Rate
from molgen.scoring.targets import TargetCount, TargetMean, TargetShare

FAILURE_KINDS = 1000
"""Different kinds of failure that are counted by name; a protocol has a few."""


class Tally:
    """Counts of one protocol's metrics, in memory that grows by 8 bytes per structure and quantity at most.

    Args:
        protocol: Whose columns the rows hold as ``protocol.column``.
        has_reference: Whether the reference is known in the protocol's form of SMILES, so that novelty is defined.
    """

    def __init__(self, protocol: Protocol, has_reference: bool) -> None:
        self.protocol = protocol
        self.metrics = [m for m in all_metrics(protocol) if has_reference or not _needs_reference(m)]
        self.failures: Counter[str] = Counter()
        self._passed: Counter[str] = Counter()
        self._among: Counter[str] = Counter()
        self._units = {m.name: ClusteredCount() for m in self.metrics if isinstance(m, UnitShare)}
        targeted = [m for m in self.metrics if isinstance(m, TargetShare | TargetMean)]
        self._targets = {m.name: TargetCount(m, protocol.population) for m in targeted}
        self._values = {m.name: array("d") for m in self.metrics if isinstance(m, Quantity)}
        self._names = {c.name: f"{protocol.name}.{c.name}" for c in all_columns(protocol)}

    def add(self, row: Row) -> None:
        """Count one structure."""

        def value(column: str) -> Any:
            return row.get(self._names.get(column, column))

        for metric in self.metrics:
            if isinstance(metric, Share):
                is_among = all(value(column) is True for column in metric.among)
                self._among[metric.name] += is_among
                self._passed[metric.name] += is_among and all(value(column) is True for column in metric.columns)
            elif isinstance(metric, UnitShare):
                if units := value(metric.units):
                    self._units[metric.name].add(value(metric.passed) or 0, units)
            elif isinstance(metric, TargetShare | TargetMean):
                passed = all(value(column) is True for column in metric.among)
                self._targets[metric.name].add(value("target"), value(metric.column), passed)
            elif isinstance(metric, Quantity) and (number := value(metric.column)) is not None and np.isfinite(number):
                self._values[metric.name].append(number)
        reason = row.get("problem") or value("reason")
        if reason:
            kind = str(reason).partition(": ")[0]
            is_listed = kind in self.failures or len(self.failures) < FAILURE_KINDS
            self.failures[kind if is_listed else "others"] += 1

    def results(self) -> dict[str, Rate | Estimate | None]:
        """Every metric of the protocol by name; None where the reference that it needs was not given."""
        return {metric.name: self._result(metric) for metric in all_metrics(self.protocol)}

    def _result(self, metric: Metric) -> Rate | Estimate | None:
        if metric not in self.metrics or isinstance(metric, Computed):
            return None
        if isinstance(metric, Share):
            return Rate.wilson(self._passed[metric.name], self._among[metric.name])
        if isinstance(metric, UnitShare):
            return self._units[metric.name].rate()
        if isinstance(metric, TargetShare | TargetMean):
            return self._targets[metric.name].result()
        return Estimate.of(np.frombuffer(self._values[metric.name]), metric.unit)


def _needs_reference(metric: Metric) -> bool:
    return isinstance(metric, Share) and bool({"novel", "new_template"} & {*metric.columns, *metric.among})
