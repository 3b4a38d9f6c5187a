"""Random molecules: their frequencies, symmetry, padding, reproducibility."""

import numpy as np
import pytest
import torch

from molgen.benchmark.molecules import QM9, RandomMolecules, random_batch
from molgen.models import DataSummary

DATA = DataSummary(
    elements=(1, 6, 8),
    size_histogram=(0, 0, 0, 10, 0, 20, 30),
    element_counts=(5, 3, 2),
    charges=(-1, 0),
    charge_counts=(1, 3),
    bond_orders=(0, 1, 2),
    bond_counts=(5, 4, 1),
    position_std=1.7,
)


def test_frequencies():
    batch = random_batch(DATA, torch.full((3000,), 6), torch.Generator().manual_seed(0))
    elements, charges = batch.elements.flatten(), batch.charges.flatten()
    assert [float((elements == z).float().mean()) for z in (1, 6, 8)] == pytest.approx([0.5, 0.3, 0.2], abs=0.015)
    assert float((charges == -1).float().mean()) == pytest.approx(0.25, abs=0.015)
    upper = batch.bonds[:, *np.triu_indices(6, 1)]
    assert [float((upper == o).float().mean()) for o in (0, 1, 2)] == pytest.approx([0.5, 0.4, 0.1], abs=0.015)
    assert float(batch.positions.std()) == pytest.approx(1.7, rel=0.02)


def test_symmetry_and_padding():
    sizes = torch.tensor([3, 6, 5])
    batch = random_batch(DATA, sizes, torch.Generator().manual_seed(1))
    assert torch.equal(batch.num_atoms, sizes)
    assert torch.equal(batch.bonds, batch.bonds.mT)
    assert not batch.bonds.diagonal(dim1=1, dim2=2).any()
    empty = ~batch.mask
    for values in (batch.elements, batch.charges, batch.positions.abs().sum(-1), batch.bonds.sum(-1)):
        assert not values[empty].any()
    assert bool((batch.elements[batch.mask] > 0).all())


def test_without_bonds():
    plain = DataSummary(elements=(1, 8), size_histogram=(0, 0, 1))
    batch = random_batch(plain, torch.tensor([2, 2]), torch.Generator())
    assert batch.bonds is None
    assert batch.charges is None
    assert set(batch.elements.flatten().tolist()) <= {1, 8}


def test_as_a_data_set():
    molecules = RandomMolecules(DATA, 600, seed=3)
    assert np.array_equal(molecules.indices("train"), np.arange(600))
    shares = np.bincount(molecules.sizes, minlength=7) / 600
    assert shares == pytest.approx([0, 0, 0, 1 / 6, 0, 1 / 3, 1 / 2], abs=0.07)
    first, again = molecules.batch([5, 9]), molecules.batch([5, 9])
    assert torch.equal(first.positions, again.positions)
    assert np.array_equal(first.num_atoms.numpy(), molecules.sizes[[5, 9]])
    assert not torch.equal(first.positions[0, :3], molecules.batch([5, 8]).positions[0, :3])


def test_the_embedded_statistics_are_those_of_qm9():
    histogram = np.array(QM9.size_histogram)
    assert histogram @ np.arange(len(histogram)) / histogram.sum() == pytest.approx(18.1, abs=0.01)
    assert QM9.max_atoms == 29
    assert QM9.has_bonds
    bonds_per_atom = sum(QM9.bond_counts[1:]) / sum(QM9.element_counts)
    assert bonds_per_atom == pytest.approx(1.03, abs=0.02)
