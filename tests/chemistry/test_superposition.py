import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from molgen.chemistry.superposition import kabsch_rmsd


def cloud(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 3))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 20])
def test_rotation_and_translation_do_not_count(n):
    points = cloud(n)
    turned = points @ Rotation.random(random_state=1).as_matrix().T + [3.0, -8.0, 0.5]
    assert kabsch_rmsd(points, turned) == pytest.approx(0, abs=1e-12)


def test_stretched_diatomic():
    before, after = np.array([[0, 0, 0], [0, 0, 1.0]]), np.array([[5, 0, 0], [6.4, 0, 0]])
    assert kabsch_rmsd(before, after) == pytest.approx(0.2)  # each end moves by half of 0.4


def test_mirror_image_differs():
    points = cloud(5)
    assert kabsch_rmsd(points, points * [1, 1, -1]) > 0.1


def test_flat_molecule_may_be_turned_over():
    flat = cloud(6) * [1, 1, 0]
    assert kabsch_rmsd(flat, flat * [1, -1, 1]) == pytest.approx(0, abs=1e-12)


def test_like_scipy():
    for seed in range(20):
        first, second = cloud(8, seed), cloud(8, seed + 100)
        a, b = first - first.mean(axis=0), second - second.mean(axis=0)
        expected = Rotation.align_vectors(a, b)[1] / np.sqrt(8)
        assert kabsch_rmsd(first, second) == pytest.approx(expected, rel=1e-9)


def test_small_deviations_keep_their_digits():
    before = np.array([[0, 0, 0], [0, 0, 1.0]])
    assert kabsch_rmsd(before, np.array([[0, 0, 0], [0, 0, 1.0 + 1e-9]])) == pytest.approx(5e-10, rel=1e-3)
