"""CrystalFlow: flow matching on fractional coordinates, lattice and elements of crystals, in few steps.

Coordinates move on geodesics of the torus from uniform noise that was paired with the crystal by assignment; the
lattice, as six standardised numbers, on straight lines from a normal prior fitted to the data; elements jump from their
prior to the data. Of a share of the crystals the elements are given, so one model predicts structures of a composition
and generates new crystals. One network predicts the crystal at t = 0, also from its own earlier prediction.

Related: FlowMM (Miller et al. 2024), CrystalFlow (Luo et al. 2024), OMatG (Hoellmer et al. 2025). Time is 1 - theirs.
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
from molgen.geometry.lattice import from_symmetric_log, symmetric_log
from molgen.geometry.periodic import wrap
from molgen.models import crystalflow_sampling as sampling
from molgen.models.crystal import Crystal, CrystalVocabulary
from molgen.models.crystal_symmetry import ATOM_MARKS, CELL_MARKS, forget_marks, restricted, symmetry_marks
from molgen.models.crystalflow_training import noised
from molgen.models.data_summary import DataSummary
from molgen.models.known import Known
from molgen.models.self_conditioning import first_guess, seen_and_guessed
from molgen.networks.crystal_attention import CrystalAttention
from molgen.networks.time_features import time_and_size
from molgen.processes.categorical_flow import CategoricalFlow
from molgen.processes.lattice_prior import LatticePrior
from molgen.processes.linear_flow import LinearFlow
from molgen.processes.torus_flow import TorusFlow
from molgen.randomness import NoiseSource
from molgen.solvers.refinement import times_with_refinement

TIME_FEATURES = 12
_UNIFORM_VARIANCE = 1.0 / 12.0
"""Of a fractional coordinate's way to uniform noise."""


@dataclass
class CrystalFlowConfig:
    """Settings of CrystalFlow.

    Attributes:
        name: Name in the registry.
        hidden: Width of an atom's state.
        pair: Width of a pair's state.
        layers: Blocks of the network.
        heads: Attention heads.
        bumps: Basis functions of a distance.
        expansion: Width of the feed-forward layers over ``hidden``.
        prior: Noise of the elements: ``marginal``, ``uniform`` or ``mask``.
        alignment: Pair noise and atoms of the same element by assignment on the torus, and drawn orbits and those of a
            crystal that keeps to its space group.
        time_power: Training times have density (1 - t)^(time_power - 1): above 1, more lie near the data.
        largest_weight: Bound of the weight 1/t^2 of the squared errors.
        position_loss: Weight of the coordinates' squared error, relative to uniform noise.
        lattice_loss: Weight of the lattice's squared error, in standard deviations.
        element_loss: Weight of the elements' cross-entropy per atom.
        self_conditioning: Share of training steps that see an earlier prediction.
        formulas: Of the training crystals that keep to no space group the share whose elements are given.
        symmetric: Share of training crystals that keep to their space group and orbits, which are given with the
            elements. At 0 the network is not told of any, and a gene's symmetry is made in sampling alone.
        cells: Share of those whose lattice is given, too, more or less exactly.
        sample_steps: Steps of the sampler. This and the following may be changed after training.
        sample_spacing: Exponent of the sampler's times; above 1, more of them lie near the data.
        sample_refinement: Share of the steps that refine finished crystals, see ``molgen.solvers.refinement``.
        sample_refinement_time: Time that the network is told in the first of them.
        sample_annealing: Growth of the coordinates' velocity towards the data.
        sample_position_noise: Bridge noise of the coordinates, in periods.
        sample_category_noise: Rate of jumps of elements back to the prior.
        sample_template_time: Time that the network is told in the first step that refines a template.
        sample_symmetric_draws: Draws of a gene's free parameters; the one with atoms furthest apart begins.
        sample_symmetric_tries: Times that the crystal of a gene is made at most until no atoms are on each other.
        sample_temperature: Of the elements' probabilities.
    """

    name: str = "crystalflow"
    hidden: int = 256
    pair: int = 64
    layers: int = 8
    heads: int = 8
    bumps: int = 12
    expansion: int = 3
    prior: str = "marginal"
    alignment: bool = True
    time_power: float = 1.0
    largest_weight: float = 400.0
    position_loss: float = 1.0
    lattice_loss: float = 0.3
    element_loss: float = 0.3
    self_conditioning: float = 0.5
    formulas: float = 0.7
    symmetric: float = 0.0
    cells: float = 0.3
    sample_steps: int = 50
    sample_spacing: float = 1.0
    sample_refinement: float = 0.0
    sample_refinement_time: float = 0.2
    sample_annealing: float = 10.0
    sample_position_noise: float = 0.0
    sample_category_noise: float = 0.0
    sample_template_time: float = 0.05
    sample_symmetric_draws: int = 32
    sample_symmetric_tries: int = 8
    sample_temperature: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class CrystalPrediction:
    """What the network says of the crystal at t = 0.

    Attributes:
        displacement: From the coordinates at t to those at 0, without drift, shape ``(B, N, 3)``.
        fractional: The coordinates at 0, wrapped, shape ``(B, N, 3)``.
        cell: Standardised numbers of the lattice, shape ``(B, 6)``.
        logits: Of the elements, shape ``(B, N, K)``.
    """

    displacement: Tensor
    fractional: Tensor
    cell: Tensor
    logits: Tensor


