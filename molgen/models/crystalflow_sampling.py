"""Sampling CrystalFlow: from noise, or from templates, to crystals, with given elements held in place.

Crystals of given space groups and orbits move in the free parameters alone, as in DiffCSP++ (Jiao et al. 2024): they
begin with them drawn, and what the network predicts is averaged over the group (``molgen.geometry.symmetry``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from molgen.geometry.lattice import symmetric_log
from molgen.models.crystal import Crystal
from molgen.models.crystal_symmetry import apart, closeness, restricted, symmetric_cell
from molgen.models.known import Known
from molgen.processes.categorical_flow import tempered
from molgen.processes.linear_flow import LinearFlow
from molgen.randomness import NoiseSource
from molgen.solvers.refinement import told_times

if TYPE_CHECKING:
    from molgen.models.crystalflow import CrystalFlow, CrystalPrediction

TOO_NEAR = 0.5
"""Distance over the sum of covalent radii below which atoms are on each other, that of the protocol ``strict``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CellState:
    """``B`` crystals padded to ``N`` atoms, in the model's own numbers; zero in padding.

    Attributes:
        mask: True where an atom is real, shape ``(B, N)``.
        fractional: Coordinates in [0, 1), shape ``(B, N, 3)``.
        cell: Standardised numbers of the lattice, shape ``(B, 6)``.
        elements: Class of each atom's element, perhaps the mask's, shape ``(B, N)``, int64.
    """

    mask: Tensor
    fractional: Tensor
    cell: Tensor
    elements: Tensor

    def replace(self, **changes: Any) -> CellState:
        """Copy with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowingCrystal:
    """Everything at one time, and what the network said last.

    Attributes:
        crystal: At that time.
        known: Whose elements are given, or restricted.
        before: The last prediction, None at the beginning.
        cell: Standardised numbers of the lattices that are given, shape ``(B, 6)``; None where none is.
    """

    crystal: CellState
    known: Known
    before: CrystalPrediction | None = None
    cell: Tensor | None = None


def draw(model: CrystalFlow, mask: Tensor, noise: NoiseSource) -> CellState:
    """The prior: uniform coordinates, a normal cell near the data's, elements of the categorical prior."""
    n = mask.shape[1]
    fractional = torch.stack([noise.uniform_atoms(n) for _ in range(3)], dim=-1).to(mask.device)
    elements = model.elements.noise(noise.uniform_atoms(n).to(mask.device))
    cell = noise.normal_structures(6).to(fractional)
    return CellState(mask=mask, fractional=fractional * mask.unsqueeze(-1), cell=cell, elements=elements * mask)


def start(
    model: CrystalFlow, mask: Tensor, noise: NoiseSource, given: tuple[Crystal, Known] | None = None
) -> FlowingCrystal:
    """Draw everything at t = 1, but for crystals that are begun already, which are taken as they are.

    Args:
        model: The model.
        mask: True for real atoms, shape ``(B, N)``.
        noise: Random draws.
        given: Crystals and what of them is known; None for nothing.
    """
    crystal, known, cell = draw(model, mask, noise), Known.nothing(mask), None
    if given is not None:
        known = given[1]
        crystal = crystal.replace(elements=torch.where(known.elements, given[0].elements, crystal.elements))
        if known.cells is not None:
            cell = model.lattices.standardise(symmetric_log(given[0].lattice), mask.sum(1))
            if model.sees_symmetry:  # others know cells that flow from noise alone
                crystal = crystal.replace(cell=torch.where(known.cells.unsqueeze(1), cell, crystal.cell))
        if known.begun is not None:
            begun = model.lattices.standardise(symmetric_log(given[0].lattice), mask.sum(1))
            crystal = crystal.replace(
                fractional=torch.where(known.begun[:, None, None], given[0].fractional, crystal.fractional),
                cell=torch.where(known.begun.unsqueeze(1), begun, crystal.cell),
            )
        if known.symmetry is not None:
            crystal = crystal.replace(
                fractional=apart(model, known.symmetry, crystal, given[0].lattice, noise),
                cell=symmetric_cell(model, known.symmetry, crystal.cell, mask),
            )
    return FlowingCrystal(crystal=crystal, known=known, cell=cell)


def solve(
    model: CrystalFlow,
    state: FlowingCrystal,
    times: Tensor,
    mask: Tensor,
    noise: NoiseSource,
    on_step: Callable[[int, FlowingCrystal], None] | None = None,
) -> FlowingCrystal:
    """Flow from noise to crystals; again, with other noise, for crystals of genes whose atoms came too near.

    Of a share of the draws two orbits, or an orbit and its images, run into one another. Of all tries the one whose
    atoms are furthest apart is kept.
    """
    made = _flow(model, state, times, noise, on_step)
    if state.known.symmetry is None:
        return made
    crystal, lattice = made.crystal, model.lattice_of(made.crystal)
    nearest = closeness(model, crystal, lattice)
    for _ in range(model.config.sample_symmetric_tries - 1):
        rows = (nearest < TOO_NEAR).nonzero().squeeze(1)
        if not len(rows):
            break
        some = noise.of(rows)
        begun = _begun_again(model, state, rows, lattice[rows], some)
        other = _flow(model, begun, times, some).crystal
        found = closeness(model, other, model.lattice_of(other))
        better = found > nearest[rows]
        at = rows[better]
        nearest = nearest.index_copy(0, at, found[better])
        crystal = crystal.replace(
            fractional=crystal.fractional.index_copy(0, at, other.fractional[better]),
            cell=crystal.cell.index_copy(0, at, other.cell[better]),
        )
    return replace(made, crystal=crystal)


