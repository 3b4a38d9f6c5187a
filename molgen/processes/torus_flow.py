"""Flow on the torus: geodesics from uniform noise to data, up to translations, or Brownian bridges about them.

Fractional coordinates of the atoms of a cell, period 1 on every axis. Chen & Lipman 2024 (flow matching on manifolds),
Miller et al. 2024 (FlowMM), Hoellmer et al. 2025 (OMatG). As everywhere in molgen, t = 1 is noise and t = 0 data.
"""

from __future__ import annotations

import torch
from torch import Tensor

from molgen.geometry.centering import remove_mean
from molgen.geometry.periodic import shortest, wrap
from molgen.processes.gaussian import per_structure
from molgen.processes.linear_flow import LinearFlow


class TorusFlow:
    """x_t = x_0 + t d + sigma sqrt(t (1 - t)) noise, wrapped; d = shortest(x_1 - x_0) less its mean over the atoms.

    A crystal is the same wherever its origin lies, and a network that knows this cannot predict a drift of all atoms:
    so the drift is taken from the path and from the noise. The path then ends at t = 1 in a translate of x_1, which is
    as uniform as x_1 is.

    What a network predicts is the displacement from x_t to the clean coordinates (or the velocity, which is
    proportional): a vector per atom of mean zero. It is not wrapped: taking the drift away may leave more than 1/2.

    Args:
        sigma: Bridge noise, in periods; 0 for the geodesic itself.
    """

    def __init__(self, sigma: float = 0.0) -> None:
        self.flow = LinearFlow(sigma)

    def corrupt(self, x0: Tensor, x1: Tensor, t: Tensor, noise: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Draw x_t, and the displacement that leads from it to x_0.

        Args:
            x0: Data in [0, 1), zero in padding, shape ``(B, N, 3)``.
            x1: Uniform draws, paired with the data, same shape.
            t: Times, shape ``(B,)``.
            noise: Standard normal draws, same shape.
            mask: True where an atom is real, shape ``(B, N)``.

        Returns:
            x_t in [0, 1) and the displacement, each ``(B, N, 3)``; x_0 = wrap(x_t + displacement).
        """
        return self.along(x0, shortest(x1 - x0), t, noise, mask)

    def along(self, x0: Tensor, way: Tensor, t: Tensor, noise: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The same on a way from x_0 to x_1, ``(B, N, 3)``, which need not be the shortest: orbits move along it."""
        way = remove_mean(way, mask)
        away = self.flow.corrupt(torch.zeros_like(way), way, t, remove_mean(noise, mask))
        return wrap(x0 + away), -away

    @staticmethod
    def step(
        x_t: Tensor,
        to_clean: Tensor,
        t: Tensor,
        s: Tensor,
        noise: Tensor,
        mask: Tensor,
        *,
        sigma: float = 0.0,
        annealing: float = 0.0,
    ) -> Tensor:
        """Draw x_s, s < t, from x_t and the (predicted) displacement to the clean coordinates: ``LinearFlow.step``.

        Args:
            x_t: Coordinates at ``t``, shape ``(B, N, 3)``.
            to_clean: Displacement to x_0, same shape; its mean plays no part.
            t: Times, shape ``(B,)`` or ``(1,)``.
            s: Earlier times.
            noise: Standard normal draws, shape of ``x_t``.
            mask: True where an atom is real, shape ``(B, N)``.
            sigma: Bridge noise of this step.
            annealing: Growth of the velocity towards the data, see ``LinearFlow.step``.
        """
        ahead = remove_mean(to_clean, mask)
        moved = LinearFlow.step(
            torch.zeros_like(ahead), ahead, t, s, remove_mean(noise, mask), sigma, annealing=annealing
        )
        return wrap(x_t + moved)

    @staticmethod
    def velocity(to_clean: Tensor, t: Tensor) -> Tensor:
        """dx_t/dt of the geodesic, from the displacement at t > 0: it points to the noise and stays the same."""
        return -to_clean / per_structure(t, to_clean)

    @staticmethod
    def to_clean(velocity: Tensor, t: Tensor) -> Tensor:
        """The displacement to the clean coordinates for which the geodesic has this velocity."""
        return -velocity * per_structure(t, velocity)
