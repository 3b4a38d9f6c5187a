"""How structures are made: solver, steps, times, precision, with the model's own defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from molgen.errors import ConfigError

PRECISIONS = ("32", "bf16")


@dataclass(frozen=True)
class Settings:
    """Choices that suit a model; make them with :meth:`of`.

    Attributes:
        solver: A name among the model's ``solvers``.
        steps: Solver steps.
        spacing: Exponent of the times; see :func:`time_grid`.
        precision: ``32``, or ``bf16`` for autocast of the network's matrix products.
    """

    solver: str
    steps: int
    spacing: float
    precision: str

    @classmethod
    def of(
        cls,
        model: Any,
        *,
        steps: int | None = None,
        solver: str | None = None,
        spacing: float | None = None,
        precision: str = "32",
    ) -> Settings:
        """Settings for ``model``, its own where None is given.

        Raises:
            ConfigError: The model has no such solver, or a value is out of range.
        """
        settings = cls(
            solver=model.default_solver if solver is None else solver,
            steps=int(model.default_steps) if steps is None else steps,
            spacing=float(model.default_spacing) if spacing is None else spacing,
            precision=precision,
        )
        if settings.solver not in model.solvers:
            hint = f"this model has {', '.join(model.solvers)}"
            raise ConfigError(f"unknown solver {settings.solver!r}", hint=hint)
        if precision not in PRECISIONS:
            raise ConfigError(f"unknown precision {precision!r}", hint=f"one of {', '.join(PRECISIONS)}")
        time_grid(settings.steps, spacing=settings.spacing)
        return settings

    @property
    def times(self) -> Tensor:
        """The solver's times, shape ``(steps + 1,)``, float64."""
        return time_grid(self.steps, spacing=self.spacing)


def time_grid(steps: int, device: torch.device | str = "cpu", spacing: float = 1.0) -> Tensor:
    """Times t_k = (1 - k/K)^spacing from 1 to 0.

    With spacing 1 they are even, and with K the model's own number of steps EDM's grid exactly. A spacing above 1 puts
    more of them near 0, where bond lengths are decided.

    Args:
        steps: K.
        device: Where the times are wanted.
        spacing: Exponent, positive.

    Returns:
        Shape ``(K + 1,)``, float64.

    Raises:
        ConfigError: ``steps`` or ``spacing`` is not positive.
    """
    if steps < 1:
        raise ConfigError(f"{steps} sampling steps; at least 1 is needed")
    if not 0 < spacing < math.inf:
        raise ConfigError(f"a spacing of {spacing:g}; it must be positive")
    even = torch.arange(steps, -1, -1, dtype=torch.float64, device=device) / steps
    return even if spacing == 1.0 else even**spacing