def _begun_again(
    model: CrystalFlow, state: FlowingCrystal, rows: Tensor, lattice: Tensor, noise: NoiseSource
) -> FlowingCrystal:
    """Some of the crystals of genes at t = 1, with other draws; ``lattice`` is where these are to lie apart."""
    before, known = state.crystal, state.known.of(rows)
    assert known.symmetry is not None
    drawn = draw(model, before.mask[rows], noise).replace(elements=before.elements[rows])
    cell = symmetric_cell(model, known.symmetry, drawn.cell, drawn.mask)
    given = None if state.cell is None else state.cell[rows]
    if known.cells is not None and model.sees_symmetry:
        cell = torch.where(known.cells.unsqueeze(1), before.cell[rows], cell)
    fractional = apart(model, known.symmetry, drawn, lattice, noise)
    return FlowingCrystal(crystal=drawn.replace(fractional=fractional, cell=cell), known=known, cell=given)


def _flow(
    model: CrystalFlow,
    state: FlowingCrystal,
    times: Tensor,
    noise: NoiseSource,
    on_step: Callable[[int, FlowingCrystal], None] | None = None,
) -> FlowingCrystal:
    """Predict, then draw everything at the next time; ``len(times) - 1`` network calls.

    Coordinates follow ``TorusFlow.step``, the cell the straight line, elements ``CategoricalFlow.step``. Steps that
    begin at t = 0 refine, see ``molgen.solvers.refinement``; of crystals that are begun already, every step does.
    """
    mask = state.crystal.mask
    told, flowing = told_times(times, model.config.sample_refinement_time)
    refining, _ = told_times(torch.zeros_like(times), model.config.sample_template_time)
    begun = torch.zeros_like(mask[:, 0]) if state.known.begun is None else state.known.begun
    for k in range(1, len(times)):
        t = torch.where(begun, refining[k - 1], told[k - 1])
        s = times[k].expand(len(mask)).masked_fill(begun, 0.0)
        seen = _as_noised(model, state, t, begun | (k > flowing))
        prediction = model.predict(seen, t, state.known, state.before)
        prediction = restricted(model, state.crystal, state.known, state.cell, prediction)
        crystal = _step(model, state, prediction, t, s, noise, last=k >= flowing)
        state = replace(state, crystal=crystal, before=prediction)
        if on_step is not None:
            on_step(k, state)
    return state


def _as_noised(model: CrystalFlow, state: FlowingCrystal, t: Tensor, refines: Tensor) -> CellState:
    """Finished crystals as the network knows those at ``t``, whose cells are nearer to the mean: (1 - t) z + t noise.

    Without this, every step that refines would move the cell further from the mean. Cells that are given it knows as
    they are, if it was trained to.
    """
    crystal, known = state.crystal, state.known
    if known.cells is not None and model.sees_symmetry:
        refines = refines & ~known.cells
    cell = crystal.cell * torch.where(refines, 1.0 - t, 1.0).to(crystal.cell).unsqueeze(-1)
    if known.symmetry is not None and bool(refines.any()):
        cell = symmetric_cell(model, known.symmetry, cell, crystal.mask)
    return crystal.replace(cell=cell)


def _step(
    model: CrystalFlow,
    state: FlowingCrystal,
    prediction: CrystalPrediction,
    t: Tensor,
    s: Tensor,
    noise: NoiseSource,
    *,
    last: bool,
) -> CellState:
    config, crystal, mask = model.config, state.crystal, state.crystal.mask
    n, sigma, symmetry = mask.shape[1], config.sample_position_noise, state.known.symmetry
    still = torch.zeros_like(crystal.fractional)
    shake = noise.normal(n, 3).to(still) * mask.unsqueeze(-1) if sigma > 0 else still
    shake = shake if symmetry is None else symmetry.symmetrise(shake)
    moved = model.torus.step(
        crystal.fractional, prediction.displacement, t, s, shake, mask, sigma=sigma, annealing=config.sample_annealing
    )
    eta = 0.0 if last else config.sample_category_noise
    draws = tuple(noise.uniform_atoms(n).to(mask.device) for _ in range(4 if config.sample_category_noise > 0 else 2))
    logits = state.known.restrict(prediction.logits)
    probabilities = tempered(logits, 0.0 if last else config.sample_temperature)
    elements = model.elements.step(crystal.elements, probabilities, t, s, draws, eta)
    cell = LinearFlow.step(crystal.cell, prediction.cell, t, s, torch.zeros_like(crystal.cell), 0.0)
    if symmetry is not None:  # again, as a line between two allowed cells need not be all of such, and for rounding
        moved, cell = symmetry.cleaned(moved), symmetric_cell(model, symmetry, cell, mask)
    return crystal.replace(
        fractional=moved * mask.unsqueeze(-1),
        cell=cell,
        elements=torch.where(state.known.elements, crystal.elements, elements) * mask,
    )


def likeliest(model: CrystalFlow, state: FlowingCrystal) -> Tensor:
    """Given elements, and of the others the likeliest, shape ``(B, N)``."""
    drawn = state.crystal.elements
    guess = drawn if state.before is None else state.known.restrict(state.before.logits).argmax(-1)
    chosen = torch.where(state.known.elements, drawn, guess)
    return chosen.clamp(max=model.elements.classes - 1) * state.crystal.mask
