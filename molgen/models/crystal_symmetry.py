"""Crystals that keep to space groups and orbits: what a network is told of them, noise, predictions and cells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from molgen.geometry.lattice import from_symmetric_log, symmetric_log
from molgen.geometry.periodic import nearest_images, wrap
from molgen.geometry.symmetry import Symmetry
from molgen.models.known import Known
from molgen.randomness import NoiseSource
from molgen.symmetry.groups import GROUPS
from molgen.symmetry.pairing import nearest_ways

if TYPE_CHECKING:
    from molgen.models.crystalflow import CrystalFlow, CrystalPrediction
    from molgen.models.crystalflow_sampling import CellState

ATOM_MARKS = [*(f"orbit with {k} free parameters" for k in range(4)), "log atoms of the orbit"]
"""Inputs per atom; all zero where no space group is kept to."""
CELL_MARKS = [*(f"space group {number}" for number in GROUPS), "known cell"]
"""Inputs per crystal."""


def symmetry_marks(known: Known, mask: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The inputs that ``ATOM_MARKS`` and ``CELL_MARKS`` name, ``(B, N, 5)`` and ``(B, 231)``.

    Args:
        known: What is given.
        mask: True for real atoms, shape ``(B, N)``.
        dtype: Of the result.
    """
    of_atoms = torch.zeros(*mask.shape, len(ATOM_MARKS), dtype=dtype, device=mask.device)
    of_cells = torch.zeros(len(mask), len(CELL_MARKS), dtype=dtype, device=mask.device)
    symmetry = known.symmetry
    if symmetry is not None:
        kept = ((symmetry.groups > 0).unsqueeze(1) & mask).unsqueeze(-1)
        size = torch.zeros_like(symmetry.firsts).scatter_add_(1, symmetry.firsts, mask.long())
        size = size.gather(1, symmetry.firsts).clamp(min=1).to(dtype).log()
        freedom = torch.nn.functional.one_hot(symmetry.freedom, 4).to(dtype)
        of_atoms = torch.cat([freedom, size.unsqueeze(-1)], dim=-1) * kept
        groups = torch.nn.functional.one_hot(symmetry.groups, len(GROUPS) + 1)[:, 1:]
        of_cells[:, : len(GROUPS)] = groups.to(dtype)
    if known.cells is not None:
        of_cells[:, -1] = known.cells.to(dtype)
    return of_atoms, of_cells


def forget_marks(model: Any) -> None:
    """Set the weights of the inputs of :func:`symmetry_marks` to zero: a network begins without regard for them."""
    with torch.no_grad():
        for name, marks in (("network.atom_embed.weight", ATOM_MARKS), ("network.condition.0.weight", CELL_MARKS)):
            axis, labels = model.class_axes[name]
            columns = torch.tensor([labels.index(mark) for mark in marks])
            model.get_parameter(name).index_fill_(axis, columns, 0.0)


def paired_ways(symmetry: Symmetry, elements: Tensor, drawn: Tensor, lattice: Tensor) -> Tensor:
    """Changes of free parameters from crystals to uniform draws that are paired with them.

    See :func:`molgen.symmetry.pairing.nearest_ways`.

    Args:
        symmetry: With the crystals' own parameters.
        elements: Shape ``(B, N)``.
        drawn: Uniform in [0, 1), of the first atom of each orbit, shape ``(B, N, 3)``.
        lattice: Cells, shape ``(B, 3, 3)``.

    Returns:
        Shape ``(B, N, 3)``, of the first atom of each orbit, zero elsewhere and where no space group is kept to.
    """
    assert symmetry.parameters is not None
    ways = np.zeros(drawn.shape)
    fields = (symmetry.groups, symmetry.firsts, symmetry.mask, elements, symmetry.places)
    groups, firsts, mask, kinds, places = (field.cpu().numpy() for field in fields)
    vectors = symmetry.matrices.mT @ lattice.to(symmetry.matrices).unsqueeze(1)
    own, other, edges = (field.double().cpu().numpy() for field in (symmetry.parameters, drawn, vectors))
    for row in np.flatnonzero(groups).tolist():
        heads = np.unique(firsts[row][mask[row]])
        orbits = list(zip(kinds[row, heads].tolist(), places[row, heads].tolist(), strict=True))
        ways[row, heads] = nearest_ways(int(groups[row]), orbits, own[row, heads], other[row, heads], edges[row, heads])
    return torch.from_numpy(ways).to(drawn)


