"""The variance-preserving Gaussian process: forward kernel, posterior, priors and its terms of the likelihood bound."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from molgen.processes.schedule import Schedule


def per_structure(values: Tensor, like: Tensor) -> Tensor:
    """Reshape ``(B,)`` so that it broadcasts against ``(B, ...)``, in the latter's dtype."""
    return values.to(like.dtype).reshape(-1, *[1] * (like.dim() - 1))


class GaussianProcess:
    """q(z_t | x) = N(alpha_t x, sigma_t^2) on any real-valued field (Kingma et al. 2021; Hoogeboom et al. 2022).

    Times ``t`` have shape ``(B,)``; fields have shape ``(B, ...)``.

    Args:
        schedule: Gives alpha, sigma and gamma.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def corrupt(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Draw z_t = alpha_t x0 + sigma_t noise."""
        return per_structure(self.schedule.alpha(t), x0) * x0 + per_structure(self.schedule.sigma(t), x0) * noise

    def denoised(self, z_t: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The x0 for which ``noise`` carries it to ``z_t``."""
        return (z_t - per_structure(self.schedule.sigma(t), z_t) * noise) / per_structure(self.schedule.alpha(t), z_t)

    def posterior(self, z_t: Tensor, noise: Tensor, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of q(z_s | z_t, x0) for s < t, with x0 given through the predicted noise.

        mean = z_t / alpha_ts - sigma_ts^2 / (alpha_ts sigma_t) noise and std = sigma_ts sigma_s / sigma_t, with
        alpha_ts = alpha_t / alpha_s and sigma_ts^2 = sigma_t^2 - alpha_ts^2 sigma_s^2.
        """
        alpha_ts = self.schedule.alpha(t) / self.schedule.alpha(s)
        sigma_t, sigma_s = self.schedule.sigma(t), self.schedule.sigma(s)
        sigma_ts = self.transition_std(t, s)
        mean = z_t / per_structure(alpha_ts, z_t) - per_structure(sigma_ts**2 / (alpha_ts * sigma_t), z_t) * noise
        return mean, per_structure(sigma_ts * sigma_s / sigma_t, z_t)

    def posterior_of_clean(self, z_t: Tensor, x0: Tensor, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of q(z_s | z_t, x0) for s < t, from x0 itself; exact where sigma_s = 0.

        mean = alpha_ts sigma_s^2 / sigma_t^2 z_t + alpha_s sigma_ts^2 / sigma_t^2 x0.
        """
        sigma_t2, sigma_s2 = self.schedule.sigma_squared(t), self.schedule.sigma_squared(s)
        alpha_s = self.schedule.alpha(s)
        alpha_ts = self.schedule.alpha(t) / alpha_s
        sigma_ts = self.transition_std(t, s)
        kept, drawn = alpha_ts * sigma_s2 / sigma_t2, alpha_s * sigma_ts**2 / sigma_t2
        mean = per_structure(kept, z_t) * z_t + per_structure(drawn, z_t) * x0
        return mean, per_structure(sigma_ts * (sigma_s2 / sigma_t2).sqrt(), z_t)

    def transition_std(self, t: Tensor, s: Tensor) -> Tensor:
        """sigma_{t|s}, the noise that q(z_t | z_s) adds, shape ``(B,)``.

        sigma_ts^2 = sigma_t^2 (1 - SNR_t / SNR_s), written with expm1, which stays exact for neighbouring times.
        """
        return self.schedule.sigma(t) * torch.sqrt(-torch.expm1(self.schedule.gamma(s) - self.schedule.gamma(t)))

    def ddim_step(self, z_t: Tensor, noise: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """Deterministic step to s < t (DDIM, Song et al. 2021, equation 12 with eta = 0)."""
        return self.corrupt(self.denoised(z_t, noise, t), s, noise)

    def bound_weight(self, t: Tensor, s: Tensor) -> Tensor:
        """SNR(s)/SNR(t) - 1, shape ``(B,)``: twice the weight of the squared noise error in the bound."""
        return torch.expm1(self.schedule.gamma(t) - self.schedule.gamma(s))

    def prior_kl(self, x0: Tensor, dimensions: Tensor) -> Tensor:
        """KL(q(z_1 | x0) || N(0, I)) in nats, shape ``(B,)``.

        Args:
            x0: The clean field, zero in padding, shape ``(B, ...)``.
            dimensions: Degrees of freedom of each structure's field, shape ``(B,)``.
        """
        one = torch.ones(len(x0), device=x0.device)
        sigma2 = self.schedule.sigma_squared(one)
        mean2 = self.schedule.alpha_squared(one) * x0.double().square().flatten(1).sum(1)
        return 0.5 * (dimensions * (sigma2 - sigma2.log() - 1.0) + mean2)

    def reconstruction_nll(self, squared_error: Tensor, dimensions: Tensor) -> Tensor:
        """-log N(x0; z_0 denoised, (sigma_0/alpha_0)^2) in nats, shape ``(B,)``, from the squared noise error at t = 0.

        Args:
            squared_error: Sum over the field of (noise - predicted noise)^2, shape ``(B,)``.
            dimensions: Degrees of freedom, shape ``(B,)``.
        """
        log_std = 0.5 * self.schedule.gamma(torch.zeros(1, device=squared_error.device))
        return 0.5 * squared_error + dimensions * (log_std + 0.5 * math.log(2 * math.pi))
