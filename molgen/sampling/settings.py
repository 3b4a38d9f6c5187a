"""How structures are made: solver, steps, times, precision, with the model's own defaults."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import partial
from typing import Any

import torch
from torch import Tensor

from molgen.config import check_range
from molgen.errors import ConfigError

PRECISIONS = ("32", "bf16")
SPACINGS = (0.1, 10.0)
"""Least and largest exponent of the times, as recipes may set it."""
_PREFIX = "sample_"
_OWN_NAMES = ("steps", "spacing")
"""Settings of sampling that have an argument of their own."""


@dataclass(frozen=True)
class Settings:
    """Choices that suit a model; make them with :meth:`of`.

    Attributes:
        solver: A name among the model's ``solvers``.
        steps: Solver steps.
        spacing: Exponent of the times; see :func:`time_grid`.
        precision: ``32``, or ``bf16`` for autocast of the network's matrix products.
        options: The model's further settings of sampling, all of them: those of its config that begin with
            ``sample_``, without that.
    """

    solver: str
    steps: int
    spacing: float
    precision: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        model: Any,
        *,
        steps: int | None = None,
        solver: str | None = None,
        spacing: float | None = None,
        precision: str = "32",
        options: Mapping[str, Any] | None = None,
    ) -> Settings:
        """Settings for ``model``, its own where nothing is given.

        Raises:
            ConfigError: The model has no such solver or option, or a value is out of range.
        """
        settings = cls(
            solver=model.default_solver if solver is None else solver,
            steps=int(model.default_steps) if steps is None else steps,
            spacing=float(model.default_spacing) if spacing is None else spacing,
            precision=precision,
            options=options_of(model.config, options or {}),
        )
        if settings.solver not in model.solvers:
            hint = f"this model has {', '.join(model.solvers)}"
            raise ConfigError(f"unknown solver {settings.solver!r}", hint=hint)
        check_precision(precision)
        time_grid(settings.steps, spacing=settings.spacing)
        return settings

    def configured(self, model: Any) -> Any:
        """The model with these options: itself, or another that shares its weights."""
        return configured(model, self.options)

    def times(self, model: Any) -> Tensor:
        """The solver's times, shape ``(steps + 1,)``, float64: a grid, unless the model has ``times`` of its own."""
        grid = partial(time_grid, spacing=self.spacing)
        own = getattr(model, "times", None)
        return grid(self.steps) if own is None else self.configured(model).times(grid, self.steps)


def check_precision(precision: str) -> None:
    """Raise ConfigError for one that is not among ``PRECISIONS``."""
    if precision not in PRECISIONS:
        raise ConfigError(f"unknown precision {precision!r}", hint=f"one of {', '.join(PRECISIONS)}")


def configured(model: Any, options: Mapping[str, Any]) -> Any:
    """The model with these options of sampling (names without ``sample_``): itself, or one that shares its weights."""
    changes = {_PREFIX + name: value for name, value in options.items()}
    if all(getattr(model.config, name) == value for name, value in changes.items()):
        return model
    other = copy.copy(model)
    other.config = replace(model.config, **changes)
    return other


def options_of(config: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A model's options of sampling, with changes.

    Args:
        config: Settings of the model.
        changes: New values by name; texts are read as the setting's own type.

    Raises:
        ConfigError: The model has no such option, or the value is of another kind or out of range.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    names = [f.name.removeprefix(_PREFIX) for f in fields(config) if f.name.startswith(_PREFIX)]
    known = [name for name in names if name not in _OWN_NAMES]
    for name in changes:
        if name in known:
            continue
        near = [f"did you mean {word}?" for word in get_close_matches(name, known, n=1, cutoff=0.4)]
        listed = f"it has {', '.join(known)}" if known else "it has none"
        hint = f"{name} has an argument of its own" if name in _OWN_NAMES else (near or [listed])[0]
        raise ConfigError(f"{config.name} has no option of sampling named {name!r}", hint=hint)
    try:
        changed = {_PREFIX + name: value for name, value in changes.items()}
        merged: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(config), changed))
    except OmegaConfBaseException as error:
        key = str(getattr(error, "full_key", "")).removeprefix(_PREFIX)
        raise ConfigError(f"option {key}: {str(error).splitlines()[0]}") from error
    options = {name: getattr(merged, _PREFIX + name) for name in known}
    for name, value in options.items():
        if isinstance(value, int | float):
            check_range("model", _PREFIX + name, value, f"option {name}")
    return options


def time_grid(steps: int, device: torch.device | str = "cpu", spacing: float = 1.0) -> Tensor:
    """Times t_k = (1 - k/K)^spacing from 1 to 0.

    With spacing 1 they are even, and with K the model's own number of steps EDM's grid exactly. A spacing above 1 puts
    more of them near 0, where bond lengths are decided.

    Args:
        steps: K.
        device: Where the times are wanted.
        spacing: Exponent, within ``SPACINGS``.

    Returns:
        Shape ``(K + 1,)``, float64.

    Raises:
        ConfigError: ``steps`` is not positive, or ``spacing`` out of range.
    """
    if steps < 1:
        raise ConfigError(f"{steps} sampling steps; at least 1 is needed")
    if not SPACINGS[0] <= spacing <= SPACINGS[1]:  # beyond, times of many steps run into one another at an end
        raise ConfigError(f"a spacing of {spacing:g}; it must be between {SPACINGS[0]:g} and {SPACINGS[1]:g}")
    even = torch.arange(steps, -1, -1, dtype=torch.float64, device=device) / steps
    return even if spacing == 1.0 else even**spacing
