"""Linear flow on a real-valued field: straight lines from noise to data, or Brownian bridges about them.

Time runs as everywhere in molgen: t = 1 is noise, t = 0 is data (the papers' flow time is 1 - t).
"""

from __future__ import annotations

from torch import Tensor

from molgen.processes.gaussian import per_structure


class LinearFlow:
    """x_t = (1 - t) x_0 + t x_1 + sigma sqrt(t (1 - t)) noise, x_0 data and x_1 drawn from the prior.

    sigma = 0: the rectified flow (Liu et al. 2023; Lipman et al. 2023). sigma > 0: the Brownian bridge between the ends
    (Albergo et al. 2023; Tong et al. 2024), whose reverse is stochastic.

    Args:
        sigma: Bridge noise, in units of the field.
    """

    def __init__(self, sigma: float = 0.0) -> None:
        self.sigma = sigma

    def corrupt(self, x0: Tensor, x1: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Draw x_t.

        Args:
            x0: Data, shape ``(B, ...)``.
            x1: Prior draw, paired with the data, same shape.
            t: Times, shape ``(B,)``.
            noise: Standard normal draws, same shape.
        """
        spread = self.sigma * (t * (1.0 - t)).clamp(min=0.0).sqrt()
        return per_structure(1.0 - t, x0) * x0 + per_structure(t, x0) * x1 + per_structure(spread, x0) * noise

    @staticmethod
    def step(
        x_t: Tensor, x0: Tensor, t: Tensor, s: Tensor, noise: Tensor, sigma: float, annealing: float = 0.0
    ) -> Tensor:
        """Draw x_s, s < t, given x_t and the (predicted) data.

        The bridge from x_t to x_0 is Markov: mean (s/t) x_t + (1 - s/t) x_0, variance sigma^2 s (t - s) / t. With
        sigma = 0 this is the Euler step of the velocity (x_0 - x_t) / t, and exact along a straight line.

        Velocity annealing multiplies the velocity by 1 + annealing (1 - t), so that it grows towards the data (FlowMM,
        Miller et al. 2024; CrystalFlow, Luo et al. 2024). Integrated over the step with x_0 fixed, the share of x_t
        that is kept becomes (s/t)^(1 + annealing) exp(annealing (t - s)): never past x_0, as an Euler step would be.

        Args:
            x_t: The field at ``t``, shape ``(B, ...)``.
            x0: Data, same shape.
            t: Times, shape ``(B,)`` or ``(1,)``.
            s: Earlier times.
            noise: Standard normal draws, same shape as the field.
            sigma: Bridge noise of this step.
            annealing: Growth of the velocity; 0 for the flow itself.
        """
        kept = s / t
        if annealing:
            kept = kept * (kept * (t - s).exp()) ** annealing
        spread = sigma * (s * (t - s) / t).clamp(min=0.0).sqrt()
        return per_structure(kept, x_t) * x_t + per_structure(1.0 - kept, x_t) * x0 + per_structure(spread, x_t) * noise

    def spread(self, t: Tensor) -> Tensor:
        """Standard deviation of x_t - (1 - t) x_0 for a standard normal prior, sqrt(t^2 + sigma^2 t (1 - t))."""
        return (t.square() + self.sigma**2 * t * (1.0 - t)).clamp(min=0.0).sqrt()

    def reach(self, t: Tensor) -> Tensor:
        """How far a good guess of x_0 lies from x_t, for data of unit variance: noise over all, in [0, 1].

        The scale of a network's correction, as c_out of Karras et al. 2022; its inverse square weighs the error.
        """
        noise = self.spread(t)
        return noise / (noise.square() + (1.0 - t).square()).sqrt()


def time_from_uniform(u: Tensor, power: float) -> Tensor:
    """t in [0, 1) with density proportional to (1 - t)^(power - 1): above 1, more of the times lie near the data."""
    return 1.0 - (1.0 - u).clamp(min=0.0).pow(1.0 / power)
