"""AtomBatch: many structures as dense, padded tensors; the one thing that models see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from molgen.geometry.symmetry import Symmetry
from molgen.structure import Structure


@dataclass(frozen=True, kw_only=True, eq=False)
class AtomBatch:
    """``B`` structures padded to ``N`` atoms. Padding is zero everywhere and always comes after the real atoms.

    Water and methane together: ``mask.shape == (2, 5)``, ``num_atoms == [3, 5]``, ``elements[0] == [8, 1, 1, 0, 0]``.

    Attributes:
        mask: True where an atom is real, shape ``(B, N)``, bool.
        elements: Atomic numbers, shape ``(B, N)``, int64.
        positions: Cartesian coordinates in angstrom, shape ``(B, N, 3)``.
        charges: Formal charges, shape ``(B, N)``, int64, or None when no structure states them.
        bonds: Symmetric bond orders (0 none, 1, 2, 3, 4 aromatic), shape ``(B, N, N)``, int64, or None.
        lattice: Cell vectors as rows in angstrom, shape ``(B, 3, 3)``, or None for molecules.
        properties: Named values of whole structures, each of shape ``(B,)``.
        symmetry: Space groups and orbits of the structures, exact up to rounding; None where they are not known.
    """

    mask: Tensor
    elements: Tensor
    positions: Tensor
    charges: Tensor | None = None
    bonds: Tensor | None = None
    lattice: Tensor | None = None
    properties: dict[str, Tensor] = field(default_factory=dict)
    symmetry: Symmetry | None = None

    def __len__(self) -> int:
        return self.mask.shape[0]

    @property
    def num_atoms(self) -> Tensor:
        """Real atoms of each structure, shape ``(B,)``, int64."""
        return self.mask.sum(dim=1)

    @property
    def device(self) -> torch.device:
        return self.mask.device

    def replace(self, **changes: Any) -> AtomBatch:
        """Copy with some attributes changed."""
        return replace(self, **changes)

    def _map(self, function: Any) -> AtomBatch:
        changes = {f.name: function(value) for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)}
        symmetry = None if self.symmetry is None else self.symmetry.map(function)
        properties = {k: function(v) for k, v in self.properties.items()}
        return replace(self, **changes, symmetry=symmetry, properties=properties)

    def to(self, device: torch.device | str) -> AtomBatch:
        """Copy on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def __getitem__(self, rows: slice | Tensor) -> AtomBatch:
        """The structures in ``rows`` (a slice, a boolean mask or indices), with the same padding."""
        return self._map(lambda tensor: tensor[rows])

    @classmethod
    def from_structures(cls, structures: Sequence[Structure], *, dtype: torch.dtype = torch.float32) -> AtomBatch:
        """Pad and stack structures. Charges, bonds and lattices are kept only if every structure has them."""
        sizes = [len(s) for s in structures]
        shape = (len(sizes), max(sizes, default=0))
        mask, elements = np.zeros(shape, bool), np.zeros(shape, np.int64)
        positions, charges = np.zeros((*shape, 3)), np.zeros(shape, np.int64)
        for row, (n, s) in enumerate(zip(sizes, structures, strict=True)):
            mask[row, :n], elements[row, :n], positions[row, :n] = True, s.numbers, s.positions
            if s.charges is not None:
                charges[row, :n] = s.charges
        bonds = None
        if structures and all(s.bonds is not None for s in structures):
            bonds = np.zeros((*shape, shape[1]), np.int64)
            for row, s in enumerate(structures):
                i, j, order = s.bonds.T  # type: ignore[union-attr]
                bonds[row, i, j] = bonds[row, j, i] = order
        lattices = [s.lattice for s in structures if s.lattice is not None]
        has_lattice = bool(lattices) and len(lattices) == len(sizes)
        has_charges = bool(structures) and all(s.charges is not None for s in structures)
        return cls(
            mask=torch.from_numpy(mask),
            elements=torch.from_numpy(elements),
            positions=torch.from_numpy(positions).to(dtype),
            charges=torch.from_numpy(charges) if has_charges else None,
            bonds=None if bonds is None else torch.from_numpy(bonds),
            lattice=torch.from_numpy(np.stack(lattices)).to(dtype) if has_lattice else None,
        )

    def to_structures(self) -> list[Structure]:
        """Split into unpadded structures on the CPU."""
        host = self.to("cpu")
        result = []
        for row, n in enumerate(host.num_atoms.tolist()):
            bonds = None
            if host.bonds is not None:
                orders = host.bonds[row, :n, :n].triu(1)
                ends = orders.nonzero()
                bonds = torch.cat([ends, orders[ends[:, 0], ends[:, 1], None]], dim=1).numpy()
            result.append(
                Structure(
                    numbers=host.elements[row, :n].numpy(),
                    positions=host.positions[row, :n].double().numpy(),
                    charges=None if host.charges is None else host.charges[row, :n].numpy(),
                    bonds=bonds,
                    lattice=None if host.lattice is None else host.lattice[row].double().numpy(),
                    properties={key: value[row].item() for key, value in host.properties.items()},
                )
            )
        return result
