"""Distance between two geometries of the same atoms, whatever their place and orientation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def kabsch_rmsd(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Root mean square deviation in angstrom after the best rotation and translation (Kabsch 1976).

    Atoms are matched by their place in the arrays; there is no reflection, so that mirror images differ.

    Args:
        first: Coordinates in angstrom, shape ``(N, 3)``, ``N >= 1``.
        second: The same, shape ``(N, 3)``.
    """
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    left, _, right = np.linalg.svd(a.T @ b)
    left[:, -1] *= np.sign(np.linalg.det(left) * np.linalg.det(right))
    # From the coordinates themselves: the closed formula with singular values cancels digits of small deviations.
    return float(np.sqrt(((a @ (left @ right) - b) ** 2).sum() / len(a)))
