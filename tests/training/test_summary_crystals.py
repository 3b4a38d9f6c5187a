"""The summary's lattice moments, against logarithms of matrices taken one by one."""

import numpy as np
import pytest
from scipy.linalg import logm

from molgen.training.summary import summarise
from tests.training.test_summary import pack, random_molecule


def test_lattice_moments_by_matrix_logarithm(tmp_path):
    rng = np.random.default_rng(5)
    crystals = [random_molecule(rng, False).replace(lattice=rng.normal(size=(3, 3)) + 4 * np.eye(3)) for _ in range(20)]
    dataset = pack(tmp_path / "set", crystals, [0, 0, 0, 1] * 5)
    rows = []
    for crystal in dataset.structures("train"):
        s = logm(crystal.lattice @ crystal.lattice.T).real / 2
        rows.append(
            [s[0, 1], s[0, 2], s[1, 2], (s[0, 0] - s[1, 1]) / 2, (s[0, 0] + s[1, 1] - 2 * s[2, 2]) / 6, np.trace(s) / 3]
        )
        rows[-1][5] -= np.log(len(crystal)) / 3
        assert np.exp(3 * rows[-1][5]) == pytest.approx(abs(np.linalg.det(crystal.lattice)) / len(crystal))
    summary = summarise(dataset)
    np.testing.assert_allclose(summary.lattice_mean, np.mean(rows, axis=0), atol=1e-9)
    np.testing.assert_allclose(summary.lattice_std, np.std(rows, axis=0), atol=1e-9)
    assert summary.is_periodic


def test_molecules_have_no_lattice_moments(tmp_path):
    summary = summarise(pack(tmp_path / "set", [random_molecule(np.random.default_rng(0), False)] * 2, [0, 1]))
    assert summary.lattice_mean == summary.lattice_std == ()
    assert not summary.is_periodic
