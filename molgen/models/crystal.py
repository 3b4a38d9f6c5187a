"""A crystal as the joint state of a model: fractional coordinates, a lattice, and classes of elements."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from molgen.batch import AtomBatch
from molgen.elements import COVALENT_RADII, UNKNOWN_RADIUS
from molgen.errors import ConfigError
from molgen.geometry.periodic import to_cartesian, to_fractional, wrap
from molgen.models.data_summary import DataSummary
from molgen.models.graph import class_index
from molgen.models.known import Known


@dataclass(frozen=True, kw_only=True, eq=False)
class Crystal:
    """``B`` crystals padded to ``N`` atoms; zero in padding.

    Attributes:
        mask: True where an atom is real, shape ``(B, N)``.
        fractional: Coordinates in units of the cell vectors, in [0, 1), shape ``(B, N, 3)``.
        lattice: Cell vectors as rows in angstrom, shape ``(B, 3, 3)``.
        elements: Class of each atom's element, shape ``(B, N)``, int64.
    """

    mask: Tensor
    fractional: Tensor
    lattice: Tensor
    elements: Tensor

    def replace(self, **changes: Any) -> Crystal:
        """Copy with some fields changed."""
        return replace(self, **changes)

    def keep(self, known: Known, given: Crystal) -> Crystal:
        """The same crystals with the known elements of ``given`` in place; of a crystal nothing else can be given."""
        return self.replace(elements=torch.where(known.elements, given.elements, self.elements))


class CrystalVocabulary(nn.Module):
    """Classes of the elements of a training set of crystals.

    Attributes:
        elements: Atomic number of each class, shape ``(K,)``.
        radii: Covalent radius of each in angstrom, shape ``(K,)``.

    Args:
        data: Summary of a data set of crystals.

    Raises:
        ConfigError: The data set holds molecules.
    """

    elements: Tensor
    radii: Tensor

    def __init__(self, data: DataSummary) -> None:
        super().__init__()
        if not data.is_periodic:
            raise ConfigError(
                "this model learns crystals, and the data set holds molecules",
                hint="molgen data prepare mp20, or another data set of crystals",
            )
        self.data = data
        self.register_buffer("elements", torch.tensor(data.elements), persistent=False)
        radii = [COVALENT_RADII.get(number, UNKNOWN_RADIUS) for number in data.elements]
        self.register_buffer("radii", torch.tensor(radii), persistent=False)

    def labels(self) -> list[str]:
        """What each class of the elements stands for, the same for every data set."""
        return [f"elements {number}" for number in self.data.elements]

    def marginal(self) -> Tensor:
        """Share of each element among the atoms of the training set, shape ``(K,)``, float64."""
        counts = torch.tensor(self.data.element_counts, dtype=torch.float64)
        return counts / counts.sum()

    def encode(self, batch: AtomBatch) -> Crystal:
        """Wrapped fractional coordinates and classes of a batch; the lattice as it is.

        Raises:
            ConfigError: The batch has no lattices, or holds an element that the training set did not.
        """
        if batch.lattice is None:
            raise ConfigError("this model needs crystals, and these structures have no lattice")
        fractional = wrap(to_fractional(batch.positions, batch.lattice))
        return Crystal(
            mask=batch.mask,
            fractional=fractional * batch.mask.unsqueeze(-1),
            lattice=batch.lattice,
            elements=class_index(batch.elements, self.elements, batch.mask, "atomic numbers"),
        )

    def decode(self, crystal: Crystal) -> AtomBatch:
        """The inverse of :meth:`encode`: Cartesian coordinates in angstrom, and atomic numbers."""
        mask = crystal.mask
        return AtomBatch(
            mask=mask,
            elements=self.elements[crystal.elements] * mask,
            positions=to_cartesian(crystal.fractional, crystal.lattice) * mask.unsqueeze(-1),
            lattice=crystal.lattice,
        )
