"""What a model must know of its training set; it travels in the checkpoint."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor

_KINDS: dict[str, type] = {
    **dict.fromkeys(("lattice_mean", "lattice_std", "property_mean", "property_std"), float),
    **dict.fromkeys(("wyckoff_positions", "property_names"), str),
}
"""Of the fields that hold something else than whole numbers."""
_OF_GENES = {
    *("space_groups", "orbit_histogram", "wyckoff_positions"),
    *("property_names", "property_mean", "property_std"),
}


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
        space_groups: Number of training crystals of space group n at index n, 0 to 230; empty without genes.
        orbit_histogram: Number of training genes with n orbits at index n.
        wyckoff_positions: For each space group the site symmetry and multiplicity of its positions by letter.
        property_names: Properties of whole crystals that a model of genes may predict.
        property_mean: Of the finite values of each.
        property_std: Standard deviation of each.
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
    space_groups: tuple[int, ...] = ()
    orbit_histogram: tuple[int, ...] = ()
    wyckoff_positions: tuple[str, ...] = ()
    property_names: tuple[str, ...] = ()
    property_mean: tuple[float, ...] = ()
    property_std: tuple[float, ...] = ()

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
                value, kind = values[field.name], _KINDS.get(field.name, int)
                read[field.name] = float(value) if field.name == "position_std" else tuple(kind(v) for v in value)
        summary = cls(**read)
        summary._check()
        return summary

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON. Of a data set without genes it is what it was before there were genes: digests hold it."""
        values = asdict(self)
        return values if self.has_genes else {key: value for key, value in values.items() if key not in _OF_GENES}

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
        if self.space_groups and (len(self.space_groups) != 231 or len(self.wyckoff_positions) != 230):
            raise ValueError("space_groups or wyckoff_positions without 230 space groups")
        if not len(self.property_names) == len(self.property_mean) == len(self.property_std):
            raise ValueError(f"property_names {list(self.property_names)} without their means")

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

    @property
    def has_genes(self) -> bool:
        """Whether the space groups and orbits of the crystals are known."""
        return bool(self.space_groups)

    def size_log_prob(self, sizes: Tensor) -> Tensor:
        """log p(N) of the training histogram in nats, -inf for sizes that never occur, shape of ``sizes``, float64."""
        counts = torch.tensor(self.size_histogram, dtype=torch.float64, device=sizes.device)
        table = (counts / counts.sum()).log()
        inside = sizes.clamp(max=self.max_atoms)
        return torch.where(sizes <= self.max_atoms, table[inside], -torch.inf)
