"""What of a structure is given: all elements (a formula), the elements it may have (a chemical system), all of some
atoms (a fragment to grow from), a crystal to begin with (a template), or a space group and its orbits (a gene)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from molgen.geometry.symmetry import Symmetry
from molgen.models.graph import Graph
from molgen.randomness import NoiseSource


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """The given part of a batch; a given value has no noise at any time.

    Attributes:
        atoms: True where position, element, charge and the bonds to other such atoms are given, shape ``(B, N)``.
        elements: True where the element is given, shape ``(B, N)``; true wherever ``atoms`` is.
        allowed: True for classes that an element that is not given may take, shape ``(B, K)``; None for all of them.
        begun: True where coordinates and lattice are given to begin with, shape ``(B,)``; None for nowhere. They are
            not kept, but refined.
        symmetry: Space groups and orbits that crystals keep to; None for none.
        cells: True where the lattice is given and kept, shape ``(B,)``; None for nowhere.
    """

    atoms: Tensor
    elements: Tensor
    allowed: Tensor | None = None
    begun: Tensor | None = None
    symmetry: Symmetry | None = None
    cells: Tensor | None = None

    @classmethod
    def nothing(cls, mask: Tensor) -> Known:
        """Nothing is given."""
        return cls(atoms=torch.zeros_like(mask), elements=torch.zeros_like(mask))

    @classmethod
    def formula(cls, mask: Tensor) -> Known:
        """The elements of the atoms in ``mask`` are given and nothing else."""
        return cls(atoms=torch.zeros_like(mask), elements=mask)

    @classmethod
    def draw(cls, clean: Graph, noise: NoiseSource, formulas: float, fragments: float) -> Known:
        """Tasks for training: of some molecules the elements are given, of others a neighbourhood of an atom.

        The neighbourhood holds 1 to n - 1 atoms, those nearest to a random atom.

        Args:
            clean: The molecules.
            noise: Random draws.
            formulas: Share of molecules whose elements are given.
            fragments: Share of molecules of which a fragment is given.
        """
        mask = clean.mask
        task, count = noise.uniform().to(mask.device), noise.uniform().to(mask.device)
        # The atom with the largest draw is the centre.
        centre = (noise.uniform_atoms(mask.shape[1]).to(mask.device) + mask).argmax(1)
        origin = clean.positions[torch.arange(len(mask), device=mask.device), centre].unsqueeze(1)
        distance = (clean.positions - origin).square().sum(-1).masked_fill(~mask, torch.inf)
        rank = distance.argsort(dim=1).argsort(dim=1)
        wanted = 1 + (count * (mask.sum(1) - 1).clamp(min=0)).floor()
        chosen = (task >= formulas) & (task < formulas + fragments)
        atoms = (rank < wanted.unsqueeze(1)) & chosen.unsqueeze(1) & mask
        return cls(atoms=atoms, elements=atoms | ((task < formulas).unsqueeze(1) & mask))

    def of(self, rows: Tensor) -> Known:
        """What is known of some structures."""
        parts = ((f.name, getattr(self, f.name)) for f in fields(self))
        some: dict[str, Any] = {name: None if part is None else part[rows] for name, part in parts}
        return Known(**some)

    @property
    def pairs(self) -> Tensor:
        """True for pairs of given atoms, shape ``(B, N, N)``."""
        return self.atoms.unsqueeze(2) & self.atoms.unsqueeze(1)

    def restrict(self, logits: Tensor) -> Tensor:
        """Logits of elements with -inf for the classes that are not allowed, shape ``(B, N, K)``."""
        return logits if self.allowed is None else logits.masked_fill(~self.allowed.unsqueeze(1), -torch.inf)

    def keep(self, given: Graph, drawn: Graph) -> Graph:
        """``drawn`` with the given values of ``given`` in place."""
        return drawn.replace(
            positions=torch.where(self.atoms.unsqueeze(-1), given.positions, drawn.positions),
            elements=torch.where(self.elements, given.elements, drawn.elements),
            charges=torch.where(self.atoms, given.charges, drawn.charges),
            bonds=torch.where(self.pairs, given.bonds, drawn.bonds),
        )

    def place(self, moved: Tensor, given: Tensor, mask: Tensor) -> Tensor:
        """Shift structures so that the given atoms lie, on average, where they are given; centre all others.

        Args:
            moved: Coordinates, shape ``(B, N, 3)``.
            given: Coordinates of the given atoms, shape ``(B, N, 3)``.
            mask: True for real atoms, shape ``(B, N)``.
        """
        fixed = self.atoms.any(1, keepdim=True)
        weight = torch.where(fixed, self.atoms, mask).unsqueeze(-1).to(moved.dtype)
        target = given * self.atoms.unsqueeze(-1)
        shift = ((target - moved) * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1.0)
        return (moved + shift) * mask.unsqueeze(-1)
