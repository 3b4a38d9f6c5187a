"""Vector channels beside scalars: normalisation and the gated equivariant block."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def normalised_vectors(v: Tensor, atoms: Tensor) -> Tensor:
    """Vectors over their root mean square length in the structure, shape ``(B, N, 3, V)``.

    Args:
        v: Zero in padding, shape ``(B, N, 3, V)``.
        atoms: 1 for real atoms, shape ``(B, N, 1)``.
    """
    channels = atoms.sum((1, 2)).clamp(min=1.0) * v.shape[-1]
    mean = v.square().sum((1, 2, 3)) / channels
    return v * (mean + 1e-6).rsqrt().view(-1, 1, 1, 1)


def normalised_steps(steps: Tensor, atoms: Tensor, epsilon: float) -> Tensor:
    """SE3Norm (Vignac et al. 2023) without its weight: vectors over their mean length in the structure.

    Args:
        steps: Zero in padding, shape ``(B, N, 3)``.
        atoms: 1 for real atoms, shape ``(B, N, 1)``.
        epsilon: Added to the mean length; what is much shorter keeps its length.
    """
    lengths = (steps.square().sum(-1, keepdim=True) + 1e-12).sqrt() * atoms
    mean = lengths.sum(1, keepdim=True) / atoms.sum(1, keepdim=True).clamp(min=1.0)
    return steps / (mean + epsilon)


class GatedBlock(nn.Module):
    """Gated equivariant block (Schuett et al. 2021; Le et al. 2022): scalars see lengths of vectors and scale vectors.

    Args:
        hidden: Scalars per atom.
        vectors: Vector channels per atom.
    """

    def __init__(self, hidden: int, vectors: int) -> None:
        super().__init__()
        self.sizes = [hidden, vectors]
        self.mix = nn.Linear(vectors, 2 * vectors, bias=False)
        self.update = nn.Sequential(nn.Linear(hidden + vectors, hidden), nn.SiLU(), nn.Linear(hidden, hidden + vectors))
        self.out = nn.Linear(vectors, vectors, bias=False)

    def forward(self, h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Changes of scalars ``(B, N, H)`` and vectors ``(B, N, 3, V)``."""
        measured, passed = self.mix(v).chunk(2, dim=-1)
        lengths = (measured.square().sum(2) + 1e-6).sqrt()
        scalars, gate = self.update(torch.cat([h, lengths.to(h.dtype)], dim=-1)).split(self.sizes, dim=-1)
        return scalars, self.out(gate.unsqueeze(2) * passed)
