"""Points on the torus and their images in a crystal: wrapping, nearest images, distances.

Fractional coordinates have period 1 on every axis; cartesian = fractional @ lattice, lattice vectors as rows. Nothing
here is rounded by autocast.
"""

from __future__ import annotations

import torch
from torch import Tensor

from molgen.geometry.reduction import minkowski_reduced


def wrap(fractional: Tensor) -> Tensor:
    """Move into [0, 1), any shape; 1 itself never comes out, whatever the rounding."""
    wrapped = fractional - fractional.floor()
    return torch.where(wrapped < 1.0, wrapped, torch.zeros_like(wrapped))


def shortest(delta: Tensor) -> Tensor:
    """The shortest way on the torus, each component in [-1/2, 1/2], any shape."""
    return delta - delta.round()


def to_cartesian(fractional: Tensor, lattice: Tensor) -> Tensor:
    """Fractional ``(B, ..., 3)`` and lattice ``(B, 3, 3)`` to cartesian coordinates in angstrom."""
    return _times(fractional, lattice)


def to_fractional(cartesian: Tensor, lattice: Tensor) -> Tensor:
    """Cartesian ``(B, ..., 3)`` in angstrom and lattice ``(B, 3, 3)`` to fractional coordinates, not wrapped.

    Raises:
        torch.linalg.LinAlgError: A cell has no volume.
    """
    flat = cartesian.reshape(len(cartesian), -1, 3)
    fractional: Tensor = torch.linalg.solve(lattice, flat, left=False)
    return fractional.view(cartesian.shape)


def offsets(reach: int, like: Tensor) -> Tensor:
    """All (2 reach + 1)^3 integer vectors with components in -reach..reach, shape ``(M, 3)``, dtype of ``like``."""
    steps = torch.arange(-reach, reach + 1, device=like.device)
    return torch.cartesian_prod(steps, steps, steps).to(like.dtype)


def nearest_images(delta: Tensor, lattice: Tensor, count: int, reach: int = 1) -> Tensor:
    """The shortest of the vectors (delta + n) @ lattice over integers n, shortest first, in angstrom.

    Sought among n in -reach..reach about the wrapped ``delta``. With reach 1 the shortest is exact in a
    Minkowski-reduced cell, and a Niggli-reduced one is that; for more of them in cells with one axis far shorter than
    the others, raise ``reach``.

    Args:
        delta: Fractional differences, shape ``(B, ..., 3)``.
        lattice: Shape ``(B, 3, 3)``.
        count: Vectors for every difference, at most (2 reach + 1)^3.
        reach: Cells sought to each side.

    Returns:
        Shape ``(B, ..., count, 3)``.
    """
    direct = _times(shortest(delta), lattice).reshape(len(delta), -1, 3)
    shifts = _times(offsets(reach, lattice).expand(len(lattice), -1, 3), lattice)
    # |v + s|^2 - |v|^2: the order of lengths by one product, without a tensor of all vectors.
    further = _times(2.0 * direct, shifts.mT) + shifts.square().sum(-1).unsqueeze(-2)
    chosen = further.topk(count, dim=-1, largest=False).indices
    rows = torch.arange(len(lattice), device=chosen.device)[:, None, None]
    return (direct.unsqueeze(-2) + shifts[rows, chosen]).view(*delta.shape[:-1], count, 3)


def minimum_image(delta: Tensor, lattice: Tensor) -> Tensor:
    """The shortest of the vectors (delta + n) @ lattice over all integers n, in angstrom; exact in any cell.

    The cell is reduced first; in a Minkowski-reduced one the 27 nearest cells are enough.

    Args:
        delta: Fractional differences, shape ``(B, ..., 3)``.
        lattice: Shape ``(B, 3, 3)``.

    Returns:
        Shape of ``delta``.
    """
    reduced, change = minkowski_reduced(lattice)
    return nearest_images(_times(shortest(delta), change), reduced, 1).squeeze(-2)


def distance_matrix(fractional: Tensor, lattice: Tensor) -> Tensor:
    """Shortest distance between any images of two atoms in angstrom, exact in any cell, shape ``(B, N, N)``.

    0 on the diagonal: ``shortest_vector`` tells how near an atom is to itself.

    Args:
        fractional: Shape ``(B, N, 3)``.
        lattice: Shape ``(B, 3, 3)``.
    """
    vectors = minimum_image(fractional.unsqueeze(1) - fractional.unsqueeze(2), lattice)
    distances: Tensor = torch.linalg.vector_norm(vectors, dim=-1)
    return distances


def shortest_vector(lattice: Tensor) -> Tensor:
    """Length of the shortest lattice vector in angstrom: an atom's distance to itself, shape ``(B,)``."""
    lengths: Tensor = torch.linalg.vector_norm(minkowski_reduced(lattice)[0], dim=-1)
    return lengths[:, 0]


def _times(vectors: Tensor, matrices: Tensor) -> Tensor:
    """Row vectors ``(B, ..., 3)`` times ``(B, 3, M)``."""
    with torch.autocast(vectors.device.type, enabled=False):
        product = vectors.reshape(len(vectors), -1, 3) @ matrices
    return product.view(*vectors.shape[:-1], matrices.shape[-1])
