"""BondFlow: flow matching on positions, elements, formal charges and bonds together, in few steps.

Positions move on straight lines (or Brownian bridges) from noise that was paired with the molecule by optimal
transport; elements, charges and bonds jump from their prior to the data (``CategoricalFlow``). One network predicts the
molecule at t = 0 from everything at t, and from its own earlier prediction (self-conditioning, Chen et al. 2023). Part
of the molecules are trained with a given formula or fragment, so that both can be asked for when sampling.

Related: EquiFM (Song et al. 2023), SemlaFlow (Irwin et al. 2024), FlowMol (Dunn & Koes 2024). Time here is 1 - theirs.
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
from molgen.geometry.transport import align_noise
from molgen.models import bondflow_sampling as sampling
from molgen.models.data_summary import DataSummary
from molgen.models.graph import Graph, GraphVocabulary
from molgen.models.known import Known
from molgen.models.self_conditioning import first_guess, seen_and_guessed
from molgen.networks.attention import EquivariantAttention
from molgen.networks.half_pairs import half_pairs
from molgen.networks.time_features import time_and_size
from molgen.processes.categorical_flow import CategoricalFlow
from molgen.processes.linear_flow import LinearFlow, time_from_uniform
from molgen.randomness import NoiseSource
from molgen.solvers.refinement import times_with_refinement

FIELDS = ("elements", "charges", "bonds")
TIME_FEATURES = 12


@dataclass
class BondFlowConfig:
    """Settings of BondFlow.

    Attributes:
        name: Name in the registry.
        hidden: Width of an atom's state.
        pair: Width of a pair's state.
        layers: Blocks of the network.
        heads: Attention heads.
        radial: Gaussians of a distance.
        expansion: Width of the feed-forward layers over ``hidden``.
        prior: Noise of elements, charges and bonds: ``marginal``, ``uniform`` or ``mask``.
        alignment: Pair noise and molecules by assignment and rotation.
        position_noise: Bridge noise sigma, in units of the positions' standard deviation.
        time_power: Training times have density (1 - t)^(time_power - 1): above 1, more lie near the data.
        largest_weight: Bound of the weight 1/reach^2 of the position error.
        position_loss: Weight of the squared error of the positions.
        element_loss: Weight of the elements' cross-entropy per atom.
        charge_loss: Weight of the charges' cross-entropy per atom.
        bond_loss: Weight of the bonds' cross-entropy, summed over pairs, per atom.
        self_conditioning: Share of training steps that see an earlier prediction.
        formulas: Share of training molecules whose elements are given.
        fragments: Share of training molecules of which a fragment is given.
        sample_steps: Steps of the sampler. This and the following may be changed after training.
        sample_spacing: Exponent of the sampler's times; above 1, more of them lie near the data.
        sample_refinement: Share of the steps that refine finished molecules, see ``molgen.solvers.refinement``.
        sample_refinement_time: Time that the network is told in the first of them.
        sample_position_noise: Bridge noise of the sampler.
        sample_category_noise: Rate of jumps back to the prior, which lets early choices be revised.
        sample_temperature: Of the classes' probabilities.
    """

    name: str = "bondflow"
    hidden: int = 256
    pair: int = 64
    layers: int = 8
    heads: int = 8
    radial: int = 16
    expansion: int = 3
    prior: str = "marginal"
    alignment: bool = True
    position_noise: float = 0.2
    time_power: float = 1.5
    largest_weight: float = 400.0
    position_loss: float = 1.0
    element_loss: float = 0.3
    charge_loss: float = 0.3
    bond_loss: float = 0.5
    self_conditioning: float = 0.5
    formulas: float = 0.1
    fragments: float = 0.1
    sample_steps: int = 50
    sample_spacing: float = 1.5
    sample_refinement: float = 0.4
    sample_refinement_time: float = 0.4
    sample_position_noise: float = 0.0
    sample_category_noise: float = 20.0
    sample_temperature: float = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """What the network says of the molecule at t = 0.

    Attributes:
        positions: Centred, shape ``(B, N, 3)``.
        logits: Of each field's classes: elements ``(B, N, K)``, charges ``(B, N, C)``, bonds of pairs i < j in row
            order ``(B, P, R)``.
    """

    positions: Tensor
    logits: Mapping[str, Tensor]


class BondFlow(nn.Module):
    """The model; see the module's text.

    Args:
        config: Settings.
        data: Elements, charges, bonds and sizes of the training set.

    Raises:
        ConfigError: The data set states no bonds, or a setting is wrong.
    """

    solvers: ClassVar[Mapping[str, Callable[..., Any]]] = {"bridge": sampling.solve}
    states_bonds: ClassVar[bool] = True
    accepts: ClassVar[frozenset[str]] = frozenset({"formula", "fragment"})
    default_solver: ClassVar[str] = "bridge"

    def __init__(self, config: BondFlowConfig, data: DataSummary) -> None:
        super().__init__()
        if config.hidden % config.heads:
            raise ConfigError(f"model.hidden {config.hidden} is not a multiple of model.heads {config.heads}")
        if config.formulas + config.fragments > 1:
            raise ConfigError("model.formulas and model.fragments are shares of one whole; together they exceed 1")
        self.config, self.data = config, data
        self.vocabulary = GraphVocabulary(data)
        self.flow = LinearFlow(config.position_noise)
        try:
            self.flows = {name: CategoricalFlow(config.prior, self.vocabulary.marginal(name)) for name in FIELDS}
        except ValueError as error:
            raise ConfigError(f"model.prior: {error}") from error
        elements, charges, bonds = (self.flows[name] for name in FIELDS)
        self.network = EquivariantAttention(
            atom_features=elements.states + elements.classes + charges.states + charges.classes + 2,
            pair_features=bonds.states + bonds.classes + 1,
            condition_features=TIME_FEATURES + 2,
            atom_outputs=elements.classes + charges.classes,
            pair_outputs=bonds.classes,
            hidden=config.hidden,
            pair=config.pair,
            layers=config.layers,
            heads=config.heads,
            radial=config.radial,
            expansion=config.expansion,
        )

    def predict(self, graph: Graph, t: Tensor, known: Known, before: Prediction | None = None) -> Prediction:
        """The molecule at t = 0.

        Args:
            graph: Everything at ``t``; classes may be the mask's.
            t: Times, shape ``(B,)``.
            known: What of the graph has no noise.
            before: An earlier prediction for the same molecules.
        """
        mask, x = graph.mask, remove_mean(graph.positions, graph.mask)
        pairs = half_pairs(mask.shape[1], mask.device)
        states = {"elements": graph.elements, "charges": graph.charges, "bonds": pairs.take(graph.bonds)}
        guesses = {} if before is None else before.logits
        features = {
            name: seen_and_guessed(flow, states[name], guesses.get(name), x.dtype) for name, flow in self.flows.items()
        }
        given = torch.stack([known.atoms, known.elements], dim=-1).to(x.dtype)
        displacement, atoms, bonds = self.network(
            x,
            torch.zeros_like(x) if before is None else before.positions,
            torch.cat([features["elements"], features["charges"], given], dim=-1),
            torch.cat([features["bonds"], pairs.take(known.pairs).unsqueeze(-1).to(x.dtype)], dim=-1),
            time_and_size(t.to(x.dtype), mask, self.data.max_atoms, TIME_FEATURES),
            self.flow.reach(t),
            mask,
        )
        elements, charges = atoms.split([self.flows["elements"].classes, self.flows["charges"].classes], dim=-1)
        return Prediction(positions=x + displacement, logits={"elements": elements, "charges": charges, "bonds": bonds})

    def corrupt(self, clean: Graph, known: Known, t: Tensor, noise: NoiseSource) -> Graph:
        """Draw everything at ``t``; what is known stays as it is.

        Args:
            clean: Molecules, placed so that the known atoms of a molecule that has some are centred.
            known: What is given.
            t: Times, shape ``(B,)``.
            noise: Random draws.
        """
        n, free = clean.mask.shape[1], clean.mask & ~known.atoms
        start = self.position_noise(known, clean.mask, noise)
        if self.config.alignment:
            kinds = torch.where(known.elements, clean.elements, -1)
            start = align_noise(start, clean.positions * free.unsqueeze(-1), free, kinds, ~known.atoms.any(1))
        bridge = noise.normal(n, 3).to(start.device) * free.unsqueeze(-1)
        changes = {"positions": self.flow.corrupt(clean.positions, start, t, bridge)}
        for name in FIELDS:
            draw = noise.uniform_pairs if name == "bonds" else noise.uniform_atoms
            keep, other = draw(n).to(start.device), draw(n).to(start.device)
            changes[name] = self.flows[name].corrupt(getattr(clean, name), t, keep, other)
        return known.keep(clean, clean.replace(**changes))

    def position_noise(self, known: Known, mask: Tensor, noise: NoiseSource) -> Tensor:
        """Prior draw of the positions that are not known, centred where nothing is known, shape ``(B, N, 3)``."""
        draw = noise.normal(mask.shape[1], 3).to(mask.device) * (mask & ~known.atoms).unsqueeze(-1)
        return torch.where(known.atoms.any(1)[:, None, None], draw, remove_mean(draw, mask))

    def loss(self, batch: AtomBatch, noise: NoiseSource) -> dict[str, Tensor]:
        """Weighted squared error of the positions and cross-entropies of the classes, averaged over the batch."""
        config, clean = self.config, self.vocabulary.encode(batch)
        t = time_from_uniform(noise.uniform().to(batch.device), config.time_power)
        uses_guess = noise.uniform_of_all() < config.self_conditioning
        known = Known.draw(clean, noise, config.formulas, config.fragments)
        clean = clean.replace(positions=known.place(clean.positions, torch.zeros_like(clean.positions), clean.mask))
        graph = self.corrupt(clean, known, t, noise)
        before = first_guess(lambda: self.predict(graph, t, known)) if uses_guess else None
        parts = self._errors(self.predict(graph, t, known, before), clean, known, t)
        total = (
            config.position_loss * parts["positions"]
            + config.element_loss * parts["elements"]
            + config.charge_loss * parts["charges"]
            + config.bond_loss * parts["bonds"]
        )
        return {"loss": total, **{f"{name}_loss": value.detach() for name, value in parts.items()}}

    def _errors(self, prediction: Prediction, clean: Graph, known: Known, t: Tensor) -> dict[str, Tensor]:
        """Each field's error over what is not known, per atom, averaged over the batch.

        Positions are compared in the frame in which the sampler uses them, that of the known atoms.
        """
        sizes = clean.mask.sum(1)
        pairs = half_pairs(clean.mask.shape[1], clean.mask.device)
        free = {
            "elements": clean.mask & ~known.elements,
            "charges": clean.mask & ~known.atoms,
            "bonds": pairs.take(clean.pairs & ~known.pairs),
        }
        wanted = {"elements": clean.elements, "charges": clean.charges, "bonds": pairs.take(clean.bonds)}
        placed = known.place(prediction.positions, clean.positions, clean.mask)
        squared = (placed - clean.positions).square().sum(-1) * free["charges"]
        weight = self.flow.reach(t).pow(-2).clamp(max=self.config.largest_weight).to(squared.dtype)
        parts = {"positions": (weight * squared.sum(1) / (3 * sizes)).mean()}
        for name in FIELDS:
            entropy = F.cross_entropy(prediction.logits[name].transpose(1, 2), wanted[name], reduction="none")
            parts[name] = ((entropy * free[name]).sum(1) / sizes).mean()
        return parts

    def start(self, mask: Tensor, noise: NoiseSource, given: tuple[Graph, Known] | None = None) -> sampling.FlowState:
        """Draw everything at t = 1; see :func:`molgen.models.bondflow_sampling.start`."""
        return sampling.start(self, mask, noise, given)

    def finish(self, state: sampling.FlowState, mask: Tensor, noise: NoiseSource) -> AtomBatch:
        """The molecules, with their bonds and charges."""
        return self.vocabulary.decode(state.graph)

    def snapshot(self, state: sampling.FlowState, mask: Tensor) -> AtomBatch:
        """Positions and elements on the way."""
        return sampling.snapshot(self, state)

    @property
    def class_axes(self) -> dict[str, tuple[int, list[str]]]:
        """Weights that have an entry per class: the dimension, and what each entry is for."""
        classes = {name: self.vocabulary.labels(name) for name in FIELDS}
        seen = {
            name: [*self.vocabulary.labels(name, self.flows[name].states), *(f"guess of {x}" for x in classes[name])]
            for name in FIELDS
        }
        distances = [f"distance {number}" for number in range(2 * self.config.radial)]
        atoms_in = [*seen["elements"], *seen["charges"], "known atom", "known element"]
        atoms_out = classes["elements"] + classes["charges"]
        return {
            "network.atom_embed.weight": (1, atoms_in),
            "network.pair_embed.weight": (1, [*seen["bonds"], "known pair", *distances]),
            **{f"network.atom_read.1.{part}": (0, atoms_out) for part in ("weight", "bias")},
            **{f"network.pair_read.2.{part}": (0, classes["bonds"]) for part in ("weight", "bias")},
        }

    def times(self, grid: Callable[[int], Tensor], steps: int) -> Tensor:
        """The solver's times, see :func:`molgen.solvers.refinement.times_with_refinement`."""
        return times_with_refinement(grid, steps, self.config.sample_refinement)

    @property
    def default_steps(self) -> int:
        """Steps of the sampler."""
        return self.config.sample_steps

    @property
    def default_spacing(self) -> float:
        """Exponent of the sampler's times."""
        return self.config.sample_spacing
