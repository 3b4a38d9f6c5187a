"""Categorical flow: each variable keeps its noise class until a random time, then takes its data class.

Campbell et al. 2024 and Gat et al. 2024 with the linear schedule, for any prior: uniform, the data's marginal, or one
absorbing class (a mask). Time runs from noise (t = 1) to data (t = 0).
"""

from __future__ import annotations

import torch
from torch import Tensor

from molgen.processes.classes import class_prior, draw_class
from molgen.processes.gaussian import per_structure

COLDEST = 1e-6
"""Temperature below which logits over it could leave the range of float32."""


class CategoricalFlow:
    """p_t(x | x_0) = (1 - t) [x = x_0] + t prior(x).

    Attributes:
        prior: Probability of each class of the state space, shape ``(S,)``, float64; S = K + 1 with a mask, else K.
        classes: K, classes of the data.

    Args:
        name: ``uniform``, ``marginal`` or ``mask``.
        marginal: Share of each class in the data, shape ``(K,)``; all must be positive for ``marginal``.

    Raises:
        ValueError: The name is unknown.
    """

    def __init__(self, name: str, marginal: Tensor) -> None:
        self.classes = len(marginal)
        self.prior = class_prior(name, marginal)

    @property
    def states(self) -> int:
        """S, classes of the state space."""
        return len(self.prior)

    def noise(self, u: Tensor) -> Tensor:
        """Draws from the prior by inverse distribution function.

        Args:
            u: Uniform draws in [0, 1), any shape.
        """
        steps = self.prior.cumsum(0)[:-1].to(u)
        return torch.bucketize(u, steps, right=True)

    def corrupt(self, x0: Tensor, t: Tensor, u_keep: Tensor, u_noise: Tensor) -> Tensor:
        """Draw x_t given x_0.

        Args:
            x0: Classes, shape ``(B, ...)``, int64.
            t: Times, shape ``(B,)``.
            u_keep: Uniform draws that decide between data and noise, shape of ``x0``.
            u_noise: Uniform draws of the noise class, shape of ``x0``.
        """
        noisy = u_keep < per_structure(t, u_keep)
        return torch.where(noisy, self.noise(u_noise), x0)

    def step(
        self, x_t: Tensor, probabilities: Tensor, t: Tensor, s: Tensor, draws: tuple[Tensor, ...], eta: float = 0.0
    ) -> Tensor:
        """Draw x_s, s < t.

        A variable jumps to a class drawn from ``probabilities`` with the chance 1 - s/t, which is exact for the
        conditional process. ``eta`` adds jumps back to the prior, and as many more jumps to the data beforehand, which
        keep every p_s exactly as it is, however long the step, and let early mistakes be mended. A step injects at most
        the noise that p_s has.

        Args:
            x_t: Classes, shape ``(B, ...)``, int64.
            probabilities: Of the data's classes, predicted at t, shape ``(B, ..., K)``.
            t: Times, shape ``(B,)``.
            s: Earlier times, shape ``(B,)``.
            draws: Uniform draws of the shape of ``x_t``: whether to jump, where to; with ``eta``, also whether to jump
                back, where to.
            eta: Rate of jumps back to the prior per unit of time.
        """
        jump, target = draws[:2]
        back = torch.minimum(-torch.expm1(-eta * (t - s)), s)
        chance = 1.0 - (s - back) / (t * (1.0 - back))
        x_s = torch.where(jump < per_structure(chance, jump), draw_class(probabilities, target), x_t)
        if eta > 0.0:
            x_s = torch.where(draws[2] < per_structure(back, jump), self.noise(draws[3]), x_s)
        return x_s


def tempered(logits: Tensor, temperature: float) -> Tensor:
    """softmax(logits / temperature), float32 or wider; below ``COLDEST``, as at 0, all is given to the largest."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if temperature < COLDEST:
        return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
    return (logits / temperature).softmax(-1)
