"""Rates, means, medians and distances that know what they were counted on, with an honest 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil, floor, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""
MIN_FOR_INTERVAL = 8
"""Values from which on an interval is stated; fewer do not reach the 2.5 % tail of the median's order statistics."""


@dataclass(frozen=True)
class Rate:
    """A proportion.

    Attributes:
        value: ``numerator / denominator``, or None when the denominator is zero.
        numerator: How many passed.
        denominator: Out of how many.
        low: Lower end of the 95 % interval, or None.
        high: Upper end, or None.
    """

    value: float | None
    numerator: int
    denominator: int
    low: float | None
    high: float | None

    @classmethod
    def wilson(cls, numerator: int, denominator: int) -> Rate:
        """Rate of independent trials, with the interval of Wilson (J. Am. Stat. Assoc. 22, 209, 1927)."""
        return cls._make(numerator, denominator, float(denominator))

    @classmethod
    def _make(cls, numerator: int, denominator: int, trials: float) -> Rate:
        if denominator == 0:
            return cls(None, numerator, denominator, None, None)
        value = numerator / denominator
        low, high = wilson_interval(value, trials)
        return cls(value, numerator, denominator, low, high)

    def to_dict(self) -> dict[str, Any]:
        """The attributes by name, ready for JSON, and ``kind``."""
        return {
            "kind": "rate",
            "value": self.value,
            "numerator": self.numerator,
            "denominator": self.denominator,
            "low": self.low,
            "high": self.high,
        }


@dataclass(frozen=True)
class Estimate:
    """Mean and median of a quantity, each with its 95 % interval; None where there are too few values.

    The mean's interval is that of the normal distribution; the median's lies between order statistics and needs no
    assumption on the distribution (Conover, Practical Nonparametric Statistics, 1971).
    """

    unit: str
    count: int
    mean: float | None = None
    mean_low: float | None = None
    mean_high: float | None = None
    median: float | None = None
    median_low: float | None = None
    median_high: float | None = None

    @classmethod
    def of(cls, values: NDArray[np.float64], unit: str) -> Estimate:
        """Estimate from finite values, shape ``(n,)``."""
        n = len(values)
        if n == 0:
            return cls(unit, 0)
        mean, median = float(values.mean()), float(np.median(values))
        if n < MIN_FOR_INTERVAL:
            return cls(unit, n, mean=mean, median=median)
        half = Z_95 * float(values.std(ddof=1)) / sqrt(n)
        spread = Z_95 * sqrt(n) / 2
        ordered = np.sort(values)
        low, high = ordered[max(0, floor(n / 2 - spread) - 1)], ordered[min(n - 1, ceil(n / 2 + spread))]
        return cls(unit, n, mean, mean - half, mean + half, median, float(low), float(high))

    def to_dict(self) -> dict[str, Any]:
        """The attributes by name, ready for JSON, and ``kind``."""
        return {"kind": "quantity"} | asdict(self)


@dataclass(frozen=True)
class Distance:
    """How far a distribution is from that of real structures, beside how far as many real ones are by chance.

    Attributes:
        value: The distance, or None where it is undefined.
        count: Structures behind it.
        floor: Mean distance of random samples of real structures, the noise floor, or None.
        floor_low: 2.5 % of these samples are nearer.
        floor_high: 2.5 % are farther.
        floor_count: Structures of each sample; as many as were scored, or all there are.
    """

    value: float | None
    count: int
    floor: float | None
    floor_low: float | None
    floor_high: float | None
    floor_count: int

    @classmethod
    def beside(cls, value: float | None, count: int, floors: Sequence[float], floor_count: int) -> Distance:
        """A distance with those of the random samples."""
        if not len(floors):
            return cls(value, count, None, None, None, floor_count)
        low, high = np.quantile(floors, (0.025, 0.975))
        return cls(value, count, float(np.mean(floors)), float(low), float(high), floor_count)

    def to_dict(self) -> dict[str, Any]:
        """The attributes by name, ready for JSON, and ``kind``."""
        return {"kind": "distance"} | asdict(self)


def wilson_interval(value: float, trials: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion ``value`` seen in ``trials`` > 0, which need not be whole."""
    z2 = Z_95 * Z_95
    centre = (value + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z_95 * sqrt(value * (1 - value) / trials + z2 / (4 * trials * trials)) / (1 + z2 / trials)
    # At 0 and 1 the end is exact; rounding must not put it on the wrong side of the value.
    low = 0.0 if value == 0 else min(centre - half, value)
    high = 1.0 if value == 1 else max(centre + half, value)
    return max(low, 0.0), min(high, 1.0)


class ClusteredCount:
    """Passes among units that come in clusters (atoms in molecules), added up in constant memory.

    The units of one cluster fail together, so counting them as independent makes the interval too narrow. The rate
    stays passes / units; its interval is Wilson's with the effective number of trials ``p (1 - p) / v``, where ``v`` is
    the linearised between-cluster variance of the ratio (Kish, Survey Sampling, 1965; Korn and Graubard 1998). It is
    never more than the number of units, and it is the number of clusters where every unit, or none, passed.
    """

    def __init__(self) -> None:
        self.clusters = self.passes = self.units = 0
        self._pp = self._pu = self._uu = 0

    def add(self, passes: int, units: int) -> None:
        """Count one cluster."""
        self.clusters += 1
        self.passes += passes
        self.units += units
        self._pp += passes * passes
        self._pu += passes * units
        self._uu += units * units

    def rate(self) -> Rate:
        """The rate over units with the interval over clusters."""
        return Rate._make(self.passes, self.units, self.effective_trials())

    def effective_trials(self) -> float:
        """Independent trials that would give the same variance."""
        if self.clusters < 2 or not 0 < self.passes < self.units:
            return float(max(self.clusters, 1))
        p = self.passes / self.units
        squares = self._pp - 2 * p * self._pu + p * p * self._uu
        variance = squares / self.units**2 * self.clusters / (self.clusters - 1)
        return min(p * (1 - p) / variance, float(self.units)) if variance > 0 else float(self.clusters)
