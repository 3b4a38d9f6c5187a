"""What a network of crystals is told of space groups and orbits, and noise that keeps to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from molgen.geometry.symmetry import Symmetry
from molgen.models.known import Known
from molgen.symmetry.groups import GROUPS
from molgen.symmetry.pairing import nearest_ways

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
