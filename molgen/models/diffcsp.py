"""DiffCSP: joint equivariant diffusion of fractional coordinates, lattice and, for generation, elements.

Jiao et al. 2023, "Crystal structure prediction by joint equivariant diffusion" (NeurIPS). Coordinates have a wrapped
normal that ends uniform on the torus; lattice rows, in angstrom, and one-hot elements have a Gaussian process with a
cosine schedule. The network is CSPNet; T = 1000.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molgen.batch import AtomBatch
from molgen.errors import ConfigError
from molgen.models import diffcsp_sampling as sampling
from molgen.models.crystal import Crystal, CrystalVocabulary
from molgen.models.data_summary import DataSummary
from molgen.models.known import Known
from molgen.networks.cspnet import CSPNet, CSPOutput
from molgen.processes.gaussian import GaussianProcess
from molgen.processes.schedule import ClippedCosineSchedule
from molgen.processes.wrapped_normal import WrappedNormal
from molgen.randomness import NoiseSource

_SLOWEST = 10_000.0
"""Time steps per radian of the slowest wave of the time's features."""


@dataclass
class DiffCSPConfig:
    """Settings of DiffCSP; the defaults are those of the published models for prediction.

    Attributes:
        name: Name in the registry.
        hidden: Width of CSPNet.
        layers: Its layers.
        frequencies: Waves per axis of its features of differences.
        time_features: Sines and cosines of the time, an even number.
        num_steps: T, the grid of training times.
        formulas: Share of training crystals whose elements are given. 1: the model predicts structures of given
            compositions; 0: it generates elements too, as the paper's second model; between: it does both.
        fractional_loss: Weight of the squared error of the scaled score per coordinate.
        lattice_loss: Weight of the squared noise error per entry of the lattice.
        element_loss: Weight of the squared noise error per class of an atom.
        sample_step_lr: Size of the corrector's steps at the smallest noise; they grow with the noise's variance.
    """

    name: str = "diffcsp"
    hidden: int = 512
    layers: int = 6
    frequencies: int = 128
    time_features: int = 256
    num_steps: int = 1000
    formulas: float = 1.0
    fractional_loss: float = 1.0
    lattice_loss: float = 1.0
    element_loss: float = 20.0
    sample_step_lr: float = 1e-5


