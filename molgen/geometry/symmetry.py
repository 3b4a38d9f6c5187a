"""Space groups as tensors: coordinates, displacements and cells of crystals averaged over their operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from molgen.geometry.periodic import shortest, wrap


@dataclass(frozen=True, kw_only=True, eq=False)
class Symmetry:
    """The space groups of ``B`` crystals of up to ``N`` atoms and ``G`` operations f' = R f + t.

    Operations beyond a crystal's own are the identity, with a share of zero. Padding atoms stay where they are.

    Attributes:
        mask: True where an atom is real, shape ``(B, N)``.
        rotations: R in units of the cell vectors, whole numbers, shape ``(B, G, 3, 3)``.
        translations: t, shape ``(B, G, 3)``.
        shares: 1 over the number of a crystal's operations, 0 for those beyond it, shape ``(B, G)``.
        sources: Which atom each operation brings to each atom, shape ``(B, G, N)``, int64.
        firsts: First atom of each atom's orbit, shape ``(B, N)``, int64.
        matrices: With ``vectors``, coordinates M u + w of free parameters u of the orbit, shape ``(B, N, 3, 3)``.
        vectors: w, shape ``(B, N, 3)``.
        groups: Number of each space group, 0 where none is kept to, shape ``(B,)``, int64.
        places: Index of the Wyckoff position of each atom, shape ``(B, N)``, int64.
        parameters: u of the crystals' own orbits, shape ``(B, N, 3)``; None where they are to be found.
    """

    mask: Tensor
    rotations: Tensor
    translations: Tensor
    shares: Tensor
    sources: Tensor
    firsts: Tensor
    matrices: Tensor
    vectors: Tensor
    groups: Tensor
    places: Tensor
    parameters: Tensor | None = None

    @property
    def freedom(self) -> Tensor:
        """Free parameters of each atom's orbit, 0 to 3, shape ``(B, N)``, int64."""
        return (self.matrices != 0).any(2).sum(2)

    def __getitem__(self, rows: slice | Tensor) -> Symmetry:
        """The crystals in ``rows`` (a slice, a boolean mask or indices), with the same padding."""
        return self.map(lambda tensor: tensor[rows])

    def map(self, function: Callable[[Tensor], Tensor]) -> Symmetry:
        """Copy with a function applied to every tensor."""
        made = {f.name: function(value) for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)}
        return replace(self, **made)

    def only(self, chosen: Tensor) -> Symmetry:
        """The same for the chosen crystals; the others keep to no space group, and their atoms are free.

        Args:
            chosen: Shape ``(B,)``.
        """
        itself = torch.arange(self.sources.shape[2], device=chosen.device)
        alone = torch.zeros_like(self.shares)
        alone[:, 0] = 1.0
        per_atom = chosen[:, None, None, None]
        return replace(
            self,
            shares=torch.where(chosen.unsqueeze(1), self.shares, alone),
            sources=torch.where(per_atom.squeeze(3), self.sources, itself),
            firsts=torch.where(chosen.unsqueeze(1), self.firsts, itself),
            matrices=torch.where(per_atom, self.matrices, torch.eye(3).to(self.matrices)),
            vectors=torch.where(per_atom.squeeze(3), self.vectors, 0.0),
            groups=self.groups * chosen,
        )

    def moved(self, ways: Tensor) -> Tensor:
        """Displacements of atoms by changes of their orbits' free parameters, M du, shape ``(B, N, 3)``.

        Args:
            ways: Of the first atom of each orbit, shape ``(B, N, 3)``.
        """
        own = ways.gather(1, self.firsts.unsqueeze(-1).expand_as(ways))
        with torch.autocast(ways.device.type, enabled=False):
            return (self.matrices @ own.unsqueeze(-1)).squeeze(-1)

    def place(self, draws: Tensor) -> Tensor:
        """Coordinates in [0, 1) of atoms whose orbits' free parameters are the draws of their first atoms.

        Args:
            draws: Uniform in [0, 1), shape ``(B, N, 3)``.
        """
        return wrap(self.moved(draws) + self.vectors)

    def symmetrise(self, displacement: Tensor) -> Tensor:
        """The nearest displacement that keeps atoms on their orbits: that of atom j averaged as R v_i over g(i) = j.

        A projection. The mean over the atoms is one that all operations leave, so taking it away commutes with this.

        Args:
            displacement: Fractional, shape ``(B, N, 3)``.
        """
        return self._averaged(self._turned(displacement))

    def cleaned(self, fractional: Tensor) -> Tensor:
        """Coordinates of almost symmetric atoms moved onto their exact orbits, in [0, 1).

        Args:
            fractional: Shape ``(B, N, 3)``; off by less than a quarter of the distance to another atom's place.
        """
        images = self._turned(fractional) + self.translations.unsqueeze(2)
        moved = wrap(fractional + self._averaged(shortest(images - fractional.unsqueeze(1))))
        return moved * self.mask.unsqueeze(-1)

    def symmetrise_cell(self, lattice: Tensor) -> Tensor:
        """A cell that the point group allows: the metric tensor averaged as R^T G R, the volume kept.

        A projection. In the frame of the averaged cell the lattice is not the given one turned: only lengths and angles
        count.

        Args:
            lattice: Vectors as rows, shape ``(B, 3, 3)``, not flat.

        Returns:
            Right-handed, the first vector along x, the second in the plane of x and y; float64.
        """
        rows, turns = lattice.double(), self.rotations.double()
        # Cells are brought to a volume of 1, so that averages of any size are as exact.
        volume = torch.linalg.det(rows).abs()[:, None, None]
        metric = (rows @ rows.mT).unsqueeze(1) / volume.unsqueeze(1) ** (2 / 3)
        averaged = (self.shares.double()[..., None, None] * (turns.mT @ metric @ turns)).sum(1)
        rows = torch.linalg.cholesky_ex(averaged)[0]
        growth: Tensor = (volume / rows.diagonal(dim1=-2, dim2=-1).prod(-1)[:, None, None]) ** (1 / 3)
        cell: Tensor = rows * growth
        return cell

    def _turned(self, vectors: Tensor) -> Tensor:
        """R v_i for every operation and the atom j that it brings i to, shape ``(B, G, N, 3)``."""
        batch, operations, atoms = self.sources.shape
        rows = self.sources.reshape(batch, operations * atoms, 1).expand(-1, -1, 3)
        moved = vectors.gather(1, rows).view(batch, operations, atoms, 3)
        with torch.autocast(vectors.device.type, enabled=False):
            turned: Tensor = moved @ self.rotations.to(vectors.dtype).mT
        return turned

    def _averaged(self, images: Tensor) -> Tensor:
        return (self.shares.to(images.dtype)[..., None, None] * images).sum(1)
