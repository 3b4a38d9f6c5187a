"""What a model must know of its training set; it travels in the checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class DataSummary:
    """Facts derived from a packed data set's training split.

    The fields from ``charges`` on are empty where the data set does not state charges or bonds, those of the lattice
    where it holds molecules.

    Attributes:
        elements: Atomic numbers that occur, sorted; their order is the class order.
        size_histogram: Number of training structures with n atoms at index n.
        element_counts: Atoms of each element, in the order of ``elements``.
        charges: Formal charges that occur, sorted; their order is the class order.
        charge_counts: Atoms of each charge.
        bond_orders: Bond orders that occur, sorted, with 0 (no bond) first; their order is the class order.
        bond_counts: Unordered pairs of atoms of each order.
        position_std: Root mean square of a coordinate about its structure's centre, in angstrom.
        lattice_mean: Mean of the six coefficients of ``molgen.geometry.lattice.symmetric_log``, the last less
            log(N) / 3, so that it is the log of the cube root of the volume per atom in angstrom.
        lattice_std: Standard deviation of each.
    """

    elements: tuple[int, ...]
    size_histogram: tuple[int, ...]
    element_counts: tuple[int, ...] = ()
    charges: tuple[int, ...] = ()
    charge_counts: tuple[int, ...] = ()
    bond_orders: tuple[int, ...] = ()
    bond_counts: tuple[int, ...] = ()
    position_std: float = 1.0
    lattice_mean: tuple[float, ...] = ()
    lattice_std: tuple[float, ...] = ()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DataSummary:
        """Read back what ``dataclasses.asdict`` gave and JSON kept.

        Raises:
            KeyError: ``elements`` or ``size_histogram`` is missing.
            TypeError, ValueError: A value is of another kind, or contradicts the others.
        """
        read: dict[str, Any] = {key: tuple(int(v) for v in values[key]) for key in ("elements", "size_histogram")}
        for field in fields(cls)[2:]:
            if field.name in values:
                value, kind = values[field.name], float if field.name.startswith("lattice") else int
                read[field.name] = float(value) if field.name == "position_std" else tuple(kind(v) for v in value)
        summary = cls(**read)
        summary._check()
        return summary

    def _check(self) -> None:
        """Raise ValueError where no data set gives these values: a model made from them would fail when it is used."""
        for name, classes, counts in (
            ("elements", self.elements, self.element_counts),
            ("charges", self.charges, self.charge_counts),
            ("bond_orders", self.bond_orders, self.bond_counts),
        ):
            if (
                list(classes) != sorted(set(classes))
                or (counts and len(counts) != len(classes))
                or min(counts, default=0) < 0
            ):
                raise ValueError(f"{name} {list(classes)} with counts {list(counts)}")
        if not self.elements or not 1 <= self.elements[0] <= self.elements[-1] <= 118:
            raise ValueError(f"elements {list(self.elements)}")
        if min(self.size_histogram, default=0) < 0 or not any(self.size_histogram[1:]):
            raise ValueError("size_histogram without a structure")
        if not 0 < self.position_std < math.inf:
            raise ValueError(f"position_std {self.position_std}")

    @property
    def max_atoms(self) -> int:
        """Largest structure of the training set."""
        return len(self.size_histogram) - 1

    @property
    def has_bonds(self) -> bool:
        """Whether charges and bonds are stated."""
        return bool(self.charges) and bool(self.bond_orders)

    @property
    def is_periodic(self) -> bool:
        """Whether the structures are crystals."""
        return bool(self.lattice_mean)

    def size_log_prob(self, sizes: Tensor) -> Tensor:
        """log p(N) of the training histogram in nats, -inf for sizes that never occur, shape of ``sizes``, float64."""
        counts = torch.tensor(self.size_histogram, dtype=torch.float64, device=sizes.device)
        table = (counts / counts.sum()).log()
        inside = sizes.clamp(max=self.max_atoms)
        return torch.where(sizes <= self.max_atoms, table[inside], -torch.inf)
