"""The summary of a training set against a plain loop over its structures."""

import numpy as np
import pytest

from molgen.datasets.packed import PackedDataset, PackWriter
from molgen.structure import Structure
from molgen.training import summary
from molgen.training.summary import summarise


def random_molecule(rng, stated):
    n = int(rng.integers(1, 7))
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n) if rng.random() < 0.4]
    return Structure(
        numbers=rng.choice([1, 6, 8, 35], n),
        positions=4 + rng.normal(size=(n, 3)),
        charges=rng.choice([-2, 0, 0, 0, 1], n) if stated else None,
        bonds=[(i, j, int(rng.choice([1, 2, 4]))) for i, j in pairs] if stated else None,
    )


def pack(folder, molecules, split):
    with PackWriter(folder, name="random") as writer:
        for molecule in molecules:
            writer.add(molecule)
        writer.finish(np.array(split), {})
    return PackedDataset.open(folder)


def count(values, kinds):
    return tuple(sum(value == kind for value in values) for kind in kinds)


@pytest.mark.parametrize("stated", [True, False])
def test_against_a_loop(tmp_path, monkeypatch, stated):
    monkeypatch.setattr(summary, "_PIECE", 7)
    rng = np.random.default_rng(3)
    dataset = pack(tmp_path / "set", [random_molecule(rng, stated) for _ in range(60)], [0, 0, 0, 1, 2] * 12)
    train = list(dataset.structures("train"))
    assert len(train) == 36
    result = summarise(dataset)
    numbers = [z for s in train for z in s.numbers.tolist()]
    assert result.elements == (1, 6, 8, 35)
    assert result.element_counts == count(numbers, result.elements)
    sizes = [len(s) for s in train]
    assert result.size_histogram == tuple(sizes.count(n) for n in range(max(sizes) + 1))
    squares = [np.square(s.positions - s.positions.mean(0)) for s in train]
    assert result.position_std == pytest.approx(float(np.sqrt(np.concatenate(squares).mean())), rel=1e-6)
    if not stated:
        assert (result.charges, result.charge_counts, result.bond_orders, result.bond_counts) == ((), (), (), ())
        return
    charges = [q for s in train for q in s.charges.tolist()]
    assert result.charges == (-2, 0, 1)
    assert result.charge_counts == count(charges, result.charges)
    orders = []
    for s in train:
        dense = np.zeros((len(s), len(s)), int)
        dense[s.bonds[:, 0], s.bonds[:, 1]] = s.bonds[:, 2]
        orders += dense[np.triu_indices(len(s), 1)].tolist()
    assert result.bond_orders == (0, 1, 2, 4)
    assert result.bond_counts == count(orders, result.bond_orders)


def test_no_bond_is_a_class_even_where_all_pairs_are_bonded(tmp_path):
    one = Structure(numbers=[1, 1], positions=[[0, 0, 0], [0, 0, 0.74]], charges=[0, 0], bonds=[[0, 1, 1]])
    result = summarise(pack(tmp_path / "hydrogen", [one] * 3, [0, 0, 1]))
    assert (result.bond_orders, result.bond_counts) == ((0, 1), (0, 2))
