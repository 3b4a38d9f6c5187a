"""Metrics over targets: what the samples made for each target reach, counted from the rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from molgen.scoring.rates import Estimate, Rate


@dataclass(frozen=True)
class TargetShare:
    """Rate of targets that a sample reaches, among all targets of the protocol, with or without samples.

    Attributes:
        name: Of the metric.
        column: A float column, whose value says that the row's own target is reached; or a str column of
            ``name=value`` pairs, the targets reached; or ``target`` itself: any row reaches its target.
        meaning: One line.
        among: Columns that must be true for a row to reach a target.
        first: Only the first row of each target counts.
        of_attempted: The denominator is the targets that have a row, for runs on a part of them.
    """

    name: str
    column: str
    meaning: str
    among: tuple[str, ...] = ()
    first: bool = False
    of_attempted: bool = False


@dataclass(frozen=True)
class TargetMean:
    """Mean and median over targets of the smallest value that their rows have.

    Attributes:
        missing: What a target that is not reached counts; None leaves it out. The others are as in ``TargetShare``.
    """

    name: str
    column: str
    meaning: str
    among: tuple[str, ...] = ()
    first: bool = False
    missing: float | None = None
    unit: str = ""


class TargetCount:
    """Adds up the rows of one metric; memory grows with the number of targets.

    Args:
        metric: Whose.
        population: Number of all targets.
    """

    def __init__(self, metric: TargetShare | TargetMean, population: int) -> None:
        self.metric, self.population = metric, population
        self._smallest: dict[str, float] = {}
        self._begun: set[str] = set()

    def add(self, target: str | None, value: Any, passed: bool) -> None:
        """Count one row.

        Args:
            target: Its target.
            value: Of the metric's column.
            passed: Whether the columns ``among`` are all true.
        """
        if target is not None:
            if self.metric.first and target in self._begun:
                return
            self._begun.add(target)
        if not passed:
            return
        for name, number in self._reached(target, value):
            if isfinite(number):
                self._smallest[name] = min(number, self._smallest.get(name, number))

    def _reached(self, target: str | None, value: Any) -> list[tuple[str, float]]:
        if self.metric.column == "target":
            return [] if target is None else [(target, 0.0)]
        if isinstance(value, str):
            pairs = (word.rpartition("=") for word in value.split())
            return [(name, float(number)) for name, _, number in pairs]
        return [] if target is None or value is None else [(target, float(value))]

    def result(self) -> Rate | Estimate:
        """The metric."""
        if isinstance(self.metric, TargetShare):
            targets = len(self._begun) if self.metric.of_attempted else self.population
            return Rate.wilson(len(self._smallest), targets)
        values = list(self._smallest.values())
        if self.metric.missing is not None:
            values += [self.metric.missing] * (self.population - len(values))
        return Estimate.of(np.array(values), self.metric.unit)
