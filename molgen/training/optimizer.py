"""Muon for weight matrices and AdamW for everything else, as one optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_SMALLEST = 32
"""A matrix with fewer rows or columns is a read-in, a read-out or a gate, and is left to AdamW."""


class MuonAdamW(torch.optim.Optimizer):
    """Orthogonalised momentum (Muon, Jordan et al. 2024) on matrices, AdamW on the rest.

    Muon's updates are scaled to the size of AdamW's (Liu et al. 2025), so that both learning rates mean the same.

    Args:
        parameters: Of the model.
        muon_lr: Learning rate of the matrices.
        options: Of AdamW.
    """

    def __init__(self, parameters: Iterable[Tensor], muon_lr: float, **options: Any) -> None:
        every = list(parameters)
        matrices = [p for p in every if p.ndim == 2 and min(p.shape) >= _SMALLEST]
        chosen = {id(p) for p in matrices}
        rest = [p for p in every if id(p) not in chosen]
        muon = torch.optim.Muon(matrices, lr=muon_lr, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
        self._parts: list[torch.optim.Optimizer] = [muon, torch.optim.AdamW(rest, **options)]
        super().__init__(every, {"lr": muon_lr})
        self._share_groups()

    def _share_groups(self) -> None:
        """Show the parts' own groups, so that a learning-rate schedule acts on both."""
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Evaluate the closure, then update."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()