def apart(model: CrystalFlow, symmetry: Symmetry, drawn: CellState, lattice: Tensor, noise: NoiseSource) -> Tensor:
    """Of several draws of the orbits' free parameters those whose atoms are furthest apart, shape ``(B, N, 3)``.

    Two orbits drawn onto each other seldom part again: what the network sees is then the same for both.

    Args:
        model: The model.
        symmetry: Space groups and orbits.
        drawn: With the first draws, and the elements.
        lattice: The cells that are expected, reduced, in which distances are measured, shape ``(B, 3, 3)``.
        noise: Of the other draws.
    """
    n, best, separation = drawn.mask.shape[1], drawn.fractional, torch.full_like(lattice[:, 0, 0], -1.0)
    for number in range(model.config.sample_symmetric_draws):
        draws = [noise.uniform_atoms(n) for _ in range(3)] if number else None
        fractional = symmetry.place(drawn.fractional if draws is None else torch.stack(draws, dim=-1).to(best))
        nearest = closeness(model, drawn.replace(fractional=fractional), lattice)
        better = nearest > separation
        best = torch.where(better[:, None, None], fractional, best)
        separation = torch.where(better, nearest, separation)
    return best


def closeness(model: CrystalFlow, crystal: CellState, lattice: Tensor) -> Tensor:
    """Smallest distance of two atoms over the sum of their covalent radii, shape ``(B,)``.

    Args:
        model: The model.
        crystal: Coordinates and elements.
        lattice: Cells that are reduced, or nearly: one image to each side is looked at, shape ``(B, 3, 3)``.
    """
    fractional, mask = crystal.fractional.to(lattice), crystal.mask
    radii = model.vocabulary.radii[crystal.elements].to(lattice)
    ways = nearest_images(fractional.unsqueeze(1) - fractional.unsqueeze(2), lattice, 1).squeeze(-2)
    away = ways.norm(dim=-1) / (radii.unsqueeze(1) + radii.unsqueeze(2))
    pairs = (mask.unsqueeze(1) & mask.unsqueeze(2)).tril(-1)
    nearest: Tensor = away.masked_fill(~pairs, torch.inf).flatten(1).amin(1)
    return nearest


def restricted(
    model: CrystalFlow, crystal: CellState, known: Known, cell: Tensor | None, prediction: CrystalPrediction
) -> CrystalPrediction:
    """What is predicted, with given lattices in place, and as symmetric as is asked for.

    Args:
        model: The model.
        crystal: What the prediction was made of.
        known: What of it is given.
        cell: Standardised numbers of the lattices that are given, shape ``(B, 6)``; None where none is.
        prediction: The network's.
    """
    stated, predicted = known.cells, prediction.cell
    if stated is not None and cell is not None:
        predicted = torch.where(stated.unsqueeze(1), cell, predicted)
    if known.symmetry is None:
        return replace(prediction, cell=predicted)
    displacement = known.symmetry.symmetrise(prediction.displacement)
    return replace(
        prediction,
        displacement=displacement,
        fractional=wrap(crystal.fractional + displacement) * crystal.mask.unsqueeze(-1),
        cell=symmetric_cell(model, known.symmetry, predicted, crystal.mask),
    )


def symmetric_cell(model: CrystalFlow, symmetry: Symmetry, cell: Tensor, mask: Tensor) -> Tensor:
    """Standardised numbers of the lattices that the point groups allow, shape ``(B, 6)``; NaN stays NaN."""
    sizes, finite = mask.sum(1), cell.isfinite().all(1, keepdim=True)
    lattice = from_symmetric_log(model.lattices.restore(torch.where(finite, cell, 0.0).double(), sizes))
    numbers = model.lattices.standardise(symmetric_log(symmetry.symmetrise_cell(lattice)), sizes)
    return torch.where(finite, numbers, torch.nan).to(cell)
