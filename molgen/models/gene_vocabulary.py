"""Tokens of Wyckoff genes, and what may still be placed in a cell: the frozen tables of a model of genes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from molgen.errors import ConfigError
from molgen.models.data_summary import DataSummary
from molgen.symmetry.groups import GROUPS, site_symmetries, space_group


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """What of ``B`` genes is there already.

    Attributes:
        groups: Numbers of the space groups, shape ``(B,)``.
        mask: True for orbits that are placed, shape ``(B, N)``.
        elements: Their elements' classes, shape ``(B, N)``.
        places: Their Wyckoff positions, shape ``(B, N)``.
    """

    groups: Tensor
    mask: Tensor
    elements: Tensor
    places: Tensor


def position_codes() -> tuple[str, ...]:
    """For each space group the site symmetry and multiplicity of its positions by letter: ``"1:1"`` for P1."""
    return tuple(
        " ".join(f"{one.site_symmetry}:{one.multiplicity}" for one in space_group(number).positions)
        for number in GROUPS
    )


class GeneVocabulary(nn.Module):
    """Classes of elements, site symmetries and enumerations, and the tables that link them to Wyckoff positions.

    Attributes:
        elements: Atomic number of each class, shape ``(K,)``; class ``K`` ends a gene.
        site: Site symmetry's class of each position, shape ``(231, P)``; row 0 is empty.
        enumeration: Number among the positions of that site symmetry, shape ``(231, P)``.
        exists: Whether a group has so many positions, shape ``(231, P)``.
        atoms: Atoms of an orbit in the primitive cell, shape ``(231, P)``.
        freedom: Free coordinates of an orbit, shape ``(231, P)``.
        shifts: Relabellings by a change of origin, shape ``(231, R, P)``.
        shift_count: How many each group has, shape ``(231,)``.

    Args:
        data: Summary of a data set of genes.

    Raises:
        ConfigError: It has no genes, or was made with other tables of Wyckoff positions than this program's.
    """

    elements: Tensor
    site: Tensor
    enumeration: Tensor
    exists: Tensor
    atoms: Tensor
    freedom: Tensor
    shifts: Tensor
    shift_count: Tensor

    def __init__(self, data: DataSummary) -> None:
        super().__init__()
        if not data.has_genes:
            raise ConfigError("this model learns genes of crystals", hint="a data set of crystals, such as mp20")
        for number, (theirs, ours) in enumerate(zip(data.wyckoff_positions, position_codes(), strict=True), start=1):
            if theirs != ours:
                raise ConfigError(f"the checkpoint numbers the Wyckoff positions of space group {number} otherwise")
        self.data = data
        groups = [space_group(number) for number in GROUPS]
        most = max(len(group.positions) for group in groups)
        site, enumeration, atoms, freedom = np.zeros((4, 231, most), np.int64)
        exists = np.zeros((231, most), bool)
        shifts = np.tile(np.arange(most), (231, max(group.shifts for group in groups), 1))
        for group in groups:
            row, count = group.number, len(group.positions)
            site[row, :count] = [site_symmetries().index(one.site_symmetry) for one in group.positions]
            enumeration[row, :count] = [one.enumeration for one in group.positions]
            freedom[row, :count] = [one.freedom for one in group.positions]
            atoms[row, :count], exists[row, :count] = group.multiplicities, True
            shifts[row, : group.shifts, :count] = group.relabellings[: group.shifts]
        tables = {"site": site, "enumeration": enumeration, "atoms": atoms, "freedom": freedom, "exists": exists}
        tables |= {"shifts": shifts, "shift_count": np.array([1, *(group.shifts for group in groups)])}
        tables |= {"elements": np.array(data.elements)}
        for name, table in tables.items():
            self.register_buffer(name, torch.from_numpy(table), persistent=False)

    @property
    def classes(self) -> int:
        """Elements, K."""
        return len(self.elements)

    @property
    def end(self) -> int:
        """Class that ends a gene."""
        return self.classes

    @property
    def sites(self) -> int:
        """Site symmetries, S."""
        return len(site_symmetries())

    @property
    def enumerations(self) -> int:
        """Largest number of positions of one group that share a site symmetry, E."""
        return int(self.enumeration.max()) + 1

    def labels(self) -> list[str]:
        """What each class of the elements stands for, the same for every data set."""
        return [f"elements {number}" for number in self.data.elements]

    def open_places(self, placed: Placed, most_atoms: Tensor) -> Tensor:
        """Whether another orbit may go to each position: a fixed point only once, and no more atoms than allowed.

        Args:
            placed: What is there.
            most_atoms: Largest number of atoms of the primitive cell, shape ``(B,)``.

        Returns:
            Shape ``(B, P)``.
        """
        groups = placed.groups
        used = torch.zeros_like(self.exists[groups], dtype=torch.int64)
        used.scatter_add_(1, placed.places, placed.mask.long())
        left = most_atoms - self.atoms_of(placed)
        fits = self.atoms[groups] <= left.unsqueeze(1)
        return self.exists[groups] & fits & ((self.freedom[groups] > 0) | (used == 0))

    def atoms_of(self, placed: Placed) -> Tensor:
        """Atoms in the primitive cell so far, shape ``(B,)``."""
        return (self.atoms[placed.groups].gather(1, placed.places) * placed.mask).sum(1)

    def spread(self, table: Tensor, allowed: Tensor, classes: int) -> Tensor:
        """Whether any allowed position is of each class of a table.

        Args:
            table: Class of each position, shape ``(B, P)``.
            allowed: Shape ``(B, P)``.
            classes: How many there are.

        Returns:
            Shape ``(B, classes)``.
        """
        found = torch.zeros(len(table), classes, dtype=torch.int64, device=table.device)
        return found.scatter_add_(1, table, allowed.long()) > 0