class CrystalFlow(nn.Module):
    """The model; see the module's text.

    Args:
        config: Settings.
        data: Elements, sizes and lattices of the training set.

    Raises:
        ConfigError: The data set holds molecules, or a setting is wrong.
    """

    solvers: ClassVar[Mapping[str, Callable[..., Any]]] = {"flow": sampling.solve}
    states_bonds: ClassVar[bool] = False
    accepts: ClassVar[frozenset[str]] = frozenset({"formula", "chemical system", "templates", "genes"})
    gene_steps: ClassVar[int] = 10
    """Steps where genes are given, if no number is: more find no more (docs/results.md), as few parameters are free."""
    default_solver: ClassVar[str] = "flow"

    def __init__(self, config: CrystalFlowConfig, data: DataSummary) -> None:
        super().__init__()
        if config.hidden % config.heads:
            raise ConfigError(f"model.hidden {config.hidden} is not a multiple of model.heads {config.heads}")
        self.config, self.data = config, data
        self.vocabulary = CrystalVocabulary(data)
        self.torus, self.lattice_flow = TorusFlow(), LinearFlow()
        self.lattices = LatticePrior(data.lattice_mean, data.lattice_std)
        try:
            self.elements = CategoricalFlow(config.prior, self.vocabulary.marginal())
        except ValueError as error:
            raise ConfigError(f"model.prior: {error}") from error
        told = (len(ATOM_MARKS), len(CELL_MARKS)) if config.symmetric > 0 else (0, 0)
        self.network = CrystalAttention(
            self.lattices,
            atom_features=self.elements.states + self.elements.classes + 1 + told[0],
            condition_features=TIME_FEATURES + 2 + told[1],
            atom_outputs=self.elements.classes,
            hidden=config.hidden,
            pair=config.pair,
            layers=config.layers,
            heads=config.heads,
            bumps=config.bumps,
            expansion=config.expansion,
        )
        if config.symmetric > 0:
            forget_marks(self)

    @property
    def sees_symmetry(self) -> bool:
        """Whether it is trained on crystals that keep to their space groups: batches then state them."""
        return self.config.symmetric > 0

    def predict(
        self, state: sampling.CellState, t: Tensor, known: Known, before: CrystalPrediction | None = None
    ) -> CrystalPrediction:
        """The crystal at t = 0.

        Args:
            state: Everything at ``t``; classes may be the mask's.
            t: Times, shape ``(B,)``.
            known: Whose elements are given.
            before: An earlier prediction for the same crystals.
        """
        mask, x, cell = state.mask, state.fractional, state.cell
        seen = seen_and_guessed(self.elements, state.elements, None if before is None else before.logits, x.dtype)
        time = t.to(x.dtype)
        atoms = torch.cat([seen, known.elements.unsqueeze(-1).to(x.dtype)], dim=-1)
        whole = time_and_size(time, mask, self.data.max_atoms, TIME_FEATURES)
        if self.sees_symmetry:
            of_atoms, of_cells = symmetry_marks(known, mask, x.dtype)
            atoms, whole = torch.cat([atoms, of_atoms], dim=-1), torch.cat([whole, of_cells], dim=-1)
        moved, corrected, logits = self.network(
            x,
            cell,
            (x, cell) if before is None else (before.fractional, before.cell),
            atoms,
            whole,
            time,
            mask,
        )
        spread = ((1.0 - time).square() + time.square()).unsqueeze(-1)
        return CrystalPrediction(
            displacement=moved,
            fractional=wrap(x + moved) * mask.unsqueeze(-1),
            cell=cell * (1.0 - time).unsqueeze(-1) / spread + corrected * time.unsqueeze(-1) / spread.sqrt(),
            logits=logits,
        )

    def encode(self, batch: AtomBatch) -> sampling.CellState:
        """A batch as the model's state at t = 0."""
        crystal = self.vocabulary.encode(batch)
        cell = self.lattices.standardise(symmetric_log(crystal.lattice), crystal.mask.sum(1))
        return sampling.CellState(
            mask=crystal.mask, fractional=crystal.fractional, cell=cell, elements=crystal.elements
        )

    def loss(self, batch: AtomBatch, noise: NoiseSource) -> dict[str, Tensor]:
        """Weighted squared errors of coordinates and lattice and cross-entropy of the elements, batch means."""
        config, clean = self.config, self.encode(batch)
        uses_guess = noise.uniform_of_all() < config.self_conditioning
        task = noised(self, clean, batch.symmetry if self.sees_symmetry else None, noise)
        state, known, t, mask = task.state, task.known, task.t, clean.mask

        def guessed() -> CrystalPrediction:
            return restricted(self, state, known, state.cell, self.predict(state, t, known))

        prediction = self.predict(state, t, known, first_guess(guessed) if uses_guess else None)
        displacement = prediction.displacement
        if known.symmetry is not None:
            displacement = known.symmetry.symmetrise(displacement)
        weight = t.clamp(min=1e-6).pow(-2).clamp(max=config.largest_weight).to(displacement.dtype)
        sizes = mask.sum(1)
        squared = ((displacement - task.target) * mask.unsqueeze(-1)).square().sum((1, 2))
        entropy = F.cross_entropy(prediction.logits.transpose(1, 2), clean.elements, reduction="none")
        flows = torch.ones_like(mask[:, 0]) if known.cells is None else ~known.cells
        parts = {
            "positions": (weight * squared / (3 * sizes)).mean() / _UNIFORM_VARIANCE,
            "lattice": (weight * flows * (prediction.cell - clean.cell).square().mean(1)).mean(),
            "elements": ((entropy * (mask & ~known.elements)).sum(1) / sizes).mean(),
        }
        total = (
            config.position_loss * parts["positions"]
            + config.lattice_loss * parts["lattice"]
            + config.element_loss * parts["elements"]
        )
        return {"loss": total, **{f"{name}_loss": value.detach() for name, value in parts.items()}}

    def start(
        self, mask: Tensor, noise: NoiseSource, given: tuple[Crystal, Known] | None = None
    ) -> sampling.FlowingCrystal:
        """Draw everything at t = 1; see :func:`molgen.models.crystalflow_sampling.start`."""
        return sampling.start(self, mask, noise, given)

    def finish(self, state: sampling.FlowingCrystal, mask: Tensor, noise: NoiseSource) -> AtomBatch:
        """The crystals, in right-handed cells."""
        return self._decode(state.crystal, state.crystal.elements)

    def snapshot(self, state: sampling.FlowingCrystal, mask: Tensor) -> AtomBatch:
        """Coordinates, cell and likeliest elements on the way."""
        return self._decode(state.crystal, sampling.likeliest(self, state))

    def lattice_of(self, state: sampling.CellState) -> Tensor:
        """Lattices in angstrom of crystals in the model's own numbers, shape ``(B, 3, 3)``; NaN stays NaN."""
        return from_symmetric_log(self.lattices.restore(state.cell, state.mask.sum(1)))

    def _decode(self, state: sampling.CellState, elements: Tensor) -> AtomBatch:
        lattice = self.lattice_of(state)
        crystal = Crystal(mask=state.mask, fractional=state.fractional, lattice=lattice, elements=elements)
        return self.vocabulary.decode(crystal)

    def times(self, grid: Callable[[int], Tensor], steps: int) -> Tensor:
        """The solver's times, see :func:`molgen.solvers.refinement.times_with_refinement`."""
        return times_with_refinement(grid, steps, self.config.sample_refinement)

    @property
    def class_axes(self) -> dict[str, tuple[int, list[str]]]:
        """Weights that have an entry per class: the dimension, and what each entry is for."""
        classes = self.vocabulary.labels()
        seen = [*classes, *["elements mask"] * (self.elements.states - len(classes))]
        inputs = [*seen, *(f"guess of {label}" for label in classes), "known element"]
        whole = [f"time or size {k}" for k in range(TIME_FEATURES + 2)]
        if self.sees_symmetry:
            inputs, whole = [*inputs, *ATOM_MARKS], [*whole, *CELL_MARKS]
        cells = self.network.get_parameter("condition.0.weight").shape[1] - len(whole)
        return {
            "network.atom_embed.weight": (1, inputs),
            "network.condition.0.weight": (1, [*whole, *(f"cell number {k}" for k in range(cells))]),
            **{f"network.atom_read.1.{part}": (0, classes) for part in ("weight", "bias")},
        }

    @property
    def default_steps(self) -> int:
        """Steps of the sampler."""
        return self.config.sample_steps

    @property
    def default_spacing(self) -> float:
        """Exponent of the sampler's times."""
        return self.config.sample_spacing
