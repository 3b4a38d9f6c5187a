"""Exact arithmetic of symmetry: constants of operations and positions on a grid, and whole cells near the origin."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

GRID = 48
"""Whole numbers of 1/48 are all constants of representatives and operations in any primitive basis."""
CELLS = np.array(sorted(product(range(-2, 3), repeat=3), key=lambda cell: sum(map(abs, cell))), np.float64)
"""Whole cells up to two from the origin along every axis, nearest first, shape ``(125, 3)``."""


def on_grid(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moved by whole cells into [0, 1), and free of rounding, any shape."""
    exact: NDArray[np.float64] = np.mod(np.rint(vectors * GRID), GRID) / GRID
    return exact