class DiffCSP(nn.Module):
    """The model; see the module's text.

    Args:
        config: Settings.
        data: Elements and sizes of the training set.

    Raises:
        ConfigError: The data set holds molecules, or a setting is wrong.
    """

    solvers: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "predictor_corrector": sampling.predictor_corrector,
        "predictor": sampling.predictor,
    }
    states_bonds: ClassVar[bool] = False
    accepts: frozenset[str] = frozenset({"formula", "chemical system"})
    default_solver: ClassVar[str] = "predictor_corrector"
    default_spacing: ClassVar[float] = 1.0

    def __init__(self, config: DiffCSPConfig, data: DataSummary) -> None:
        super().__init__()
        if config.time_features % 2 or config.time_features < 4:
            raise ConfigError(f"model.time_features is {config.time_features}; it must be even and at least 4")
        self.config, self.data = config, data
        self.vocabulary = CrystalVocabulary(data)
        self.gaussian = GaussianProcess(ClippedCosineSchedule(config.num_steps))
        self.coordinates = WrappedNormal(num_steps=config.num_steps)
        classes = len(data.elements)
        if config.formulas in (0.0, 1.0):
            self.accepts = frozenset({"formula"} if config.formulas else {"chemical system"})
        self.network = CSPNet(
            atom_features=classes + self.does_both,
            condition_features=config.time_features,
            atom_outputs=classes if config.formulas < 1.0 else 0,
            hidden=config.hidden,
            layers=config.layers,
            frequencies=config.frequencies,
        )

    @property
    def does_both(self) -> bool:
        """Whether elements may be known or not, so that the network must be told."""
        return 0.0 < self.config.formulas < 1.0

    def predict(self, state: sampling.State, t: Tensor) -> CSPOutput:
        """Noise of the lattice and the types, and the score of the coordinates over its root mean square.

        Args:
            state: Everything at ``t``.
            t: Times, shape ``(B,)`` or ``(1,)``.
        """
        features = state.types
        if self.does_both:
            features = torch.cat([features, state.known.elements.unsqueeze(-1).to(features.dtype)], dim=-1)
        condition = self.time_features(t).to(features.dtype).expand(len(state.mask), -1)
        output: CSPOutput = self.network(features, state.fractional, state.lattice, condition, state.mask)
        return output

    def time_features(self, t: Tensor) -> Tensor:
        """Sines and cosines of the number of the step (Vaswani et al. 2017), ``(B,)`` to ``(B, time_features)``."""
        half = self.config.time_features // 2
        rates = torch.arange(half, device=t.device, dtype=torch.float64) * (-math.log(_SLOWEST) / (half - 1))
        angles = (t.double() * self.config.num_steps).unsqueeze(-1) * rates.exp()
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def one_hot(self, crystal: Crystal) -> Tensor:
        """Types without noise, zero in padding, shape ``(B, N, K)``."""
        real = crystal.mask.unsqueeze(-1)
        return F.one_hot(crystal.elements, len(self.data.elements)).to(crystal.fractional.dtype) * real

    def corrupt(self, clean: Crystal, known: Known, t: Tensor, noise: NoiseSource) -> tuple[sampling.State, CSPOutput]:
        """Draw everything at ``t``, shape ``(B,)``.

        Returns:
            The state, and what the network should say of it.
        """
        mask, real = clean.mask, clean.mask.unsqueeze(-1)
        draw = noise.normal(mask.shape[1], 3).to(mask.device) * real
        cell = self.normal_lattice(noise).to(mask.device)
        types, one_hot = self.normal_types(mask, noise), self.one_hot(clean)
        noisy = self.gaussian.corrupt(one_hot, t, types)
        state = sampling.State(
            mask=mask,
            fractional=self.coordinates.corrupt(clean.fractional, t, draw) * real,
            lattice=self.gaussian.corrupt(clean.lattice, t, cell),
            types=torch.where(known.elements.unsqueeze(-1), one_hot, noisy),
            known=known,
        )
        return state, CSPOutput(cell, self.coordinates.target(t, draw), types)

    def loss(self, batch: AtomBatch, noise: NoiseSource) -> dict[str, Tensor]:
        """Weighted squared errors, means over the entries of the batch; t uniform on {1..T} / T."""
        clean, config = self.vocabulary.encode(batch), self.config
        t = ((noise.uniform() * config.num_steps).floor() + 1).to(batch.device) / config.num_steps
        given = (noise.uniform() < config.formulas).to(batch.device).unsqueeze(1)
        known = Known.formula(clean.mask & given)
        state, target = self.corrupt(clean, known, t, noise)
        prediction = self.predict(state, t)
        squared = (prediction.fractional - target.fractional).square()
        parts = {
            "fractional": squared.sum() / (3 * clean.mask.sum()),
            "lattice": (prediction.lattice - target.lattice).square().mean(),
        }
        total = config.fractional_loss * parts["fractional"] + config.lattice_loss * parts["lattice"]
        if config.formulas < 1.0:
            free = clean.mask & ~known.elements
            squared = (prediction.atoms - target.atoms).square() * free.unsqueeze(-1)
            parts["element"] = squared.sum() / (squared.shape[-1] * free.sum().clamp(min=1))
            total = total + config.element_loss * parts["element"]
        return {"loss": total, **{f"{name}_loss": value.detach() for name, value in parts.items()}}

    def start(self, mask: Tensor, noise: NoiseSource, given: tuple[Crystal, Known] | None = None) -> sampling.State:
        """Draw everything at t = 1; see :func:`molgen.models.diffcsp_sampling.start`."""
        return sampling.start(self, mask, noise, given)

    def finish(self, state: sampling.State, mask: Tensor, noise: NoiseSource) -> AtomBatch:
        """The crystals in right-handed cells; the network does not see handedness, so half the draws have the other."""
        return self.vocabulary.decode(state.crystal())

    def snapshot(self, state: sampling.State, mask: Tensor) -> AtomBatch:
        """The crystals on the way, for trajectories."""
        return self.vocabulary.decode(state.crystal())

    def normal_lattice(self, noise: NoiseSource) -> Tensor:
        """Standard normal rows, shape ``(B, 3, 3)``, on the device of the draws."""
        return noise.normal_structures(9).view(-1, 3, 3)

    def normal_types(self, mask: Tensor, noise: NoiseSource) -> Tensor:
        """Standard normal types, zero in padding, shape ``(B, N, K)``."""
        return noise.normal(mask.shape[1], len(self.data.elements)).to(mask.device) * mask.unsqueeze(-1)

    @property
    def class_axes(self) -> dict[str, tuple[int, list[str]]]:
        """Weights that have an entry per class: the dimension, and what each entry is for."""
        labels = self.vocabulary.labels()
        axes = {"network.atom_embed.weight": (1, [*labels, *["known element"] * self.does_both])}
        if self.config.formulas < 1.0:
            axes |= {f"network.atom_read.{part}": (0, labels) for part in ("weight", "bias")}
        return axes

    @property
    def default_steps(self) -> int:
        """Steps of the sampler: T."""
        return self.config.num_steps
