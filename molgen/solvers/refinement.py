"""Steps that refine a finished structure: what the network predicts for it replaces it, at falling noise levels.

The network is told that the structure has the noise of a time, though it has none; the prediction then mends parts that
do not fit each other, coarse ones first. It leads towards the modes, as a low temperature does: only without refinement
is the result of a sampler a draw from the model's distribution.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

_LAST = 0.003
"""Time that the network is told in the last step."""


def times_with_refinement(grid: Callable[[int], Tensor], steps: int, share: float) -> Tensor:
    """A grid of times for the flow, then a 0 for each step that refines, shape ``(steps + 1,)``.

    Args:
        grid: Times from 1 to 0 for a number of steps.
        steps: In all, at least one of them for the flow.
        share: Of the steps that refine.
    """
    refining = min(round(share * steps), steps - 1)
    return torch.nn.functional.pad(grid(steps - refining), (0, refining))


def told_times(times: Tensor, first: float) -> tuple[Tensor, int]:
    """What the network is told in each step, shape ``(steps,)``, and how many steps flow.

    Args:
        times: As ``times_with_refinement`` makes them: steps that begin at t = 0 refine.
        first: Time told in the first step that refines; the others fall to ``_LAST`` in equal ratios.
    """
    told = times[:-1].clone()
    flowing = int((told > 0).sum())
    levels = torch.logspace(math.log10(first), math.log10(_LAST), len(told) - flowing, dtype=torch.float64)
    told[flowing:] = levels.to(told)
    return told, flowing
