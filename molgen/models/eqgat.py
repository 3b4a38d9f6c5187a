"""EQGAT-diff: Gaussian diffusion of positions, categorical diffusion of elements, formal charges and bonds.

Le et al. 2024, "Navigating the design space of equivariant diffusion-based generative models for de novo 3D molecule
generation" (ICLR), after MiDi (Vignac et al. 2023). The network predicts the clean molecule; T = 500.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molgen.batch import AtomBatch
from molgen.errors import ConfigError
from molgen.geometry.centering import remove_mean
from molgen.models import eqgat_sampling as sampling
from molgen.models.atom_features import CLASSES, aromatic, hybridisation, in_ring
from molgen.models.data_summary import DataSummary
from molgen.models.graph import GraphVocabulary
from molgen.networks.eqgat import EQGAT
from molgen.processes.categorical import CategoricalProcess
from molgen.processes.gaussian import GaussianProcess
from molgen.processes.schedule import AdaptiveCosineSchedule
from molgen.randomness import NoiseSource
from molgen.structure import AROMATIC

CONDITIONS = 4
"""Inputs of a structure as a whole: time, noise of the positions, size and its square."""


@dataclass
class EQGATConfig:
    """Settings of EQGAT-diff; the defaults are those of the published QM9 model.

    Attributes:
        name: Name in the registry.
        hidden: Scalars per atom.
        vectors: Vector channels per atom.
        edges: Features per pair.
        pair_hidden: Width of the pair network.
        layers: Layers of the network.
        num_steps: T, the grid of training times.
        prior: Noise of the classes: ``marginal``, ``uniform`` or ``mask``.
        position_exponent: nu of the positions' schedule; a larger one keeps a field longer.
        element_exponent: nu of the elements' schedule, and of the extra features'.
        charge_exponent: nu of the charges' schedule.
        bond_exponent: nu of the bonds' schedule.
        position_loss: Weight of the squared error per coordinate.
        element_loss: Weight of the elements' loss per atom.
        charge_loss: Weight of the charges' loss per atom.
        bond_loss: Weight of the bonds' loss per pair.
        feature_loss: Weight of each extra feature's loss per atom.
        smallest_weight: Lower bound of the weight of a time, alpha / (1 - alpha) of the positions.
        largest_weight: Upper bound of it.
        class_loss: ``cross_entropy``, or ``hybrid``: the variational bound plus ``hybrid_weight`` cross-entropy.
        hybrid_weight: lambda of Austin et al. 2021, equation 5.
        extra_features: Diffuse ring membership, hybridisation and, where the data state it, aromaticity too.
    """

    name: str = "eqgat"
    hidden: int = 256
    vectors: int = 256
    edges: int = 128
    pair_hidden: int = 256
    layers: int = 12
    num_steps: int = 500
    prior: str = "marginal"
    position_exponent: float = 2.5
    element_exponent: float = 1.0
    charge_exponent: float = 1.0
    bond_exponent: float = 1.5
    position_loss: float = 3.0
    element_loss: float = 0.4
    charge_loss: float = 1.0
    bond_loss: float = 2.0
    feature_loss: float = 0.4
    smallest_weight: float = 0.05
    largest_weight: float = 1.5
    class_loss: str = "cross_entropy"
    hybrid_weight: float = 0.01
    extra_features: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """What the network says of the clean molecule.

    Attributes:
        positions: Centred, shape ``(B, N, 3)``.
        logits: By field: atoms ``(B, N, K)``, bonds ``(B, N, N, R)``, symmetric.
    """

    positions: Tensor
    logits: Mapping[str, Tensor]


class EQGATDiffusion(nn.Module):
    """The model; see the module's text.

    Args:
        config: Settings.
        data: Elements, charges, bonds and sizes of the training set.

    Raises:
        ConfigError: The data set states no bonds, or a setting is wrong.
    """

    solvers: ClassVar[Mapping[str, Callable[..., Any]]] = {"ancestral": sampling.ancestral}
    states_bonds: ClassVar[bool] = True
    accepts: ClassVar[frozenset[str]] = frozenset()
    default_solver: ClassVar[str] = "ancestral"
    default_spacing: ClassVar[float] = 1.0

    def __init__(self, config: EQGATConfig, data: DataSummary) -> None:
        super().__init__()
        if config.class_loss not in ("cross_entropy", "hybrid"):
            raise ConfigError(f"model.class_loss is {config.class_loss!r}", hint="one of cross_entropy, hybrid")
        if config.smallest_weight > config.largest_weight:
            raise ConfigError("model.smallest_weight is above model.largest_weight")
        self.config, self.data = config, data
        self.vocabulary = GraphVocabulary(data)
        self.positions = GaussianProcess(self._schedule(config.position_exponent))
        try:
            self.classes = self._processes()
        except ValueError as error:
            raise ConfigError(f"model.prior: {error}") from error
        self.weights = {"elements": config.element_loss, "charges": config.charge_loss, "bonds": config.bond_loss}
        atoms = [self.classes[name] for name in self.atom_fields]
        self.network = EQGAT(
            atom_features=sum(process.states for process in atoms),
            pair_features=self.classes["bonds"].states,
            condition_features=CONDITIONS,
            atom_outputs=sum(process.classes for process in atoms),
            pair_outputs=self.classes["bonds"].classes,
            hidden=config.hidden,
            vectors=config.vectors,
            edges=config.edges,
            pair_hidden=config.pair_hidden,
            layers=config.layers,
        )

    @property
    def extra(self) -> tuple[str, ...]:
        """Names of the extra features that are diffused."""
        if not self.config.extra_features:
            return ()
        return tuple(name for name in CLASSES if name != "aromatic" or AROMATIC in self.data.bond_orders)

    @property
    def atom_fields(self) -> tuple[str, ...]:
        """Names of the categorical fields of atoms."""
        return ("elements", "charges", *self.extra)

    @property
    def class_axes(self) -> dict[str, tuple[int, list[str]]]:
        """Weights that have an entry per class: the dimension, and what each entry is for."""
        atoms_in = [label for name in self.atom_fields for label in self._labels(name, self.classes[name].states)]
        atoms_out = [label for name in self.atom_fields for label in self._labels(name, self.classes[name].classes)]
        process = self.classes["bonds"]
        bonds_in, bonds_out = (self._labels("bonds", count) for count in (process.states, process.classes))
        return {
            "network.atom_embed.weight": (1, atoms_in),
            "network.pair_embed.weight": (1, bonds_in),
            **{f"network.atom_read.{part}": (0, atoms_out) for part in ("weight", "bias")},
            **{f"network.pair_read.{part}": (0, bonds_out) for part in ("weight", "bias")},
        }

    @property
    def default_steps(self) -> int:
        """Steps of the sampler: T."""
        return self.config.num_steps

    def encode(self, batch: AtomBatch) -> sampling.State:
        """A batch as classes, extra features included.

        Raises:
            ConfigError: See :meth:`GraphVocabulary.encode`.
        """
        graph = self.vocabulary.encode(batch)
        if not self.extra or batch.charges is None or batch.bonds is None:
            return sampling.State(graph=graph, features={})
        features = {
            "ring": in_ring(batch.bonds),
            "hybridisation": hybridisation(batch.elements, batch.charges, batch.bonds),
            "aromatic": aromatic(batch.bonds),
        }
        return sampling.State(graph=graph, features={name: features[name] for name in self.extra})

    def corrupt(self, clean: sampling.State, t: Tensor, noise: NoiseSource) -> sampling.State:
        """Draw everything at the times ``t``, shape ``(B,)``."""
        graph, n = clean.graph, clean.graph.mask.shape[1]
        positions = self.positions.corrupt(graph.positions, t, self.centred_noise(graph.mask, noise))
        drawn = {
            name: process.corrupt(clean[name], t, self.uniform(name, n, noise).to(t.device))
            for name, process in self.classes.items()
        }
        return clean.replaced(positions, drawn)

    def predict(self, state: sampling.State, t: Tensor) -> Prediction:
        """The clean molecule as the network sees it from ``state`` at times ``t``, shape ``(B,)``."""
        graph = state.graph
        dtype = graph.positions.dtype
        one_hots = {name: F.one_hot(state[name], p.states).to(dtype) for name, p in self.classes.items()}
        spread = self.positions.schedule.sigma(t).to(dtype).unsqueeze(-1)
        size = graph.mask.sum(1, keepdim=True).to(dtype) / self.data.max_atoms
        atoms, displacement, bonds = self.network(
            torch.cat([one_hots[name] for name in self.atom_fields], dim=-1),
            graph.positions,
            one_hots["bonds"],
            torch.cat([t.to(dtype).unsqueeze(-1), spread, size, size.square()], dim=-1),
            graph.mask,
        )
        parts = atoms.split([self.classes[name].classes for name in self.atom_fields], dim=-1)
        logits = dict(zip(self.atom_fields, parts, strict=True))
        return Prediction(positions=graph.positions + displacement, logits={**logits, "bonds": bonds})

    def loss(self, batch: AtomBatch, noise: NoiseSource) -> dict[str, Tensor]:
        """Training loss and its parts, averaged over the batch, t uniform on {1..T} / T."""
        clean, steps = self.encode(batch), self.config.num_steps
        step = (noise.uniform() * steps).floor().to(batch.device) + 1
        t, s = step / steps, (step - 1) / steps
        state = self.corrupt(clean, t, noise)
        prediction = self.predict(state, t)
        weight = self.time_weight(t).to(prediction.positions.dtype)
        graph, sizes = clean.graph, clean.graph.mask.sum(1)
        squared = (prediction.positions - graph.positions).square().sum((1, 2)) / (3 * sizes)
        parts = {"positions": (weight * squared).mean()}
        for name, process in self.classes.items():
            there = graph.pairs if name == "bonds" else graph.mask
            entropy = _cross_entropy(prediction.logits[name], clean[name])
            mean = (entropy * there).flatten(1).sum(1) / there.flatten(1).sum(1).clamp(min=1)
            if self.config.class_loss == "hybrid":
                term = process.bound_term(state[name], clean[name], prediction.logits[name], t, s)
                bound = steps * (term * there).flatten(1).sum(1) / there.flatten(1).sum(1).clamp(min=1)
                parts[name] = (bound + self.config.hybrid_weight * mean).mean()
            else:
                parts[name] = (weight * mean).mean()
        total = self.config.position_loss * parts["positions"]
        for name in self.classes:
            total = total + self.weights.get(name, self.config.feature_loss) * parts[name]
        return {"loss": total, **{f"{name}_loss": value.detach() for name, value in parts.items()}}

    def time_weight(self, t: Tensor) -> Tensor:
        """alpha / (1 - alpha) of the positions, bounded on both sides (Le et al. 2024, section 3.2), shape ``(B,)``."""
        schedule = self.positions.schedule
        ratio = schedule.alpha(t) / schedule.lost(t).clamp(min=1e-30)
        return ratio.clamp(self.config.smallest_weight, self.config.largest_weight)

    def start(self, mask: Tensor, noise: NoiseSource) -> sampling.State:
        """Draw everything at t = 1."""
        return sampling.start(self, mask, noise)

    def finish(self, state: sampling.State, mask: Tensor, noise: NoiseSource) -> AtomBatch:
        """The molecules, with their bonds and charges."""
        return self.vocabulary.decode(state.graph)

    def snapshot(self, state: sampling.State, mask: Tensor) -> AtomBatch:
        """Positions and elements on the way, for trajectories; a masked element shows as the commonest one."""
        graph, elements = state.graph, self.classes["elements"]
        commonest = self.vocabulary.marginal("elements").argmax()
        shown = torch.where(graph.elements < elements.classes, graph.elements, commonest.to(graph.elements.device))
        zero = torch.zeros_like(graph.elements)
        bare = graph.replace(elements=shown, charges=zero, bonds=torch.zeros_like(graph.bonds))
        return self.vocabulary.decode(bare).replace(charges=None, bonds=None)

    def centred_noise(self, mask: Tensor, noise: NoiseSource) -> Tensor:
        """Standard normal draws with zero mean over each structure's atoms, shape ``(B, N, 3)``."""
        return remove_mean(noise.normal(mask.shape[1], 3).to(mask.device), mask)

    def uniform(self, name: str, atoms: int, noise: NoiseSource) -> Tensor:
        """Uniform draws for a categorical field, ``(B, N)`` or symmetric ``(B, N, N)``."""
        return noise.uniform_pairs(atoms) if name == "bonds" else noise.uniform_atoms(atoms)

    def _labels(self, name: str, count: int) -> list[str]:
        if name in CLASSES:
            return [f"{name} {number if number < CLASSES[name] else 'mask'}" for number in range(count)]
        return self.vocabulary.labels(name, count)

    def _schedule(self, exponent: float) -> AdaptiveCosineSchedule:
        return AdaptiveCosineSchedule(exponent, num_steps=self.config.num_steps)

    def _processes(self) -> dict[str, CategoricalProcess]:
        """The process of each categorical field; the data's share of the extra features is not known, so it is even."""
        config = self.config
        exponents = {"elements": config.element_exponent, "charges": config.charge_exponent}
        exponents["bonds"] = config.bond_exponent
        processes = {
            name: CategoricalProcess(self._schedule(exponent), config.prior, self.vocabulary.marginal(name))
            for name, exponent in exponents.items()
        }
        for name in self.extra:
            schedule, even = self._schedule(config.element_exponent), torch.ones(CLASSES[name])
            processes[name] = CategoricalProcess(schedule, config.prior, even)
        return processes


def _cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """-log p(class) in nats, shape of ``classes``."""
    return F.cross_entropy(logits.flatten(0, -2), classes.flatten(), reduction="none").view(classes.shape)
