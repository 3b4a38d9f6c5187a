"""What CrystalFlow is trained on: crystals at random times, between noise that was paired with them and themselves.

Of some crystals the elements are given; others keep to their space group and orbits, as in sampling from genes: noise
is drawn in the free parameters, and the way to the crystal leads along them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from molgen.geometry.periodic import shortest, wrap
from molgen.geometry.symmetry import Symmetry
from molgen.geometry.transport import assign_on_torus
from molgen.models import crystalflow_sampling as sampling
from molgen.models.crystal_symmetry import paired_ways, symmetric_cell
from molgen.models.known import Known
from molgen.processes.linear_flow import time_from_uniform
from molgen.randomness import NoiseSource

if TYPE_CHECKING:
    from molgen.models.crystalflow import CrystalFlow

STATED_ERROR = 0.2
"""Of given cells, standard deviations at most: those that a gene's model predicts are not exact."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Noised:
    """Crystals at random times.

    Attributes:
        state: Everything at ``t``.
        target: Displacement from the coordinates at ``t`` to those of the data, shape ``(B, N, 3)``.
        t: Times, shape ``(B,)``.
        known: What is given.
    """

    state: sampling.CellState
    target: Tensor
    t: Tensor
    known: Known


def noised(model: CrystalFlow, clean: sampling.CellState, symmetry: Symmetry | None, noise: NoiseSource) -> Noised:
    """Draw tasks and times, and the crystals at them.

    Args:
        model: The model.
        clean: The data.
        symmetry: Space groups and free parameters of the data; None where none keeps to any.
        noise: Random draws.
    """
    mask, n = clean.mask, clean.mask.shape[1]
    t = time_from_uniform(noise.uniform().to(mask.device), model.config.time_power)
    known = _known(model, mask, symmetry, noise)
    start = sampling.draw(model, mask, noise)
    way, still = _way(model, clean, start, known), torch.zeros_like(clean.fractional)
    x, target = model.torus.along(clean.fractional, way, t, still, mask)
    keep, other = (noise.uniform_atoms(n).to(mask.device) for _ in range(2))
    corrupted = model.elements.corrupt(clean.elements, t, keep, other)
    state = sampling.CellState(
        mask=mask,
        fractional=x * mask.unsqueeze(-1),
        cell=_cells(model, clean, start, known, t, noise),
        elements=torch.where(known.elements, clean.elements, corrupted) * mask,
    )
    return Noised(state=state, target=target, t=t, known=known)


def _known(model: CrystalFlow, mask: Tensor, symmetry: Symmetry | None, noise: NoiseSource) -> Known:
    """Of some crystals the elements are given, of others their space group and orbits, and perhaps the cell, too."""
    config = model.config
    given = (noise.uniform().to(mask.device) < config.formulas).unsqueeze(1) & mask
    if symmetry is None:
        return Known.formula(given)
    chosen, stated = (noise.uniform().to(mask.device) for _ in range(2))
    keeps = (chosen < config.symmetric) & (symmetry.groups > 0)
    known = Known.formula(given | (keeps.unsqueeze(1) & mask))
    return replace(known, symmetry=symmetry.only(keeps), cells=keeps & (stated < config.cells))


def _way(model: CrystalFlow, clean: sampling.CellState, start: sampling.CellState, known: Known) -> Tensor:
    """From the crystals to uniform noise that is paired with them, shape ``(B, N, 3)``."""
    mask, symmetry = clean.mask, known.symmetry
    free = torch.ones_like(mask[:, 0]) if symmetry is None else symmetry.groups == 0
    fractional = wrap(clean.fractional + start.fractional)  # as uniform, and the loss has no origin
    if model.config.alignment:
        kinds = torch.where(known.elements, clean.elements, -1)
        fractional = assign_on_torus(fractional, clean.fractional, mask & free.unsqueeze(1), kinds)
    way = shortest(fractional - clean.fractional)
    if symmetry is None:
        return way
    if model.config.alignment:
        ways = paired_ways(symmetry, clean.elements, start.fractional, model.lattice_of(clean))
    else:
        assert symmetry.parameters is not None
        ways = shortest(start.fractional - symmetry.parameters)
    within = symmetry.moved(ways)
    return torch.where(free[:, None, None], way, within)


def _cells(
    model: CrystalFlow,
    clean: sampling.CellState,
    start: sampling.CellState,
    known: Known,
    t: Tensor,
    noise: NoiseSource,
) -> Tensor:
    """Standardised numbers of the lattices at ``t``, or of the given ones, shape ``(B, 6)``."""
    still, symmetry = torch.zeros_like(clean.cell), known.symmetry
    if symmetry is None or known.cells is None:
        return model.lattice_flow.corrupt(clean.cell, start.cell, t, still)
    begun = symmetric_cell(model, symmetry, start.cell, clean.mask)
    error = STATED_ERROR * noise.uniform().to(still).unsqueeze(1) * noise.normal_structures(6).to(still)
    flowing = model.lattice_flow.corrupt(clean.cell, begun, t, still)
    cell = torch.where(known.cells.unsqueeze(1), clean.cell + error, flowing)
    return symmetric_cell(model, symmetry, cell, clean.mask)
