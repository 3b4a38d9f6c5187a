"""Batches to classes and back, and what is refused."""

import dataclasses

import pytest
import torch

from molgen.batch import AtomBatch
from molgen.errors import ConfigError
from molgen.models import DataSummary
from molgen.models.graph import GraphVocabulary
from molgen.structure import Structure

DATA = DataSummary(
    elements=(1, 6, 8),
    size_histogram=(0, 0, 1, 4),
    element_counts=(6, 3, 1),
    charges=(-1, 0),
    charge_counts=(1, 9),
    bond_orders=(0, 1, 2),
    bond_counts=(14, 4, 2),
    position_std=2.0,
)
FORMALDEHYDE = Structure(
    numbers=[8, 6, 1, 1],
    positions=[[0, 0, 1.2], [0, 0, 0], [0.9, 0, -0.6], [-0.9, 0, -0.6]],
    charges=[0, 0, 0, 0],
    bonds=[[0, 1, 2], [1, 2, 1], [1, 3, 1]],
)
HYDROXIDE = Structure(numbers=[1, 8], positions=[[5, 5, 5], [5, 5, 6]], charges=[0, -1], bonds=[[0, 1, 1]])


@pytest.fixture
def vocabulary():
    return GraphVocabulary(DATA)


def batch(*structures):
    return AtomBatch.from_structures(structures, dtype=torch.float64)


def test_classes_and_units(vocabulary):
    graph = vocabulary.encode(batch(FORMALDEHYDE, HYDROXIDE))
    assert graph.elements.tolist() == [[2, 1, 0, 0], [0, 2, 0, 0]]
    assert graph.charges.tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]]  # padding is class 0, whatever that is
    assert graph.bonds[0].tolist() == [[0, 2, 0, 0], [2, 0, 1, 1], [0, 1, 0, 0], [0, 1, 0, 0]]
    assert graph.bonds[1].tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0] * 4, [0] * 4]
    assert graph.positions[1].tolist() == [[0, 0, -0.25], [0, 0, 0.25], [0, 0, 0], [0, 0, 0]]
    assert graph.pairs.sum((1, 2)).tolist() == [12, 2]


def test_round_trip(vocabulary):
    one = batch(FORMALDEHYDE, HYDROXIDE)
    back = vocabulary.decode(vocabulary.encode(one))
    for name in ("mask", "elements", "charges", "bonds"):
        assert torch.equal(getattr(back, name), getattr(one, name)), name
    shift = (one.positions - back.positions)[one.mask]
    torch.testing.assert_close(shift[:4], shift[:1].expand(4, 3))
    torch.testing.assert_close(shift[4:], shift[4:5].expand(2, 3))
    assert not back.positions[~one.mask].any()


def test_padding_is_zero_though_class_zero_is_not(vocabulary):
    """Class 0 of the charges is -1 here: padding must not decode to it."""
    back = vocabulary.decode(vocabulary.encode(batch(FORMALDEHYDE, HYDROXIDE)))
    assert not back.charges[1, 2:].any()
    assert not back.elements[1, 2:].any()
    assert not back.bonds[1, 2:].any()


def test_marginals(vocabulary):
    assert vocabulary.marginal("elements").tolist() == [0.6, 0.3, 0.1]
    assert vocabulary.marginal("charges").tolist() == [0.1, 0.9]
    assert vocabulary.marginal("bonds").tolist() == [0.7, 0.2, 0.1]
    assert vocabulary.marginal("bonds").dtype == torch.float64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numbers": [8, 6, 9, 1]}, r"atomic numbers \[9\] are not in the model's vocabulary \[1, 6, 8\]"),
        ({"charges": [1, 0, 0, -1]}, r"formal charges \[1\]"),
        ({"bonds": [[0, 1, 3]]}, r"bond orders \[3\]"),
        ({"bonds": None}, "stated bonds"),
        ({"charges": None}, "formal charges"),
    ],
)
def test_what_the_training_set_lacks_is_refused(vocabulary, change, message):
    with pytest.raises(ConfigError, match=message):
        vocabulary.encode(batch(FORMALDEHYDE.replace(**change)))


@pytest.mark.parametrize("lost", ["charges", "bond_orders"])
def test_a_data_set_without_bonds_or_charges_is_refused(lost):
    with pytest.raises(ConfigError, match="bonds and formal charges") as caught:
        GraphVocabulary(dataclasses.replace(DATA, **{lost: ()}))
    assert "molgen data prepare" in caught.value.hint


def test_the_vocabulary_travels_with_the_model_but_not_with_its_weights(vocabulary):
    assert vocabulary.state_dict() == {}
    assert {name for name, _ in vocabulary.named_buffers()} == {"elements", "charges", "bond_orders"}
