"""The wrapped normal on the torus: density, score and its mean square, and the variance-exploding process on it.

All axes have period 1 (fractional coordinates). Jing et al. 2022 (torsional diffusion) and Jiao et al. 2023 (DiffCSP).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from molgen.geometry.periodic import shortest, wrap
from molgen.processes.gaussian import per_structure

_SWITCH = 0.4
"""Standard deviation below which the sum over images is used, above which the Fourier series: there both leave out
terms under 1e-16 of the first."""
_TERMS = 3
"""Images to each side, and waves, that are summed."""
_NODES = 128
"""Intervals of the quadrature; the trapezoidal rule converges exponentially on a smooth periodic function."""
_REACH = 12.0
"""Standard deviations that the quadrature covers of a narrow density."""


def log_density(x: Tensor, sigma: Tensor) -> Tensor:
    """log p(x), p(x) = sum_i N(x + i; 0, sigma^2) over all integers i, a density on a period.

    Args:
        x: Displacements, any real value, any shape.
        sigma: Standard deviations, positive, broadcast against ``x``.
    """
    x, sigma = torch.broadcast_tensors(shortest(x), sigma.to(x))
    weights, narrow = _images(x, sigma)[1].sum(-1), sigma.clamp(max=_SWITCH)
    by_images = weights.log() - 0.5 * (x / narrow).square() - narrow.log() - 0.5 * math.log(2.0 * math.pi)
    k, wave = _waves(sigma)
    by_waves = torch.log1p((2.0 * wave * torch.cos(2.0 * math.pi * k * x.unsqueeze(-1))).sum(-1))
    return torch.where(sigma < _SWITCH, by_images, by_waves)


def score(x: Tensor, sigma: Tensor) -> Tensor:
    """d/dx log p(x), finite and exact to rounding for every x; DiffCSP's d_log_p_wrapped_normal is its negative.

    With the weights w_i of the images, -(x + sum_i i w_i / sum_i w_i) / sigma^2; wide densities by the Fourier series.

    Args:
        x: Displacements, any real value, any shape.
        sigma: Standard deviations, positive, broadcast against ``x``.
    """
    x, sigma = torch.broadcast_tensors(shortest(x), sigma.to(x))
    i, weight = _images(x, sigma)
    by_images = -(x + (i * weight).sum(-1) / weight.sum(-1)) / sigma.clamp(max=_SWITCH).square()
    k, wave = _waves(sigma)
    angle = 2.0 * math.pi * k * x.unsqueeze(-1)
    density = 1.0 + (2.0 * wave * torch.cos(angle)).sum(-1)
    by_waves = -(4.0 * math.pi * k * wave * torch.sin(angle)).sum(-1) / density
    return torch.where(sigma < _SWITCH, by_images, by_waves)


def mean_square_score(sigma: Tensor) -> Tensor:
    """lambda(sigma) = E[score(x, sigma)^2] for x drawn from the density, by quadrature; shape of ``sigma``, float64.

    1/sigma^2 for a narrow density; 8 pi^2 exp(-4 pi^2 sigma^2) for a wide one, which float64 holds up to sigma = 4.
    """
    sigma = sigma.double().unsqueeze(-1)
    steps = torch.linspace(0.0, 1.0, _NODES + 1, dtype=torch.float64, device=sigma.device)
    x = (_REACH * sigma).clamp(max=0.5) * steps
    # The integrand is even: half a period is enough.
    return 2.0 * torch.trapezoid(score(x, sigma).square() * log_density(x, sigma).exp(), x, dim=-1)


class WrappedNormal:
    """q(x_t | x_0): x_t = x_0 + sigma_t noise, wrapped to [0, 1), with sigma_t growing exponentially (DiffCSP).

    sigma at t = k/T is number k of exp(linspace(log sigma_min, log sigma_max, T)), and 0 at t = 0; times between follow
    the same exponential, so a sampler may take steps of any length. At sigma_max = 0.5 the density is uniform to 1.5 %.

    Args:
        sigma_min: Standard deviation at t = 1/T, in periods.
        sigma_max: At t = 1.
        num_steps: T.
    """

    def __init__(self, sigma_min: float = 0.005, sigma_max: float = 0.5, num_steps: int = 1000) -> None:
        self.sigma_min, self.sigma_max, self.num_steps = sigma_min, sigma_max, num_steps

    def sigma(self, t: Tensor) -> Tensor:
        """Standard deviation at times ``t`` in [0, 1], same shape, float64."""
        t = t.double()
        place = (t * self.num_steps - 1.0) / (self.num_steps - 1.0)
        grown = self.sigma_min * (self.sigma_max / self.sigma_min) ** place
        return torch.where(t > 0.0, grown, torch.zeros_like(grown))

    def corrupt(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Draw x_t given x_0.

        Args:
            x0: Fractional coordinates, shape ``(B, ...)``.
            t: Times, shape ``(B,)``.
            noise: Standard normal draws, shape of ``x0``.
        """
        return wrap(x0 + per_structure(self.sigma(t), x0) * noise)

    def target(self, t: Tensor, noise: Tensor) -> Tensor:
        """What a network learns: the score of q(x_t | x_0) over its root mean square, given the ``noise`` in x_t."""
        sigma = self.sigma(t)
        return score(per_structure(sigma, noise) * noise, per_structure(sigma, noise)) / self._scale(t, noise)

    def score_of(self, prediction: Tensor, t: Tensor) -> Tensor:
        """The score that a prediction of ``target`` stands for."""
        return prediction * self._scale(t, prediction)

    def predictor(self, x_t: Tensor, score_t: Tensor, t: Tensor, s: Tensor, noise: Tensor) -> Tensor:
        """Ancestral step to s < t (Song et al. 2021, appendix F).

        x_s = x_t + (sigma_t^2 - sigma_s^2) score + sqrt(sigma_s^2 (sigma_t^2 - sigma_s^2) / sigma_t^2) noise.

        Args:
            x_t: Fractional coordinates at ``t``, shape ``(B, ...)``.
            score_t: d/dx log p_t there, same shape.
            t: Times, shape ``(B,)`` or ``(1,)``.
            s: Earlier times; at 0 the step is the denoised mean, without noise.
            noise: Standard normal draws, shape of ``x_t``.
        """
        after, before = self.sigma(t), self.sigma(s)
        gone = after.square() - before.square()
        spread = before * gone.sqrt() / after
        return wrap(x_t + per_structure(gone, x_t) * score_t + per_structure(spread, x_t) * noise)

    def corrector(self, x_t: Tensor, score_t: Tensor, t: Tensor, noise: Tensor, step_size: float) -> Tensor:
        """Langevin step at t > 0: x + eta score + sqrt(2 eta) noise, eta = step_size (sigma_t / sigma_min)^2.

        Args:
            x_t: Fractional coordinates at ``t``, shape ``(B, ...)``.
            score_t: d/dx log p_t there, same shape.
            t: Times, shape ``(B,)`` or ``(1,)``.
            noise: Standard normal draws, shape of ``x_t``.
            step_size: DiffCSP's ``step_lr``; in units of sigma_t^2 it is step_size / sigma_min^2.
        """
        eta = step_size * (self.sigma(t) / self.sigma_min).square()
        return wrap(x_t + per_structure(eta, x_t) * score_t + per_structure((2.0 * eta).sqrt(), x_t) * noise)

    def _scale(self, t: Tensor, like: Tensor) -> Tensor:
        return per_structure(mean_square_score(self.sigma(t)).sqrt(), like)


def _images(x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Integers i and the weight of image x + i over that of x, exp(-i (i + 2 x) / (2 sigma^2)), shape ``(..., i)``.

    With x in [-1/2, 1/2] none exceeds 1, so nothing overflows and the sum is at least 1.
    """
    i = torch.arange(-_TERMS, _TERMS + 1, dtype=x.dtype, device=x.device)
    variance = sigma.clamp(max=_SWITCH).square().unsqueeze(-1)
    return i, torch.exp(-0.5 * i * (i + 2.0 * x.unsqueeze(-1)) / variance)


def _waves(sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Wave numbers k and the Fourier coefficients exp(-2 pi^2 k^2 sigma^2), shape ``(..., k)``."""
    k = torch.arange(1, _TERMS + 1, dtype=sigma.dtype, device=sigma.device)
    return k, torch.exp(-2.0 * (math.pi * k * sigma.clamp(min=_SWITCH).unsqueeze(-1)).square())
