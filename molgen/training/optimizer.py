"""Muon for weight matrices and AdamW for everything else, as one optimizer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_TOGETHER = 8
"""Matrices that one product takes: more of them no longer fit a core's cache."""

_QUINTIC = (3.4445, -4.775, 2.0315)
"""Coefficients of Muon's Newton-Schulz step (Jordan et al. 2024)."""

_SMALLEST = 32
"""A matrix with fewer rows or columns is a read-in, a read-out or a gate, and is left to AdamW."""


class BatchedMuon(torch.optim.Muon):
    """``torch.optim.Muon``, with matrices of one shape orthogonalised together: fewer and larger products."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient; there is no closure to evaluate here."""
        for group in self.param_groups:
            shapes: defaultdict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    shapes[matrix.shape].append(matrix)
            for shape, matrices in shapes.items():
                size = group["lr"] * 0.2 * max(shape) ** 0.5
                for start in range(0, len(matrices), _TOGETHER):
                    some = matrices[start : start + _TOGETHER]
                    directions = orthogonalised(self._momenta(some, group["momentum"]), group["ns_steps"])
                    for matrix, direction in zip(some, directions, strict=True):
                        matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-size)

    def _momenta(self, matrices: list[Tensor], decay: float) -> Tensor:
        """Nesterov momentum of each matrix over its Frobenius norm, shape ``(count, rows, columns)``, bfloat16."""
        result = matrices[0].new_empty((len(matrices), *matrices[0].shape), dtype=torch.bfloat16)
        for matrix, row in zip(matrices, result, strict=True):
            state, gradient = self.state[matrix], matrix.grad
            assert gradient is not None
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(gradient)
            momentum = gradient.lerp(state["momentum_buffer"].lerp_(gradient, 1 - decay), decay)
            torch.div(momentum, torch.linalg.vector_norm(momentum).clamp(min=1e-7), out=row)
        return result


def orthogonalised(matrices: Tensor, steps: int) -> Tensor:
    """U V^T of U S V^T, roughly: singular values come near 1 by Muon's quintic Newton-Schulz steps.

    Args:
        matrices: Spectral norms at most 1, shape ``(count, rows, columns)``.
        steps: Iterations.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    for _ in range(steps):
        gram = matrices.mT @ matrices if tall else matrices @ matrices.mT
        factor = torch.baddbmm(gram, gram, gram, beta=_QUINTIC[1], alpha=_QUINTIC[2])
        left, right = (matrices, factor) if tall else (factor, matrices)
        matrices = torch.baddbmm(matrices, left, right, beta=_QUINTIC[0])
    return matrices


class MuonAdamW(torch.optim.Optimizer):
    """Orthogonalised momentum (Muon, Jordan et al. 2024) on matrices, AdamW on the rest.

    Muon's updates are scaled to the size of AdamW's (Liu et al. 2025), so that both learning rates mean the same.

    Args:
        parameters: Of the model.
        muon_lr: Learning rate of the matrices.
        muon_decay: A step multiplies the matrices by 1 - muon_lr muon_decay first.
        options: Of AdamW.
    """

    def __init__(self, parameters: Iterable[Tensor], muon_lr: float, muon_decay: float = 0.0, **options: Any) -> None:
        every = list(parameters)
        matrices = [p for p in every if p.ndim == 2 and min(p.shape) >= _SMALLEST]
        chosen = {id(p) for p in matrices}
        rest = [p for p in every if id(p) not in chosen]
        muon = BatchedMuon(matrices, lr=muon_lr, weight_decay=muon_decay, adjust_lr_fn="match_rms_adamw")
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
