"""Averages over space groups: projections that keep crystals symmetric."""

import numpy as np
import pytest
import torch

from molgen.geometry.centering import remove_mean
from molgen.geometry.periodic import shortest
from molgen.symmetry.gene import Gene
from molgen.symmetry.padding import padded
from molgen.symmetry.placement import place

GENES = [
    Gene(227, ((6, 4), (8, 0))),
    Gene(1, ((6, 0), (8, 0))),
    Gene(99, ((6, 0), (8, 1), (26, 3))),
    Gene(161, ((3, 0), (8, 1))),
    Gene(14, ((3, 4), (8, 4))),
    Gene(62, ((3, 2), (8, 3))),
]
POLAR = [1, 2, 3]
"""Those whose origin may drift along an axis, or everywhere."""


@pytest.fixture
def symmetry():
    return padded([place(gene) for gene in GENES], mask(), torch.float64)


def mask():
    sizes = torch.tensor([len(gene.numbers) for gene in GENES])
    return torch.arange(int(sizes.max())) < sizes[:, None]


def draws(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*mask().shape, 3, generator=generator, dtype=torch.float64) * mask().unsqueeze(-1)


def images_of(symmetry, vectors):
    """R v_i of each operation, in the place of the atom that it brings i to, written out."""
    turned = torch.zeros(*symmetry.sources.shape, 3, dtype=torch.float64)
    for b, g, n in np.ndindex(*symmetry.sources.shape):
        turned[b, g, n] = symmetry.rotations[b, g] @ vectors[b, symmetry.sources[b, g, n]]
    return turned


def test_drawn_atoms_are_symmetric(symmetry):
    f = symmetry.place(draws())
    assert 0 <= float(f.min()) <= float(f.max()) < 1
    images = images_of(symmetry, f) + symmetry.translations.unsqueeze(2)
    real = mask()[:, None, :, None] & (symmetry.shares > 0)[..., None, None]
    assert float((shortest(images - f.unsqueeze(1)) * real).abs().max()) < 1e-9


def test_displacements_are_projected(symmetry):
    moved = symmetry.symmetrise(draws(1) - 0.5 * mask().unsqueeze(-1))
    torch.testing.assert_close(symmetry.symmetrise(moved), moved)
    images = images_of(symmetry, moved)
    torch.testing.assert_close(images, moved.unsqueeze(1).expand_as(images))
    assert float((moved * ~mask().unsqueeze(-1)).abs().max()) == 0
    free = draws(1)[1] - 0.5
    torch.testing.assert_close(symmetry.symmetrise(draws(1))[1], free + 0.5)  # P1 has nothing to average


def test_the_drift_may_be_taken_away_before_or_after(symmetry):
    """And only along axes that every operation leaves is there any."""
    raw = draws(2)
    one = remove_mean(symmetry.symmetrise(raw), mask())
    torch.testing.assert_close(one, symmetry.symmetrise(remove_mean(raw, mask())))
    drift = (symmetry.symmetrise(raw) - one).abs().amax((1, 2))
    assert [row for row in range(len(GENES)) if drift[row] > 1e-9] == POLAR


def test_atoms_are_moved_onto_their_orbits(symmetry):
    f = symmetry.place(draws())
    torch.testing.assert_close(shortest(symmetry.cleaned(f) - f) * mask().unsqueeze(-1), torch.zeros_like(f))
    noisy = (f + 1e-3 * draws(3)) % 1.0
    cleaned = symmetry.cleaned(noisy)
    images = images_of(symmetry, cleaned) + symmetry.translations.unsqueeze(2)
    real = mask()[:, None, :, None] & (symmetry.shares > 0)[..., None, None]
    assert float((shortest(images - cleaned.unsqueeze(1)) * real).abs().max()) < 1e-9
    assert 0 < float(shortest(cleaned - f).abs().max()) < 2e-3


def test_cells_are_projected(symmetry):
    noise = torch.randn(len(GENES), 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lattice = noise + 4 * torch.eye(3, dtype=torch.float64)
    cell = symmetry.symmetrise_cell(lattice)
    metric = cell @ cell.mT
    for turn in symmetry.rotations.unbind(1):
        torch.testing.assert_close(turn.mT @ metric @ turn, metric)
    torch.testing.assert_close(torch.linalg.det(cell), torch.linalg.det(lattice).abs())
    torch.testing.assert_close(symmetry.symmetrise_cell(cell), cell)
    torch.testing.assert_close(metric[1], (lattice @ lattice.mT)[1])


def test_some_keep_to_their_groups_and_others_are_free(symmetry):
    chosen = torch.tensor([row % 2 == 0 for row in range(len(GENES))])
    mixed, raw = symmetry.only(chosen), draws(4) - 0.5 * mask().unsqueeze(-1)
    assert mixed.groups.tolist() == [227, 0, 99, 0, 14, 0]
    made, all_of_them = mixed.symmetrise(raw), symmetry.symmetrise(raw)
    torch.testing.assert_close(made, torch.where(chosen[:, None, None], all_of_them, raw))
    placed = mixed.place(draws(5))
    torch.testing.assert_close(placed[chosen], symmetry.place(draws(5))[chosen])
    torch.testing.assert_close(placed[~chosen], draws(5)[~chosen])
    assert mixed.freedom[1].tolist() == [3] * mask().shape[1]


def test_changes_of_parameters_move_whole_orbits(symmetry):
    here, ways = draws(6), draws(7) - 0.5 * mask().unsqueeze(-1)
    moved = shortest(symmetry.place(here + ways) - symmetry.place(here) - symmetry.moved(ways))
    assert float((moved * mask().unsqueeze(-1)).abs().max()) < 1e-9
    torch.testing.assert_close(symmetry.symmetrise(symmetry.moved(ways)), symmetry.moved(ways))
