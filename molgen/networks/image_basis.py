"""Geometry of a crystal's pairs as features: sums over periodic images, and waves along the cell vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from molgen.geometry.periodic import offsets, shortest
from molgen.networks.attention import Layout


class ImageBasis(nn.Module):
    """Even features (the same from either atom of a pair) and odd ones (reversed), invariant to shifts of either atom.

    Even: sums of bumps of the distance over the 27 nearest images, and cosines of the fractional difference. Odd: sums
    of (fractional vector) x (bump) over the images, and sines. Rotations change neither, as fractional coordinates and
    lengths are all that enters; inversion of the crystal changes the sign of the odd ones.

    A bump is (1 - u^2)^2 within twice the spacing of the centres, else 0: six times cheaper than a Gaussian.

    Args:
        bumps: R, of the distance.
        waves: W, frequencies of the waves.
        largest: Distance of the last bump's centre, in angstrom.
    """

    def __init__(self, bumps: int, waves: int = 4, largest: float = 6.0) -> None:
        super().__init__()
        self.even = bumps + 3 * waves
        self.odd = bumps + waves
        centres = torch.linspace(0.5, largest, bumps)
        self.width = 2.0 * float(centres[1] - centres[0])
        self.register_buffer("centres", centres, persistent=False)
        self.register_buffer("frequencies", 2.0 * torch.pi * torch.arange(1.0, waves + 1), persistent=False)
        self.centres: Tensor
        self.frequencies: Tensor

    @torch.no_grad()
    def forward(self, fractional: Tensor, lattice: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        """Features of the pairs i < j; no gradient passes.

        Args:
            fractional: Shape ``(B, N, 3)``.
            lattice: Cell vectors as rows in angstrom, shape ``(B, 3, 3)``.
            layout: Of the batch.

        Returns:
            Even features ``(B, P, R + 3 W)`` and odd vectors in fractional coordinates ``(B, P, R + W, 3)``.
        """
        difference = shortest(layout.lines(fractional)[0])
        images = difference.unsqueeze(-2) + offsets(1, difference)
        distances = _lengths(images, lattice)
        near = self._bumps(distances)
        with torch.autocast(images.device.type, enabled=False):
            pulls = torch.matmul(near.mT, images / (1.0 + distances).unsqueeze(-1))
        frequencies = self.frequencies.to(difference).unsqueeze(-1)
        angles = difference.unsqueeze(-2) * frequencies
        even = torch.cat([near.sum(-2), angles.cos().flatten(-2)], dim=-1)
        return even, torch.cat([pulls, angles.sin() / frequencies], dim=-2)

    @torch.no_grad()
    def own_images(self, lattice: Tensor) -> Tensor:
        """Sums over an atom's own images, shape ``(B, R)``: what the lattice alone says."""
        shifts = offsets(1, lattice)
        shifts = shifts[shifts.any(-1)].expand(len(lattice), 1, -1, 3)
        return self._bumps(_lengths(shifts, lattice)).sum(-2).squeeze(1)

    def _bumps(self, distances: Tensor) -> Tensor:
        """``(...)`` -> ``(..., R)``."""
        u = distances.unsqueeze(-1) - self.centres.to(distances)
        return u.square_().mul_(-1.0 / self.width**2).add_(1.0).clamp_(min=0.0).square_()


def _lengths(vectors: Tensor, lattice: Tensor) -> Tensor:
    """Of fractional vectors ``(B, P, 27, 3)`` in angstrom, shape ``(B, P, 27)``."""
    with torch.autocast(vectors.device.type, enabled=False):
        cartesian = torch.bmm(vectors.flatten(1, 2), lattice).view(vectors.shape)
    return cartesian.square().sum(-1).sqrt()
