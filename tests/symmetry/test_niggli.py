"""Niggli reduction against spglib's, and what is no cell."""

import numpy as np
import pytest
import spglib

from molgen.errors import InputError
from molgen.symmetry.niggli import niggli_change

FACE_CENTRED = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 2.8
CELLS = [
    np.eye(3) * 4.0,
    FACE_CENTRED,
    np.array([[-1.0, 1, 1], [1, -1, 1], [1, 1, -1]]) * 1.4,
    np.array([[3.0, 0, 0], [-1.5, 1.5 * np.sqrt(3), 0], [0, 0, 5]]),
    np.array([[3.0, 0, 0], [1.5, 1.5 * np.sqrt(3), 0], [0, 0, 5]]),
    np.array([[3.0, 0, 0], [-0.6, 4.0, 0], [0.7, -0.9, 6.1]]),
]


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_cell_as_spglibs_from_any_basis(cell):
    rng = np.random.default_rng(0)
    wanted = np.asarray(spglib.niggli_reduce(cell, eps=1e-5))
    for _ in range(20):
        change = np.eye(3, dtype=np.int64)
        for _ in range(4):
            row, other = rng.choice(3, 2, replace=False)
            change[row] += rng.integers(-2, 3) * change[other]
        found = niggli_change(change @ cell)
        assert found.dtype == np.int64
        assert round(float(np.linalg.det(found))) == 1
        reduced = found @ change @ cell
        np.testing.assert_allclose(reduced @ reduced.T, wanted @ wanted.T, atol=1e-6)


@pytest.mark.parametrize("cell", [np.zeros((3, 3)), np.diag([1.0, 1.0, 0.0]), np.full((3, 3), np.nan)])
def test_flat_cells(cell):
    with pytest.raises(InputError, match=r"^zero volume: "):
        niggli_change(cell)
