"""Pairing noise with data: the permutation, and in space the rotation, that bring the noise close to a structure."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment  # type: ignore[attr-defined]
from torch import Tensor

from molgen.geometry.periodic import shortest

_NEVER = 1e6
"""Cost of a pair of different kinds: more than all squared distances together."""


def align_noise(noise: Tensor, target: Tensor, mask: Tensor, kinds: Tensor, turn: Tensor) -> Tensor:
    """Permute the atoms of the noise and rotate it, so that each structure's squared distance to it is small.

    First the optimal assignment of atoms (Hungarian algorithm), then the optimal rotation or reflection (Kabsch), as in
    equivariant flow matching (Klein et al. 2023; Song et al. 2023). Isotropic noise and an equivariant network see no
    other distribution; the paths become shorter and cross less.

    Args:
        noise: Draws, zero outside the mask, shape ``(B, N, 3)``; turned about the origin.
        target: Coordinates, zero outside the mask, shape ``(B, N, 3)``.
        mask: True for the atoms to pair, in any places, shape ``(B, N)``.
        kinds: Only atoms of the same kind change places, shape ``(B, N)``: those that a network tells apart by what it
            is given would otherwise learn from the noise which is which.
        turn: True where the noise may be rotated, shape ``(B,)``: where nothing fixes the frame.

    Returns:
        The noise, permuted and rotated, on the device of ``noise``.
    """
    permuted = _assigned(noise, torch.cdist(target.float(), noise.float()).square(), mask, kinds)
    left, _, right = torch.linalg.svd(permuted.double().mT @ target.double())
    rotation = torch.where(turn[:, None, None], left @ right, torch.eye(3, dtype=left.dtype, device=left.device))
    aligned: Tensor = permuted @ rotation.to(noise.dtype)
    return aligned


def assign_on_torus(noise: Tensor, target: Tensor, mask: Tensor, kinds: Tensor) -> Tensor:
    """Permute the atoms of the noise so that the squared distances to the target, summed, are smallest on the torus.

    Lengths are in units of the cell vectors, whatever the cell. The origin stays: the best shift of one against the
    other would need a search.

    Args:
        noise: Fractional coordinates, shape ``(B, N, 3)``.
        target: Fractional coordinates, shape ``(B, N, 3)``.
        mask: True for the atoms to pair, in any places, shape ``(B, N)``; the others keep theirs.
        kinds: Only atoms of the same kind change places, shape ``(B, N)``; see ``align_noise``.

    Returns:
        The noise, permuted.
    """
    cost = shortest(target.unsqueeze(2) - noise.unsqueeze(1)).float().square().sum(-1)
    return _assigned(noise, cost, mask, kinds)


def _assigned(noise: Tensor, cost: Tensor, mask: Tensor, kinds: Tensor) -> Tensor:
    """The noise in the order of least total cost; ``cost[b, i, j]`` is that of noise j in place i."""
    different = kinds.unsqueeze(2) != kinds.unsqueeze(1)
    costs = (cost + _NEVER * different).cpu().numpy()
    order = np.tile(np.arange(mask.shape[1]), (len(mask), 1))
    for row, wanted in enumerate(mask.cpu().numpy()):
        atoms = np.flatnonzero(wanted)
        order[row, atoms] = atoms[linear_sum_assignment(costs[row][np.ix_(atoms, atoms)])[1]]
    index = torch.from_numpy(order).to(noise.device).unsqueeze(-1).expand(-1, -1, 3)
    return noise.gather(1, index)
