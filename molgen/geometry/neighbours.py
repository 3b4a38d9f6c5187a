"""Neighbours within a distance among all images of the atoms of periodic structures."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from molgen.geometry.lattice import heights
from molgen.geometry.periodic import to_cartesian

_MOST_CELLS = 100_000
"""Cells about one atom above which a structure is not a crystal but a mistake, and memory would end."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Directed edges of a batch, ordered by structure; both directions of a pair are there.

    Attributes:
        structure: Row of the batch, shape ``(E,)``, int64.
        source: Atom in the cell, shape ``(E,)``, int64.
        target: Atom whose image is the neighbour, shape ``(E,)``, int64.
        offset: Cells between them, shape ``(E, 3)``, int64: vector = (f_target + offset - f_source) @ lattice.
        vector: From source to target in angstrom, shape ``(E, 3)``.
        distance: In angstrom, shape ``(E,)``.
    """

    structure: Tensor
    source: Tensor
    target: Tensor
    offset: Tensor
    vector: Tensor
    distance: Tensor


def neighbour_list(fractional: Tensor, lattice: Tensor, mask: Tensor, cutoff: float) -> Neighbours:
    """All images within a distance of every atom, its own images among them; exact in any cell, reduced or not.

    A vector v @ lattice no longer than r has |v_i| <= r / height_i, so with f_j - f_i wrapped to 1/2 only cells within
    floor(r / height_i + 1/2) are searched. Work and memory grow as N^2 times their number.

    Args:
        fractional: Shape ``(B, N, 3)``, any real values.
        lattice: Shape ``(B, 3, 3)``.
        mask: True where an atom is real, shape ``(B, N)``.
        cutoff: Largest distance in angstrom.

    Raises:
        ValueError: A cell has no volume or is so thin that the sphere covers more than 100,000 of them; names the row.
    """
    delta = fractional.unsqueeze(1) - fractional.unsqueeze(2)
    whole = -delta.round()
    structure, cells = _cells_within(lattice, cutoff)
    shifts = to_cartesian(cells.to(lattice.dtype).unsqueeze(1), lattice[structure])
    vectors = to_cartesian(delta + whole, lattice)[structure] + shifts.unsqueeze(1)
    near = vectors.square().sum(-1) <= cutoff**2
    pairs = mask.unsqueeze(1) & mask.unsqueeze(2)
    home = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device) & ~cells.any(-1)[:, None, None]
    edge, source, target = (near & pairs[structure] & ~home).nonzero(as_tuple=True)
    row = structure[edge]
    offset = cells[edge] + whole[row, source, target].long()
    vector = vectors[edge, source, target]
    return Neighbours(row, source, target, offset, vector, torch.linalg.vector_norm(vector, dim=-1))


def _cells_within(lattice: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """Row and offset of every cell to search, shapes ``(C,)`` and ``(C, 3)``, int64, one structure after another."""
    reach = (cutoff / heights(lattice) + 0.5).floor()
    sides = 2.0 * reach + 1.0
    too_many = ~(sides.double().prod(-1) <= _MOST_CELLS)
    if bool(too_many.any()):
        row = int(too_many.nonzero()[0])
        raise ValueError(f"structure {row}: more than {_MOST_CELLS} cells lie within {cutoff} angstrom of an atom")
    reach, sides = reach.long(), sides.long()
    counts = sides.prod(-1)
    structure = torch.arange(len(lattice), device=lattice.device).repeat_interleave(counts)
    place = torch.arange(len(structure), device=lattice.device) - (counts.cumsum(0) - counts)[structure]
    _, second, third = sides[structure].unbind(-1)
    digits = torch.stack([place // (second * third), place // third % second, place % third], dim=-1)
    return structure, digits - reach[structure]
