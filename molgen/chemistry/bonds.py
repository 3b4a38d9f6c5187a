"""Bonds from distances by EDM's lookup (Hoogeboom et al. 2022), vectorised over pairs and molecules; numpy only.

A pair at distance d pm has order 1 if d < L1 + 10; then 2 if also d < L2 + 5; then 3 if also d < L3 + 3. Comparisons
are strict and nested, distances are float64, and no bond is found for pairs without a tabulated length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molgen.chemistry.tables import NUM_ELEMENTS, edm_tables, table_rows
from molgen.structure import Structure

PAIRS_AT_ONCE = 1_000_000
"""Distances held in memory at a time (8 bytes each, a few arrays)."""


@dataclass(frozen=True)
class BondList:
    """Bonds of many molecules whose atoms are numbered through, sorted by ``second``, then by ``first``.

    Attributes:
        first: Lower atom index of each bond, shape ``(M,)``, int64.
        second: Higher atom index, shape ``(M,)``, int64.
        order: 1, 2 or 3, shape ``(M,)``, int64.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    order: NDArray[np.int64]

    def valences(self, num_atoms: int) -> NDArray[np.int64]:
        """Sum of bond orders at each atom, shape ``(num_atoms,)``."""
        ends = np.concatenate([self.first, self.second])
        return np.bincount(ends, np.concatenate([self.order, self.order]), num_atoms).astype(np.int64)


def edm_bond_orders(numbers: NDArray, positions: NDArray) -> NDArray[np.int64]:
    """Bond orders of one molecule, or of a padded batch.

    Args:
        numbers: Atomic numbers, shape ``(..., N)``; 0 is padding and never bonds.
        positions: Coordinates in angstrom, shape ``(..., N, 3)``.

    Returns:
        Symmetric orders 0 to 3 with a zero diagonal, shape ``(..., N, N)``.
    """
    z, x = table_rows(numbers), np.asarray(positions, np.float64)
    orders = _orders(
        np.broadcast_to(z[..., :, None], (*z.shape, z.shape[-1])),
        np.broadcast_to(z[..., None, :], (*z.shape, z.shape[-1])),
        _distances_pm(x[..., :, None, :], x[..., None, :, :]),
    )
    orders[..., np.arange(z.shape[-1]), np.arange(z.shape[-1])] = 0
    return orders


def find_bonds(numbers: NDArray, positions: NDArray, sizes: NDArray) -> BondList:
    """Bonds inside each of many molecules, without padding: molecules of equal size are handled together.

    Args:
        numbers: Atomic numbers of all molecules one after another, shape ``(A,)``.
        positions: Their coordinates in angstrom, shape ``(A, 3)``.
        sizes: Atoms of each molecule, shape ``(B,)``, summing to ``A``.
    """
    z, x, sizes = table_rows(numbers), np.asarray(positions, np.float64), np.asarray(sizes, np.int64)
    offsets = np.cumsum(sizes) - sizes
    found: list[tuple[NDArray, NDArray, NDArray]] = [(np.zeros(0, np.int64),) * 3]
    for size in np.unique(sizes[sizes > 1]):
        starts = offsets[sizes == size]
        for i, j in _pairs(int(size)):
            step = max(1, PAIRS_AT_ONCE // len(i))
            for begin in range(0, len(starts), step):
                base = starts[begin : begin + step, None]
                found.append(_bonded(z, x, (base + i).ravel(), (base + j).ravel()))
    first, second, order = (np.concatenate(column) for column in zip(*found, strict=True))
    rank = np.lexsort((first, second))
    return BondList(first[rank], second[rank], order[rank])


def perceive_bonds(structure: Structure) -> Structure:
    """The structure with the bonds that the lookup finds; bonds it had are replaced.

    Args:
        structure: Any structure; a lattice plays no part.
    """
    found = find_bonds(structure.numbers, structure.positions, np.array([len(structure)]))
    return structure.replace(bonds=np.stack([found.first, found.second, found.order], axis=1))


def _bonded(z: NDArray, x: NDArray, i: NDArray, j: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    order = _orders(z[i], z[j], _distances_pm(x[i], x[j]))
    kept = np.flatnonzero(order)
    return i[kept], j[kept], order[kept]


def _pairs(size: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """All ``i < j < size`` in blocks of rows, so that one huge molecule does not need all its pairs at once."""
    rows_at_once = max(1, PAIRS_AT_ONCE // size)
    for begin in range(0, size - 1, rows_at_once):
        rows = np.arange(begin, min(begin + rows_at_once, size - 1))
        counts = size - 1 - rows
        i = np.repeat(rows, counts)
        within_row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        yield i, i + 1 + within_row


def _distances_pm(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    # Written out in x, y, z order: a fused or reordered sum could differ in the last bit, right at a threshold.
    with np.errstate(invalid="ignore", over="ignore"):  # coordinates that are not finite bond to nothing
        dx, dy, dz = (a[..., k] - b[..., k] for k in range(3))
        distances: NDArray[np.float64] = 100 * np.sqrt(dx * dx + dy * dy + dz * dz)
    return distances


def _orders(z_a: NDArray[np.int64], z_b: NDArray[np.int64], distance: NDArray[np.float64]) -> NDArray[np.int64]:
    single, double, triple = edm_tables().thresholds.reshape(3, -1)
    row = z_a * NUM_ELEMENTS + z_b
    order = np.zeros(distance.shape, np.int64)
    near = np.nonzero(distance < single[row])
    d, row = distance[near], row[near]
    is_double = d < double[row]
    order[near] = 1 + is_double + (is_double & (d < triple[row]))
    return order
