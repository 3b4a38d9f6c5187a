"""Models whose noise prediction is known in closed form, so that what a solver should give is known too."""

from __future__ import annotations

import torch
from torch import Tensor

from molgen.denoiser import project
from molgen.processes.gaussian import GaussianProcess
from molgen.processes.schedule import make_schedule
from molgen.randomness import NoiseSource


class ExactModel:
    """What solvers need of a model, with E[x | z_t] instead of a network; a subclass gives the expectation."""

    def __init__(self, features: int, precision: float = 1e-5):
        self.process = GaussianProcess(make_schedule("polynomial_2", precision=precision, num_steps=1000))
        self.features = features

    def clean(self, z: Tensor, alpha: Tensor, sigma: Tensor, mask: Tensor) -> Tensor:
        raise NotImplementedError

    def denoiser(self, z: Tensor, t: Tensor, mask: Tensor) -> Tensor:
        alpha, sigma = (getattr(self.process.schedule, name)(t)[:, None, None] for name in ("alpha", "sigma"))
        return project((z - alpha * self.clean(z, alpha, sigma, mask)) / sigma, mask)

    def centred_noise(self, mask: Tensor, noise: NoiseSource) -> Tensor:
        return project(noise.normal(mask.shape[1], 3 + self.features), mask)


class GaussianData(ExactModel):
    """Coordinates ~ N(0, position_std^2) with the centre of mass removed, features ~ N(feature_mean, feature_std^2)."""

    def __init__(self, position_std: float, feature_mean: float, feature_std: float, features: int = 2):
        super().__init__(features)
        self.mean = torch.tensor([0.0] * 3 + [feature_mean] * features, dtype=torch.float64)
        self.std = torch.tensor([position_std] * 3 + [feature_std] * features, dtype=torch.float64)

    def clean(self, z: Tensor, alpha: Tensor, sigma: Tensor, mask: Tensor) -> Tensor:
        variance = self.std**2
        return self.mean + alpha * variance / (alpha**2 * variance + sigma**2) * (z - alpha * self.mean)


class Points(ExactModel):
    """A mixture of a few given structures, shape ``(P, N, 3 + F)`` with centred positions, and their weights."""

    def __init__(self, points: Tensor, weights: Tensor):
        super().__init__(points.shape[-1] - 3)
        self.points, self.weights = points, weights

    def clean(self, z: Tensor, alpha: Tensor, sigma: Tensor, mask: Tensor) -> Tensor:
        squared = (z[:, None] - alpha[:, None] * self.points).square().sum((2, 3))
        probability = (self.weights.log() - squared / (2 * sigma[:, :, 0] ** 2)).softmax(1)
        return torch.einsum("bp,pnf->bnf", probability, self.points)


def masks(sizes: list[int], copies: int) -> Tensor:
    """``copies`` structures of each size, shape ``(B, max(sizes))``."""
    all_sizes = torch.tensor(sizes).repeat_interleave(copies)
    return torch.arange(max(sizes)) < all_sizes[:, None]


def noise_for(mask: Tensor, seed: int = 0) -> NoiseSource:
    """Float64 draws for the whole mask."""
    source = NoiseSource.seeded(seed, *mask.shape)
    source.dtype = torch.float64
    return source
