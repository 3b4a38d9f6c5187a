"""Lattices: matrix, lengths and angles, symmetric logarithm; volume and handedness.

Rows of a lattice are its vectors in angstrom: cartesian = fractional @ lattice.
"""

from __future__ import annotations

import torch
from torch import Tensor

from molgen.geometry.periodic import wrap


def volume(lattice: Tensor) -> Tensor:
    """Volume of the cell in cubic angstrom, never negative, shape ``(...)`` for ``(..., 3, 3)``."""
    determinant: Tensor = torch.linalg.det(lattice)
    return determinant.abs()


def heights(lattice: Tensor) -> Tensor:
    """Distances between opposite faces in angstrom, shape ``(..., 3)``: 1 / |reciprocal vector|, 0 of a flat cell."""
    faces: Tensor = _opposite_faces(lattice).norm(dim=-1)
    return volume(lattice).unsqueeze(-1) / faces.clamp(min=torch.finfo(lattice.dtype).tiny)


def lengths_angles(lattice: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths a, b, c in angstrom and angles alpha, beta, gamma in degrees, each ``(..., 3)``.

    By atan2(|b x c|, b . c), which keeps its digits near 0, 90 and 180 degrees.

    Args:
        lattice: Shape ``(..., 3, 3)``.
    """
    after, next_after = lattice.roll(-1, dims=-2), lattice.roll(-2, dims=-2)
    crossed = _opposite_faces(lattice).norm(dim=-1)
    return lattice.norm(dim=-1), torch.rad2deg(torch.atan2(crossed, (after * next_after).sum(-1)))


def from_lengths_angles(lengths: Tensor, angles: Tensor) -> Tensor:
    """Right-handed lattice with a along x and b in the xy plane, shape ``(..., 3, 3)``.

    Args:
        lengths: a, b, c in angstrom, shape ``(..., 3)``.
        angles: alpha, beta, gamma in degrees, shape ``(..., 3)``; those of no cell (alpha > beta + gamma) give NaN.
    """
    a, b, c = lengths.unbind(-1)
    # sin(90 - x) is exactly 0 at 90 degrees, where cos(pi/2) is not.
    cos_alpha, cos_beta, cos_gamma = torch.sin(torch.deg2rad(90.0 - angles)).unbind(-1)
    sin_gamma = torch.sin(torch.deg2rad(angles[..., 2]))
    x, y = cos_beta, (cos_alpha - cos_beta * cos_gamma) / sin_gamma
    z = (1.0 - x.square() - y.square()).sqrt()
    zero = torch.zeros_like(a)
    rows = (a, zero, zero, b * cos_gamma, b * sin_gamma, zero, c * x, c * y, c * z)
    return torch.stack(rows, dim=-1).view(*a.shape, 3, 3)


def symmetric_log(lattice: Tensor) -> Tensor:
    """Coefficients k of S = 1/2 log(L L^T), shape ``(..., 6)``: the shape of a cell, whatever its orientation.

    k = (S01, S02, S12, (S00 - S11)/2, (S00 + S11 - 2 S22)/6, tr S / 3) (Jiao et al. 2024, DiffCSP++; CrystalFlow, Luo
    et al. 2024). exp(3 k5) is the volume; the others are strains. From the singular values in float64, because the
    eigenvalues of L L^T would lose half the digits. No gradient: it is singular where axes are equal (cubic).

    Args:
        lattice: Shape ``(..., 3, 3)``, either handedness; zero volume gives infinities.

    Returns:
        In the dtype of ``lattice``.
    """
    left, values, _ = torch.linalg.svd(lattice.detach().double())
    s = (left * values.log().unsqueeze(-2)) @ left.mT
    s00, s11, s22 = s.diagonal(dim1=-2, dim2=-1).unbind(-1)
    diagonal = ((s00 - s11) / 2.0, (s00 + s11 - 2.0 * s22) / 6.0, (s00 + s11 + s22) / 3.0)
    return torch.stack((s[..., 0, 1], s[..., 0, 2], s[..., 1, 2], *diagonal), dim=-1).to(lattice.dtype)


def from_symmetric_log(k: Tensor) -> Tensor:
    """The symmetric positive lattice exp(S), right-handed, shape ``(..., 3, 3)``: the inverse up to a rotation.

    Differentiable everywhere, degenerate cells included (matrix exponential without eigenvectors).

    Args:
        k: Coefficients as ``symmetric_log`` gives them, shape ``(..., 6)``.
    """
    k0, k1, k2, k3, k4, k5 = k.unbind(-1)
    rows = (k5 + k4 + k3, k0, k1, k0, k5 + k4 - k3, k2, k1, k2, k5 - 2.0 * k4)
    with torch.autocast(k.device.type, enabled=False):  # no product inside may be rounded
        return torch.matrix_exp(torch.stack(rows, dim=-1).view(*k0.shape, 3, 3))


def right_handed(lattice: Tensor, fractional: Tensor) -> tuple[Tensor, Tensor]:
    """The same crystal in a right-handed cell.

    Where det L < 0, all axes are reversed: L becomes -L and f becomes -f, wrapped. Every atom stays where it is, up to
    lattice vectors, so chirality is kept. Lengths, angles and ``symmetric_log`` stay, so a reduced cell stays reduced.

    Args:
        lattice: Shape ``(B, 3, 3)``.
        fractional: Shape ``(B, N, 3)``, zero in padding.

    Returns:
        Lattice and fractional coordinates in [0, 1).
    """
    sign = torch.where(torch.linalg.det(lattice) < 0.0, -1.0, 1.0).to(lattice.dtype)[:, None, None]
    return sign * lattice, wrap(sign.to(fractional.dtype) * fractional)


def _opposite_faces(lattice: Tensor) -> Tensor:
    """b x c, c x a, a x b, shape ``(..., 3, 3)``."""
    faces: Tensor = torch.linalg.cross(lattice.roll(-1, dims=-2), lattice.roll(-2, dims=-2), dim=-1)
    return faces
