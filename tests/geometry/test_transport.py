"""Pairing of noise with molecules, against all permutations and against SciPy's rotations."""

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from molgen.geometry.centering import remove_mean
from molgen.geometry.periodic import shortest
from molgen.geometry.transport import align_noise, assign_on_torus
from molgen.testing import random_orthogonal

SIZES = [5, 1, 4, 2, 3]


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(8)


def drawn(mask, generator, std=1.0):
    x = std * torch.randn(*mask.shape, 3, generator=generator, dtype=torch.float64)
    return remove_mean(x, mask)


def first_atoms(sizes):
    return torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]


def paired(noise, target, mask):
    """Where nothing is known of the molecule."""
    return align_noise(noise, target, mask, torch.zeros_like(mask, dtype=torch.int64), torch.ones_like(mask[:, 0]))


def squared(a, b):
    return (a - b).square().sum((-1, -2))


def best_permutation(noise, target):
    """Of one structure without padding, by trying all."""
    return min((noise[list(p)] for p in permutations(range(len(noise)))), key=lambda x: float(squared(x, target)))


def turned(noise, target):
    """The noise after the rotation or reflection that brings it closest, by SciPy."""
    options = []
    for sign in (1.0, -1.0):
        rotation, _ = Rotation.align_vectors(target.numpy(), sign * noise.numpy())
        options.append(torch.from_numpy(rotation.apply(sign * noise.numpy())))
    return min(options, key=lambda x: float(squared(x, target)))


@pytest.mark.filterwarnings("ignore:Optimal rotation is not uniquely")  # one or two atoms leave it open
def test_against_all_permutations_and_scipy(generator):
    for _ in range(10):
        mask = first_atoms(SIZES)
        noise, target = drawn(mask, generator), drawn(mask, generator, 1.7)
        aligned = paired(noise, target, mask)
        for row, n in enumerate(SIZES):
            expected = best_permutation(noise[row, :n], target[row, :n])
            if n > 2:
                torch.testing.assert_close(aligned[row, :n], turned(expected, target[row, :n]), rtol=0, atol=1e-6)
            assert float(squared(aligned[row, :n], target[row, :n])) <= float(squared(expected, target[row, :n])) + 1e-9
            assert not aligned[row, n:].any()


def test_no_other_rotation_is_better(generator):
    """The result is a permutation, turned; and turning it further, by little or much, makes it worse."""
    mask = first_atoms([9])
    noise, target = drawn(mask, generator), drawn(mask, generator)
    aligned = paired(noise, target, mask)[0]
    lengths = aligned.norm(dim=-1).sort().values
    torch.testing.assert_close(lengths, noise[0].norm(dim=-1).sort().values)
    best = float(squared(aligned, target[0]))
    assert best < float(squared(noise[0], target[0]))
    small = Rotation.from_rotvec(0.02 * np.random.default_rng(0).normal(size=(200, 3)))
    for q in [*Rotation.random(300, random_state=1), *small]:
        for sign in (1.0, -1.0):
            assert float(squared(sign * aligned @ torch.from_numpy(q.as_matrix()), target[0])) >= best - 1e-9


@pytest.mark.parametrize("reflect", [False, True])
def test_turning_the_molecule_turns_the_result(reflect, generator):
    """If the assignment is the same; where all atoms of the noise lie far apart compared to the turn, it is."""
    mask = first_atoms([6, 6])
    noise = drawn(mask, generator)
    target = noise[:, [3, 0, 5, 1, 4, 2]] * 1.2
    q = random_orthogonal(generator, reflect=reflect)
    first = paired(noise @ q.T, target @ q.T, mask)
    torch.testing.assert_close(first, paired(noise, target, mask) @ q.T, rtol=0, atol=1e-9)
    torch.testing.assert_close(first, target @ q.T / 1.2, rtol=0, atol=1e-9)


def test_atoms_to_pair_may_lie_anywhere(generator):
    """Where part of a molecule is given, the others are paired with each other alone, wherever they stand."""
    mask = torch.tensor([[False, True, False, True, True, False], [True, False, True, True, False, True]])
    noise = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64) * mask.unsqueeze(-1)
    target = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64) * mask.unsqueeze(-1)
    aligned = paired(noise, target, mask)
    assert not aligned[~mask].any()
    for row in range(2):
        atoms = mask[row]
        expected = turned(best_permutation(noise[row, atoms], target[row, atoms]), target[row, atoms])
        torch.testing.assert_close(aligned[row, atoms], expected, rtol=0, atol=1e-6)


def test_the_dtype_is_kept_and_nothing_to_pair_is_no_error():
    noise = torch.randn(2, 4, 3)
    mask = torch.zeros(2, 4, dtype=torch.bool)
    assert paired(noise * 0, noise * 0, mask).tolist() == (noise * 0).tolist()
    assert paired(noise, noise, ~mask).dtype == torch.float32


def test_kinds_keep_to_themselves_and_a_fixed_frame_is_not_turned(generator):
    mask = first_atoms([6, 5])
    noise, target = drawn(mask, generator), drawn(mask, generator)
    kinds = torch.tensor([[0, 0, 0, 1, 1, 1], [2, 0, 2, 0, 2, 0]])
    aligned = align_noise(noise, target, mask, kinds, torch.tensor([False, False]))
    for row in range(2):
        for kind in kinds[row].unique():
            same = mask[row] & (kinds[row] == kind)
            torch.testing.assert_close(aligned[row, same], best_permutation(noise[row, same], target[row, same]))
    free = align_noise(noise, target, mask, kinds, torch.tensor([False, True]))
    assert torch.equal(free[0], aligned[0])
    torch.testing.assert_close(free[1], turned(aligned[1], target[1]), rtol=0, atol=1e-6)


def test_assignment_on_the_torus_against_all_permutations(generator):
    """Each kind among itself, across the faces of the cell, padding and atoms that are not to be paired left alone."""
    mask = torch.tensor([[True] * 6, [True, False, True, True, True, False]])
    kinds = torch.tensor([[0, 1, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0]])
    for _ in range(5):
        noise, target = (torch.rand(2, 6, 3, generator=generator, dtype=torch.float64) for _ in range(2))
        found = assign_on_torus(noise, target, mask, kinds)
        assert torch.equal(found[~mask], noise[~mask])
        for row in range(2):
            for kind in (0, 1):
                same = mask[row] & (kinds[row] == kind)
                options = [noise[row, same][list(p)] for p in permutations(range(int(same.sum())))]
                costs = [float(shortest(option - target[row, same]).square().sum()) for option in options]
                torch.testing.assert_close(found[row, same], options[int(np.argmin(costs))])
