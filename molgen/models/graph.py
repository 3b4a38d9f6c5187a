"""A molecule as the joint state of a model: positions, and classes of elements, charges and bonds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from molgen.batch import AtomBatch
from molgen.errors import ConfigError
from molgen.geometry.centering import remove_mean
from molgen.models.data_summary import DataSummary


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """``B`` molecules padded to ``N`` atoms, in a model's own units and classes; zero in padding.

    Attributes:
        mask: True where an atom is real, shape ``(B, N)``.
        positions: Centred coordinates divided by the model's position scale, shape ``(B, N, 3)``.
        elements: Class of each atom's element, shape ``(B, N)``, int64.
        charges: Class of each atom's formal charge, shape ``(B, N)``, int64.
        bonds: Class of each pair's bond order, symmetric, 0 on the diagonal, shape ``(B, N, N)``, int64.
    """

    mask: Tensor
    positions: Tensor
    elements: Tensor
    charges: Tensor
    bonds: Tensor

    @property
    def pairs(self) -> Tensor:
        """True for pairs of two different real atoms, shape ``(B, N, N)``."""
        different = ~torch.eye(self.mask.shape[1], dtype=torch.bool, device=self.mask.device)
        return self.mask.unsqueeze(2) & self.mask.unsqueeze(1) & different

    def replace(self, **changes: Any) -> Graph:
        """Copy with some fields changed."""
        return replace(self, **changes)


class GraphVocabulary(nn.Module):
    """Classes of the three categorical fields and the scale of the positions, from a training set.

    Attributes:
        elements: Atomic number of each class, shape ``(K,)``.
        charges: Formal charge of each class, shape ``(C,)``.
        bond_orders: Bond order of each class, class 0 being no bond, shape ``(R,)``.
        scale: Angstrom per unit of position.

    Args:
        data: Summary of a data set with charges and bonds.

    Raises:
        ConfigError: The data set states no bonds or no charges.
    """

    elements: Tensor
    charges: Tensor
    bond_orders: Tensor

    def __init__(self, data: DataSummary) -> None:
        super().__init__()
        if not data.has_bonds:
            raise ConfigError(
                "this model learns bonds and formal charges, and the data set does not state them",
                hint="molgen data prepare qm9 --bonds, or a data set of SDF files",
            )
        self.scale = data.position_std
        self.data = data
        for name in ("elements", "charges", "bond_orders"):
            self.register_buffer(name, torch.tensor(getattr(data, name)), persistent=False)

    def labels(self, field: str, states: int | None = None) -> list[str]:
        """What each class of ``elements``, ``charges`` or ``bonds`` stands for, the same for every data set.

        Args:
            field: One of the three.
            states: Classes of the state space; one more than the data's where a mask follows them.
        """
        values = getattr(self.data, {"bonds": "bond_orders"}.get(field, field))
        labels = [f"{field} {value}" for value in values]
        return labels if states in (None, len(labels)) else [*labels, f"{field} mask"]

    def marginal(self, field: str) -> Tensor:
        """Share of each class of ``elements``, ``charges`` or ``bonds`` in training, shape ``(K,)``, float64."""
        counts = {"elements": "element_counts", "charges": "charge_counts", "bonds": "bond_counts"}[field]
        values = torch.tensor(getattr(self.data, counts), dtype=torch.float64)
        return values / values.sum()

    def encode(self, batch: AtomBatch) -> Graph:
        """Classes and centred, scaled positions of a batch.

        Raises:
            ConfigError: The batch states no bonds or charges, or holds a value that the training set did not.
        """
        if batch.bonds is None or batch.charges is None:
            raise ConfigError("this model needs molecules with stated bonds and formal charges")
        mask = batch.mask
        pairs = mask.unsqueeze(2) & mask.unsqueeze(1)
        return Graph(
            mask=mask,
            positions=remove_mean(batch.positions, mask) / self.scale,
            elements=class_index(batch.elements, self.elements, mask, "atomic numbers"),
            charges=class_index(batch.charges, self.charges, mask, "formal charges"),
            bonds=class_index(batch.bonds, self.bond_orders, pairs, "bond orders"),
        )

    def decode(self, graph: Graph) -> AtomBatch:
        """The inverse of :meth:`encode`, positions centred."""
        mask = graph.mask
        return AtomBatch(
            mask=mask,
            elements=self.elements[graph.elements] * mask,
            positions=remove_mean(graph.positions, mask) * self.scale,
            charges=self.charges[graph.charges] * mask,
            bonds=self.bond_orders[graph.bonds] * graph.pairs,
        )


def class_index(values: Tensor, known: Tensor, wanted: Tensor, what: str) -> Tensor:
    """Index of each value in ``known``, 0 where not ``wanted``.

    Raises:
        ConfigError: A wanted value is not among the known ones; ``what`` names them.
    """
    matches = values.unsqueeze(-1) == known
    if not torch.compiler.is_compiling() and bool((~matches.any(-1) & wanted).any()):
        unknown: Sequence[int] = sorted(set(values[wanted].tolist()) - set(known.tolist()))
        raise ConfigError(f"{what} {unknown} are not in the model's vocabulary {known.tolist()}")
    return matches.int().argmax(-1) * wanted
