"""Solvers: from noise z_1 to z_0 along a grid of times, as plain functions.

Each is called as ``solver(model, z, times, mask, noise, on_step)``:

* ``model`` has ``process`` (GaussianProcess), ``denoiser(z, t, mask)`` (predicted noise) and ``centred_noise``;
* ``z`` is the latent at ``times[0]``, shape ``(B, N, 3 + F)``;
* ``times`` are the K + 1 times from 1 down to 0, float64, on the device of ``z``; K network calls are made;
* ``mask`` is True for real atoms, shape ``(B, N)``; ``noise`` is the source of random draws;
* ``on_step(k, z)`` is called after step k = 1..K.

The result is the latent at ``times[-1]``. Nothing inside a step waits for the device. Below, lambda is
log(alpha / sigma) = -gamma / 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from molgen.denoiser import project
from molgen.randomness import NoiseSource

OnStep = Callable[[int, Tensor], None]
Solver = Callable[[Any, Tensor, Tensor, Tensor, NoiseSource, OnStep | None], Tensor]


def ancestral(
    model: Any, z: Tensor, times: Tensor, mask: Tensor, noise: NoiseSource, on_step: OnStep | None = None
) -> Tensor:
    """Draws from p(z_s | z_t) = q(z_s | z_t, x = x_hat(z_t)) (Hoogeboom et al. 2022, algorithm 2; Ho et al. 2020)."""
    for k in range(1, len(times)):
        t, s = times[k - 1 : k], times[k : k + 1]
        mean, std = model.process.posterior(z, model.denoiser(z, t.expand(len(z)), mask), t, s)
        z = project(mean + std * model.centred_noise(mask, noise), mask)
        if on_step is not None:
            on_step(k, z)
    return z


def ddim(
    model: Any, z: Tensor, times: Tensor, mask: Tensor, noise: NoiseSource, on_step: OnStep | None = None
) -> Tensor:
    """Deterministic first-order steps (Song et al. 2021, "DDIM", equation 12 with eta = 0); draws nothing."""
    for k in range(1, len(times)):
        t, s = times[k - 1 : k], times[k : k + 1]
        z = project(model.process.ddim_step(z, model.denoiser(z, t.expand(len(z)), mask), t, s), mask)
        if on_step is not None:
            on_step(k, z)
    return z


def dpm(
    model: Any, z: Tensor, times: Tensor, mask: Tensor, noise: NoiseSource, on_step: OnStep | None = None
) -> Tensor:
    """DPM-Solver++(2M), deterministic (Lu et al. 2022, arXiv:2211.01095, algorithm 2); draws nothing.

    z_s = sigma_s / sigma_t z_t + alpha_s (1 - e^-h) D, h = lambda_s - lambda_t, D as ``_extrapolated`` gives it.
    """
    process, before = model.process, None
    for k in range(1, len(times)):
        t, s = times[k - 1 : k], times[k : k + 1]
        clean = process.denoised(z, model.denoiser(z, t.expand(len(z)), mask), t)
        h = _log_snr_step(process, t, s)
        keep = process.schedule.sigma(s) / process.schedule.sigma(t)
        gain = -process.schedule.alpha(s) * torch.expm1(-h)
        z = project(_scaled(keep, z) + _scaled(gain, _extrapolated(process, clean, before, times, k)), mask)
        before = clean
        if on_step is not None:
            on_step(k, z)
    return z


def dpm_sde(
    model: Any, z: Tensor, times: Tensor, mask: Tensor, noise: NoiseSource, on_step: OnStep | None = None
) -> Tensor:
    """SDE-DPM-Solver++(2M), stochastic (Lu et al. 2022, arXiv:2211.01095, equation 14); order 1 of it is ``ancestral``.

    z_s = sigma_s / sigma_t e^-h z_t + alpha_s (1 - e^-2h) D + sigma_s sqrt(1 - e^-2h) noise.
    """
    process, before = model.process, None
    for k in range(1, len(times)):
        t, s = times[k - 1 : k], times[k : k + 1]
        clean = process.denoised(z, model.denoiser(z, t.expand(len(z)), mask), t)
        h = _log_snr_step(process, t, s)
        sigma_s = process.schedule.sigma(s)
        fresh = -torch.expm1(-2 * h)
        keep = sigma_s / process.schedule.sigma(t) * torch.exp(-h)
        gain = process.schedule.alpha(s) * fresh
        z = _scaled(keep, z) + _scaled(gain, _extrapolated(process, clean, before, times, k))
        z = project(z + _scaled(sigma_s * fresh.sqrt(), model.centred_noise(mask, noise)), mask)
        before = clean
        if on_step is not None:
            on_step(k, z)
    return z


SOLVERS: Final[dict[str, Solver]] = {"ancestral": ancestral, "ddim": ddim, "dpm": dpm, "dpm_sde": dpm_sde}
"""Name -> solver."""


def _log_snr_step(process: Any, t: Tensor, s: Tensor) -> Tensor:
    """h = lambda_s - lambda_t > 0, shape ``(1,)``, float64."""
    h: Tensor = 0.5 * (process.schedule.gamma(t) - process.schedule.gamma(s))
    return h


def _extrapolated(process: Any, clean: Tensor, before: Tensor | None, times: Tensor, k: int) -> Tensor:
    """D = (1 + 1/2r) x_k - 1/2r x_{k-1} with r = h_{k-1} / h_k, the data prediction halfway in lambda; x_k at first."""
    if before is None:
        return clean
    previous = _log_snr_step(process, times[k - 2 : k - 1], times[k - 1 : k])
    weight = 0.5 * _log_snr_step(process, times[k - 1 : k], times[k : k + 1]) / previous
    return clean + _scaled(weight, clean - before)


def _scaled(factor: Tensor, z: Tensor) -> Tensor:
    """``factor``, shape ``(1,)``, times ``z`` in the dtype of ``z``."""
    return factor.to(z.dtype) * z
