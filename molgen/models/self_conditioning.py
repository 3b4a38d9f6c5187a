"""A network that also sees its own earlier prediction (self-conditioning, Chen et al. 2023)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from molgen.processes.categorical_flow import CategoricalFlow

T = TypeVar("T")


def first_guess(predict: Callable[[], T]) -> T:
    """A prediction for a training step to begin with; no gradient passes through it."""
    with torch.no_grad():
        guess = predict()
    torch.clear_autocast_cache()  # else weights that were cast without a graph would be used with one
    return guess


def seen_and_guessed(flow: CategoricalFlow, states: Tensor, logits: Tensor | None, dtype: torch.dtype) -> Tensor:
    """One-hot classes of a field and what was predicted before, zero where nothing was, shape ``(..., S + K)``.

    Args:
        flow: Process of the field.
        states: Classes, perhaps the mask's, shape ``(...)``.
        logits: Of an earlier prediction, shape ``(..., K)``.
        dtype: Of the result.
    """
    seen = F.one_hot(states, flow.states).to(dtype)
    if logits is None:
        return F.pad(seen, (0, flow.classes))
    return torch.cat([seen, logits.to(dtype).softmax(-1)], dim=-1)
