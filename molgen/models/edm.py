"""EDM: equivariant diffusion on positions and scaled atom types (Hoogeboom et al., ICML 2022)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from molgen.batch import AtomBatch
from molgen.denoiser import NoiseDenoiser, project
from molgen.errors import ConfigError
from molgen.geometry.centering import remove_mean
from molgen.models.data_summary import DataSummary
from molgen.networks.egnn import EGNN
from molgen.processes.discretised import categorical_log_prob, integer_log_prob
from molgen.processes.gaussian import GaussianProcess
from molgen.processes.schedule import make_schedule
from molgen.randomness import NoiseSource
from molgen.solvers.gaussian import SOLVERS, Solver


@dataclass
class EDMConfig:
    """Settings of EDM; the defaults are those of the published QM9 model.

    Attributes:
        name: Name in the registry.
        hidden: Width of the EGNN.
        layers: Blocks of the EGNN.
        schedule: ``polynomial_2`` or ``cosine``.
        precision: s of the schedule.
        num_steps: T, the grid of training times and of the bound.
        loss: ``simple`` (unweighted noise error) or ``variational`` (one term of the bound).
        position_scale: Angstrom per unit of the latent positions.
        element_scale: The one-hot element is divided by this.
        number_scale: The atomic number is divided by this.
        atomic_number: Diffuse the atomic number as an integer beside the one-hot element (EDM's "charge").
        coordinate_range: Bound of a pair's contribution to a coordinate update, in latent units.
        normalisation: Divides the EGNN's sums over neighbours.
    """

    name: str = "edm"
    hidden: int = 256
    layers: int = 9
    schedule: str = "polynomial_2"
    precision: float = 1e-5
    num_steps: int = 1000
    loss: str = "simple"
    position_scale: float = 1.0
    element_scale: float = 4.0
    number_scale: float = 10.0
    atomic_number: bool = True
    coordinate_range: float = 15.0
    normalisation: float = 1.0


class EDM(nn.Module):
    """Latent z = [x / position_scale, onehot / element_scale, Z / number_scale] under one Gaussian process.

    Args:
        config: Settings.
        data: Elements and sizes of the training set.

    Raises:
        ConfigError: A setting is unknown, or the feature scales are too large to be read back at t = 0.
    """

    solvers: ClassVar[Mapping[str, Solver]] = SOLVERS
    states_bonds: ClassVar[bool] = False
    accepts: ClassVar[frozenset[str]] = frozenset()
    default_solver: ClassVar[str] = "ancestral"
    default_spacing: ClassVar[float] = 1.0

    def __init__(self, config: EDMConfig, data: DataSummary) -> None:
        super().__init__()
        if config.loss not in ("simple", "variational"):
            raise ConfigError(f"model.loss is {config.loss!r}", hint="one of simple, variational")
        self.config, self.data = config, data
        try:
            schedule = make_schedule(config.schedule, precision=config.precision, num_steps=config.num_steps)
        except ValueError as error:
            raise ConfigError(f"model.schedule: {error}") from error
        self.process = GaussianProcess(schedule)
        self.num_classes = len(data.elements)
        self.num_features = self.num_classes + int(config.atomic_number)
        sigma_0 = float(schedule.sigma(torch.zeros(())))
        largest = max(config.element_scale, config.number_scale if config.atomic_number else 0.0)
        if 8.0 * sigma_0 > 1.0 / largest:
            raise ConfigError(f"a feature scale of {largest:g} cannot be read back from noise sigma_0 = {sigma_0:.4g}")
        network = EGNN(
            self.num_features + 1, config.hidden, config.layers, config.coordinate_range, config.normalisation
        )
        self.denoiser = NoiseDenoiser(network, self.process)
        self.elements: Tensor
        self.register_buffer("elements", torch.tensor(data.elements), persistent=False)

    def encode(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Clean latent and element classes of a batch.

        Returns:
            Latent ``(B, N, 3 + F)`` with centred positions, and classes ``(B, N)``, int64 (0 in padding).

        Raises:
            ConfigError: An element does not occur in the model's vocabulary.
        """
        matches = batch.elements.unsqueeze(-1) == self.elements
        if not torch.compiler.is_compiling() and bool((~matches.any(-1) & batch.mask).any()):
            unknown = sorted(set(batch.elements[batch.mask].tolist()) - set(self.data.elements))
            raise ConfigError(f"atomic numbers {unknown} are not in the model's vocabulary {list(self.data.elements)}")
        x = remove_mean(batch.positions, batch.mask) / self.config.position_scale
        features = [matches.to(x.dtype) / self.config.element_scale]
        if self.config.atomic_number:
            features.append(batch.elements.unsqueeze(-1).to(x.dtype) / self.config.number_scale)
        z = torch.cat([x, *features], dim=-1) * batch.mask.unsqueeze(-1)
        return z, matches.int().argmax(-1)

    def loss(self, batch: AtomBatch, noise: NoiseSource) -> dict[str, Tensor]:
        """Training loss and its parts, each averaged over the batch.

        Simple: 1/2 |eps - eps_hat|^2 / ((3 + F) N_max) for t > 0 and -log p(x, h | z_0) for t = 0, with t uniform on
        {0..T}, as the reference code trains. Variational: the same with weight (T + 1) (SNR(s)/SNR(t) - 1), and the
        prior's term.
        """
        z0, classes = self.encode(batch)
        T = self.config.num_steps
        step = (noise.uniform() * (T + 1)).floor().to(z0.device)
        t, is_zero = step / T, step == 0
        error, z_t = self._noise_error(z0, t, batch.mask, noise)
        squared = error.square().flatten(1).sum(1)
        at_zero = 0.5 * error[..., :3].square().flatten(1).sum(1)
        nll_features = -self._feature_log_prob(z_t, classes, batch)
        if self.config.loss == "simple":
            per_term = 1.0 / ((3 + self.num_features) * self.data.max_atoms)
            values = torch.where(is_zero, at_zero * per_term + nll_features, 0.5 * per_term * squared)
        else:
            weight = self.process.bound_weight(t, (t - 1.0 / T).clamp(min=0)).to(squared.dtype)
            reconstruction = self.process.reconstruction_nll(2 * at_zero, self._position_dimensions(batch))
            terms = torch.where(is_zero, reconstruction + nll_features, 0.5 * weight * squared)
            values = (T + 1) * terms + self.process.prior_kl(z0, self._dimensions(batch))
        per_feature = squared / ((3 + self.num_features) * batch.num_atoms)
        return {"loss": values.mean().to(z0.dtype), "noise_error": per_feature.mean().detach()}

    def nll(self, batch: AtomBatch, noise: NoiseSource) -> dict[str, Tensor]:
        """Unbiased estimate of the bound on -log p(x, h, N) in nats, each term of shape ``(B,)``, float64.

        One random t in {1..T} for the diffusion term and one draw at t = 0 for the reconstruction (two network calls).

        Returns:
            ``nll`` and its terms ``prior``, ``diffusion``, ``reconstruction``, ``size``, ``scale``.
        """
        z0, classes = self.encode(batch)
        T = self.config.num_steps
        t = ((noise.uniform() * T).floor() + 1).to(z0.device) / T
        error, _ = self._noise_error(z0, t, batch.mask, noise)
        squared = error.double().square().flatten(1).sum(1)
        diffusion = 0.5 * T * self.process.bound_weight(t, t - 1.0 / T) * squared
        error, z_0 = self._noise_error(z0, torch.zeros_like(t), batch.mask, noise)
        squared = error[..., :3].double().square().flatten(1).sum(1)
        dimensions = self._position_dimensions(batch)
        reconstruction = self.process.reconstruction_nll(squared, dimensions)
        reconstruction = reconstruction - self._feature_log_prob(z_0, classes, batch)
        terms = {
            "prior": self.process.prior_kl(z0, self._dimensions(batch)),
            "diffusion": diffusion,
            "reconstruction": reconstruction,
            "size": -self.data.size_log_prob(batch.num_atoms),
            "scale": dimensions * math.log(self.config.position_scale),
        }
        return {"nll": torch.stack(list(terms.values())).sum(0), **terms}

    def start(self, mask: Tensor, noise: NoiseSource) -> Tensor:
        """Draw z_1 from the prior, shape ``(B, N, 3 + F)``."""
        return self.centred_noise(mask, noise)

    def centred_noise(self, mask: Tensor, noise: NoiseSource) -> Tensor:
        """Standard normal noise in the zero-centre-of-mass subspace, zero in padding, shape ``(B, N, 3 + F)``."""
        return project(noise.normal(mask.shape[1], 3 + self.num_features).to(mask.device), mask)

    def finish(self, z_0: Tensor, mask: Tensor, noise: NoiseSource) -> AtomBatch:
        """Draw from p(x, h | z_0): positions from the last prediction, the element by the largest coordinate."""
        t = torch.zeros(1, device=z_0.device)
        estimate = self.process.denoised(z_0, self.denoiser(z_0, t.expand(len(z_0)), mask), t)
        spread = torch.exp(0.5 * self.process.schedule.gamma(t)).to(z_0.dtype)
        x = (estimate + spread * self.centred_noise(mask, noise))[..., :3] * self.config.position_scale
        return AtomBatch(mask=mask, elements=self.read_elements(z_0) * mask, positions=remove_mean(x, mask))

    @property
    def network(self) -> nn.Module:
        """What training may compile."""
        return self.denoiser.network

    @property
    def class_axes(self) -> dict[str, tuple[int, list[str]]]:
        """Weights that have an entry per class: the dimension, and what each entry is for."""
        labels = [f"elements {number}" for number in self.data.elements]
        labels += ["atomic number"] * self.config.atomic_number + ["time"]
        name = "denoiser.network"
        return {
            f"{name}.embed.weight": (1, labels),
            f"{name}.readout.weight": (0, labels),
            f"{name}.readout.bias": (0, labels),
        }

    @property
    def default_steps(self) -> int:
        """Steps of the sampler: T."""
        return self.config.num_steps

    def snapshot(self, z: Tensor, mask: Tensor) -> AtomBatch:
        """A latent as structures, for trajectories."""
        positions = z[..., :3] * self.config.position_scale
        return AtomBatch(mask=mask, elements=self.read_elements(z) * mask, positions=positions)

    def read_elements(self, z: Tensor) -> Tensor:
        """Atomic number of the largest one-hot coordinate, shape ``(B, N)``."""
        return self.elements[z[..., 3 : 3 + self.num_classes].argmax(-1)]

    def _noise_error(self, z0: Tensor, t: Tensor, mask: Tensor, noise: NoiseSource) -> tuple[Tensor, Tensor]:
        """True minus predicted noise at ``t``, and the latent it was predicted from."""
        epsilon = self.centred_noise(mask, noise)
        z_t = self.process.corrupt(z0, t, epsilon)
        return epsilon - self.denoiser(z_t, t, mask), z_t

    def _feature_log_prob(self, z_0: Tensor, classes: Tensor, batch: AtomBatch) -> Tensor:
        """log p(h | z_0) in nats, shape ``(B,)``."""
        sigma = self.process.schedule.sigma(torch.zeros((), device=z_0.device))
        latent = z_0[..., 3:].double()
        scale = self.config.element_scale
        per_atom = categorical_log_prob(latent[..., : self.num_classes] * scale, classes, sigma * scale)
        if self.config.atomic_number:
            scale = self.config.number_scale
            per_atom = per_atom + integer_log_prob(latent[..., -1] * scale, batch.elements, sigma * scale)
        return (per_atom * batch.mask).sum(1)

    def _position_dimensions(self, batch: AtomBatch) -> Tensor:
        return 3 * (batch.num_atoms - 1)

    def _dimensions(self, batch: AtomBatch) -> Tensor:
        return self._position_dimensions(batch) + self.num_features * batch.num_atoms
