"""Placements of many genes as one :class:`Symmetry`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.geometry.symmetry import Symmetry
from molgen.symmetry.placement import Placement


def padded(
    placements: Sequence[Placement],
    mask: Tensor,
    dtype: torch.dtype,
    parameters: Sequence[NDArray[np.float64]] | None = None,
    kept: Sequence[bool] | None = None,
) -> Symmetry:
    """Placements as tensors.

    Args:
        placements: One for each row of the mask.
        mask: True for real atoms, shape ``(B, N)``.
        dtype: Of the floating tensors.
        parameters: Free parameters of each placement's orbits, each of shape ``(orbits, 3)``; None where they are not
            known.
        kept: Which of them are placements in space groups that are kept to, shape ``(B,)``; None for all.
    """
    batch, n = mask.shape
    most = max((len(one.rotations) for one in placements), default=1)
    rotations, translations = np.tile(np.eye(3), (batch, most, 1, 1)), np.zeros((batch, most, 3))
    shares = np.zeros((batch, most))
    sources, firsts = np.tile(np.arange(n), (batch, most, 1)), np.tile(np.arange(n), (batch, 1))
    matrices, vectors, known = np.zeros((batch, n, 3, 3)), np.zeros((batch, n, 3)), np.zeros((batch, n, 3))
    groups, places = np.zeros(batch, np.int64), np.zeros((batch, n), np.int64)
    for row, one in enumerate(placements):
        operations, atoms = one.sources.shape
        rotations[row, :operations], translations[row, :operations] = one.rotations, one.translations
        shares[row, :operations] = 1 / operations
        sources[row, :operations, :atoms], firsts[row, :atoms] = one.sources, one.firsts
        matrices[row, :atoms], vectors[row, :atoms] = one.matrices, one.vectors
        groups[row] = one.gene.number if kept is None or kept[row] else 0
        places[row, :atoms] = np.array([k for _, k in one.gene.orbits])[one.orbits]
        if parameters is not None:
            known[row, :atoms] = parameters[row][one.orbits]

    def tensor(values: NDArray[Any]) -> Tensor:
        moved = torch.from_numpy(values).to(mask.device)
        return moved if values.dtype == np.int64 else moved.to(dtype)

    return Symmetry(
        mask=mask,
        rotations=tensor(rotations),
        translations=tensor(translations),
        shares=tensor(shares),
        sources=tensor(sources),
        firsts=tensor(firsts),
        matrices=tensor(matrices),
        vectors=tensor(vectors),
        groups=tensor(groups),
        places=tensor(places),
        parameters=None if parameters is None else tensor(known),
    )
