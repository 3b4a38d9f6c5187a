"""Features of atoms that follow from elements, charges and bonds: rings, hybridisation, aromaticity; on plain tensors.

They can be noised and predicted beside the fields they follow from (Le et al. 2024). Each is a class per atom.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from molgen.structure import AROMATIC

CLASSES: Final[dict[str, int]] = {"ring": 2, "hybridisation": 4, "aromatic": 2}
"""Classes of each feature: no, yes; none (hydrogen, ions), sp, sp2, sp3 and beyond; no, yes."""

_LEAK = 1e-6
"""Conductance of every atom to ground, which makes the Laplacian invertible whatever the connectivity."""

_NOBLE = (0, 2, 10, 18, 36, 54, 86)
_FILLED_D = {18: 10, 36: 10, 54: 24}
"""Electrons of the d and f shells that are filled before the p block of the period after each noble gas."""


def in_ring(bonds: Tensor) -> Tensor:
    """1 for atoms on a cycle of bonds, else 0, shape ``(B, N)``, int64.

    A bond is on no cycle (a bridge) exactly where all current between its ends must take it: where its effective
    resistance in the graph of unit resistors is 1 (Klein & Randic 1993). On a cycle of n bonds it is at most 1 - 1/n.

    Args:
        bonds: Orders, 0 for none, symmetric, shape ``(B, N, N)``.
    """
    atoms = bonds.shape[1]
    adjacency = (bonds > 0).double()
    laplacian = torch.diag_embed(adjacency.sum(-1) + _LEAK) - adjacency
    inverse = torch.linalg.inv(laplacian)
    own = inverse.diagonal(dim1=1, dim2=2)
    resistance = own.unsqueeze(2) + own.unsqueeze(1) - 2.0 * inverse
    on_cycle = (bonds > 0) & (resistance < 1.0 - 0.5 / atoms)
    ring: Tensor = on_cycle.any(-1).long()
    return ring


def aromatic(bonds: Tensor) -> Tensor:
    """1 for atoms with a bond stated as aromatic, else 0, shape ``(B, N)``, int64; all 0 for Kekule structures."""
    return (bonds == AROMATIC).any(-1).long()


def hybridisation(numbers: Tensor, charges: Tensor, bonds: Tensor) -> Tensor:
    """Class of ``CLASSES["hybridisation"]`` of each atom, shape ``(B, N)``, int64, by RDKit's rule.

    Neighbours and lone pairs are counted: 2 sp, 3 sp2, 4 and more sp3; but an atom with a lone pair and at most three
    neighbours beside one with a multiple bond is sp2 (the N of an amide), and so is one with an aromatic bond. RDKit,
    which finds aromatic rings in Kekule structures too, differs there for a few atoms, such as the S of thiophene.

    Args:
        numbers: Atomic numbers, 0 in padding, shape ``(B, N)``.
        charges: Formal charges, shape ``(B, N)``.
        bonds: Orders, 0 for none, 4 aromatic, symmetric, shape ``(B, N, N)``.
    """
    linked = bonds > 0
    degree = linked.sum(-1)
    orders = torch.where(bonds == AROMATIC, 0, bonds)
    # Aromatic bonds count as one each, and one more for the electron in the ring; what is left over does not matter.
    sums = orders.sum(-1) + (bonds == AROMATIC).sum(-1) + aromatic(bonds)
    outer = outer_electrons(numbers)
    pairs = (outer - charges - sums).clamp(min=0) // 2
    count = degree + pairs
    multiple = (orders >= 2) | (bonds == AROMATIC)
    unsaturated = multiple.any(-1) & (degree <= 3)
    beside = ((orders == 1) & unsaturated.unsqueeze(1)).any(-1)
    delocalised = (count == 4) & (degree <= 3) & (pairs > 0) & beside & (numbers <= 10) & (outer <= 6)
    kind = (count - 1).clamp(0, 3) - delocalised.long()
    kind = torch.where(aromatic(bonds) > 0, 2, kind)
    return torch.where(numbers > 1, kind, 0)


def outer_electrons(numbers: Tensor) -> Tensor:
    """Electrons of the outer shell of main-group atoms, 0 in padding, shape of ``numbers``, int64."""
    table = torch.zeros(119, dtype=torch.int64)
    for number in range(1, 119):
        noble = max(core for core in _NOBLE if core < number)
        outer = number - noble
        filled = _FILLED_D.get(noble, 24 if noble == 86 else 0)
        table[number] = outer - filled if outer > filled + 2 else outer
    return table.to(numbers.device)[numbers]
