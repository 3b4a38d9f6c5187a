"""One molecule or crystal as plain arrays: what files hold and what the pipeline streams."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

AROMATIC = 4
"""Bond code for an aromatic bond; 1, 2 and 3 are single, double and triple."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """One structure, without padding. Water is ``Structure(numbers=[8, 1, 1], positions=[[0, 0, 0], ...])``.

    Attributes:
        numbers: Atomic numbers, shape ``(N,)``, int64.
        positions: Cartesian coordinates in angstrom, shape ``(N, 3)``, float64.
        charges: Formal charges in elementary charges, shape ``(N,)``, int64, or None when unknown.
        bonds: Rows ``(i, j, order)`` with ``i < j`` and order 1, 2, 3 or 4 (aromatic), shape ``(M, 3)``, int64, or
            None when unknown. An empty array says that there are no bonds.
        lattice: Cell vectors as rows in angstrom, shape ``(3, 3)``, float64, or None for a molecule.
        name: Title or identifier; may be empty.
        properties: Named scalars (float, int or str) that travel with the structure.
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    charges: NDArray[np.int64] | None = None
    bonds: NDArray[np.int64] | None = None
    lattice: NDArray[np.float64] | None = None
    name: str = ""
    properties: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "numbers", np.asarray(self.numbers, dtype=np.int64))
        set_(self, "positions", np.asarray(self.positions, dtype=np.float64))
        n = len(self.numbers)
        if self.numbers.ndim != 1 or self.positions.shape != (n, 3):
            shapes = f"numbers {self.numbers.shape} and positions {self.positions.shape}"
            raise ValueError(f"got {shapes}; need (N,) and (N, 3)")
        if self.charges is not None:
            set_(self, "charges", np.asarray(self.charges, dtype=np.int64))
            if self.charges.shape != (n,):
                raise ValueError(f"got charges {self.charges.shape} for {n} atoms")
        if self.bonds is not None:
            set_(self, "bonds", np.asarray(self.bonds, dtype=np.int64).reshape(-1, 3))
        if self.lattice is not None:
            set_(self, "lattice", np.asarray(self.lattice, dtype=np.float64).reshape(3, 3))

    def __len__(self) -> int:
        return len(self.numbers)

    def replace(self, **changes: Any) -> Structure:
        """Copy with some attributes changed."""
        return replace(self, **changes)

    def take(self, atoms: NDArray[np.int64]) -> Structure:
        """The atoms with the given indices, in that order; bonds between kept atoms stay.

        Args:
            atoms: Indices, shape ``(M,)``.
        """
        bonds = self.bonds
        if bonds is not None:
            new_index = np.full(len(self), -1, dtype=np.int64)
            new_index[atoms] = np.arange(len(atoms))
            ends = new_index[bonds[:, :2]]
            kept = (ends >= 0).all(axis=1)
            bonds = np.concatenate([np.sort(ends[kept], axis=1), bonds[kept, 2:]], axis=1)
        charges = None if self.charges is None else self.charges[atoms]
        return self.replace(numbers=self.numbers[atoms], positions=self.positions[atoms], charges=charges, bonds=bonds)

    def without_hydrogens(self) -> Structure:
        """The heavy atoms only."""
        return self.take(np.flatnonzero(self.numbers != 1))
