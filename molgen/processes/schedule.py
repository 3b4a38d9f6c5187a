"""Variance-preserving schedules in closed form: alpha(t), sigma(t) and gamma(t) for t in [0, 1]."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Schedule(ABC):
    """alpha(t)^2 + sigma(t)^2 = 1, decreasing signal. Everything is computed in float64 and returned in it."""

    @abstractmethod
    def alpha_squared(self, t: Tensor) -> Tensor:
        """Signal power at times ``t`` in [0, 1], same shape, float64."""

    def sigma_squared(self, t: Tensor) -> Tensor:
        """Noise power 1 - alpha^2, same shape, float64."""
        return 1.0 - self.alpha_squared(t)

    def alpha(self, t: Tensor) -> Tensor:
        """Signal amplitude."""
        return self.alpha_squared(t).sqrt()

    def sigma(self, t: Tensor) -> Tensor:
        """Noise amplitude."""
        return self.sigma_squared(t).sqrt()

    def lost(self, t: Tensor) -> Tensor:
        """1 - alpha: what multiplies the prior where alpha is the probability that a class is kept."""
        return 1.0 - self.alpha(t)

    def gamma(self, t: Tensor) -> Tensor:
        """Negative log signal-to-noise ratio, -log(alpha^2 / sigma^2) (Kingma et al. 2021)."""
        return self.sigma_squared(t).log() - self.alpha_squared(t).log()


class PolynomialSchedule(Schedule):
    """EDM's ``polynomial_2`` (Hoogeboom et al. 2022, appendix B): alpha^2 = (1 - 2s)(1 - t^p)^2 + s.

    The reference clips the ratio of neighbouring raw values to at least 0.001 on its grid of ``num_steps``; that acts
    at t = 1 alone, so it is a floor under the raw value and the closed form holds for every t.

    Args:
        precision: s, the distance of alpha^2 from 1 at t = 0 and from 0 at t = 1.
        num_steps: T of the reference's grid, which sets the floor.
        power: p.
    """

    def __init__(self, precision: float = 1e-5, num_steps: int = 1000, power: float = 2.0) -> None:
        self.precision, self.power = precision, power
        self.floor = 0.001 * (1.0 - (1.0 - 1.0 / num_steps) ** power) ** 2

    def _raw(self, t: Tensor) -> Tensor:
        return (1.0 - t.double() ** self.power).square().clamp(min=self.floor)

    def alpha_squared(self, t: Tensor) -> Tensor:
        return (1.0 - 2.0 * self.precision) * self._raw(t) + self.precision


class CosineSchedule(Schedule):
    """alpha^2 = f(t)/f(0), f = cos^2((t + 0.008)/1.008 * pi/2) (Nichol & Dhariwal 2021), kept inside (s, 1 - s).

    The affine map that keeps it there is the one of ``PolynomialSchedule``, so that gamma stays finite at both ends.

    Args:
        precision: s, the distance of alpha^2 from 1 at t = 0 and from 0 at t = 1.
    """

    def __init__(self, precision: float = 1e-5) -> None:
        self.precision = precision

    def alpha_squared(self, t: Tensor) -> Tensor:
        def wave(u: Tensor) -> Tensor:
            return torch.cos((u + 0.008) / 1.008 * (math.pi / 2)).square()

        raw = wave(t.double()) / wave(torch.zeros((), dtype=torch.float64, device=t.device))
        return (1.0 - 2.0 * self.precision) * raw.clamp(0.0, 1.0) + self.precision


class AdaptiveCosineSchedule(Schedule):
    """MiDi's cosine with an exponent per field (Vignac et al. 2023, section 4.2; Le et al. 2024).

    alpha(t) = f(t)/f(0), f = cos^2(pi/2 (t^nu + s)/(1 + s)). Here the cosine is the amplitude alpha itself, as in both
    reference codes: what multiplies a position, and the probability that a class is kept. A larger nu keeps a field
    longer. alpha(0) is exactly 1; at t = 1, where the cosine ends in zero, the references' bound on the ratio of
    neighbouring values is a floor.

    Args:
        nu: Exponent of time.
        offset: s.
        num_steps: T of the reference's grid, which sets the floor.
        smallest_ratio: Least alpha(1) / alpha(1 - 1/T).
    """

    def __init__(self, nu: float, offset: float = 0.008, num_steps: int = 500, smallest_ratio: float = 0.05) -> None:
        self.nu, self.offset = nu, offset
        self._start = math.pi / 2 * offset / (1.0 + offset)
        self.floor = 0.0
        before_last = torch.tensor(1.0 - 1.0 / num_steps, dtype=torch.float64)
        self.floor = smallest_ratio * float(self.alpha(before_last))

    def _angle(self, t: Tensor) -> Tensor:
        """Angle gone since t = 0."""
        return t.double() ** self.nu * (math.pi / 2 / (1.0 + self.offset))

    def alpha(self, t: Tensor) -> Tensor:
        raw = (torch.cos(self._start + self._angle(t)) / math.cos(self._start)).square()
        return raw.clamp(min=self.floor)

    def lost(self, t: Tensor) -> Tensor:
        # Exact where it is small: cos^2 a - cos^2 b = sin(b - a) sin(b + a).
        angle = self._angle(t)
        raw = torch.sin(angle) * torch.sin(2.0 * self._start + angle) / math.cos(self._start) ** 2
        return raw.clamp(max=1.0 - self.floor)

    def alpha_squared(self, t: Tensor) -> Tensor:
        return self.alpha(t).square()

    def sigma_squared(self, t: Tensor) -> Tensor:
        return self.lost(t) * (1.0 + self.alpha(t))


class ClippedCosineSchedule(Schedule):
    """The cosine of Nichol & Dhariwal (2021, equation 17) as a chain of T steps with bounded betas, as DiffCSP has it.

    alpha^2(k/T) = product over i <= k of 1 - clip(1 - f(i/T)/f((i-1)/T), smallest, largest); log alpha^2 is linear
    between the steps, so that any time will do. The lower bound acts on the first steps, the upper on the last one.

    Args:
        num_steps: T.
        offset: 0.008, which f counts from.
        smallest: Bound of beta from below.
        largest: From above.
    """

    def __init__(
        self, num_steps: int = 1000, offset: float = 0.008, smallest: float = 1e-4, largest: float = 0.9999
    ) -> None:
        self.num_steps = num_steps
        time = torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
        wave = torch.cos((time + offset) / (1.0 + offset) * (math.pi / 2)).square()
        beta = (1.0 - wave[1:] / wave[:-1]).clamp(smallest, largest)
        logs = torch.cat([beta.new_zeros(1), torch.log1p(-beta).cumsum(0)])
        self._logs = {logs.device: logs}

    def _log_alpha_squared(self, t: Tensor) -> Tensor:
        if t.device not in self._logs:
            self._logs[t.device] = self._logs[torch.device("cpu")].to(t.device)
        logs, place = self._logs[t.device], t.double() * self.num_steps
        before = place.floor().clamp(0, self.num_steps - 1).long()
        return torch.lerp(logs[before], logs[before + 1], place - before)

    def alpha_squared(self, t: Tensor) -> Tensor:
        return self._log_alpha_squared(t).exp()

    def sigma_squared(self, t: Tensor) -> Tensor:
        return -torch.expm1(self._log_alpha_squared(t))


def make_schedule(name: str, *, precision: float, num_steps: int) -> Schedule:
    """Build a schedule by its config name, ``polynomial_2`` or ``cosine``.

    Raises:
        ValueError: The name is unknown.
    """
    if name == "polynomial_2":
        return PolynomialSchedule(precision, num_steps)
    if name == "cosine":
        return CosineSchedule(precision)
    raise ValueError(f"unknown schedule {name!r}; known: polynomial_2, cosine")
