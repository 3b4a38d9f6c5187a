"""Crystals as a model sees them: encoding, decoding, what is given, and what is refused."""

import dataclasses

import pytest
import torch

from molgen.errors import ConfigError
from molgen.geometry.periodic import shortest
from molgen.models.crystal import CrystalVocabulary
from molgen.models.known import Known
from molgen.testing import random_batch, random_crystals
from tests.models.conftest import LATTICES, SUMMARY

CRYSTALS = dataclasses.replace(SUMMARY, elements=(3, 8, 14, 26), element_counts=(10, 20, 5, 5), **LATTICES)


@pytest.fixture
def vocabulary():
    return CrystalVocabulary(CRYSTALS)


@pytest.fixture
def batch(generator):
    return random_crystals([3, 1, 5], generator)


def test_encoding_wraps_and_decoding_gives_the_same_crystal(vocabulary, batch):
    moved = batch.positions + (batch.lattice.sum(1, keepdim=True) - 3.0 * batch.lattice[:, :1]) * batch.mask[..., None]
    crystal = vocabulary.encode(batch.replace(positions=moved))
    assert bool((crystal.fractional >= 0.0).all())
    assert bool((crystal.fractional < 1.0).all())
    assert not crystal.fractional[~batch.mask].any()
    back = vocabulary.decode(crystal)
    assert torch.equal(back.elements, batch.elements)
    assert torch.equal(back.lattice, batch.lattice)
    assert not back.positions[~batch.mask].any()
    apart = torch.linalg.solve(batch.lattice, back.positions - batch.positions, left=False)
    torch.testing.assert_close(shortest(apart), torch.zeros_like(apart), rtol=0, atol=1e-12)


def test_classes_are_the_summary_order(vocabulary, batch):
    classes = vocabulary.encode(batch).elements
    numbers = torch.tensor(CRYSTALS.elements)[classes]
    assert torch.equal(numbers * batch.mask, batch.elements)
    assert vocabulary.labels() == [f"elements {number}" for number in (3, 8, 14, 26)]
    torch.testing.assert_close(vocabulary.marginal(), torch.tensor([0.25, 0.5, 0.125, 0.125], dtype=torch.float64))


def test_only_known_elements_are_kept(vocabulary, batch, generator):
    given = vocabulary.encode(batch)
    other = vocabulary.encode(random_crystals([3, 1, 5], generator))
    known = Known(atoms=torch.zeros_like(batch.mask), elements=batch.mask & (torch.arange(5) < 2))
    kept = other.keep(known, given)
    assert torch.equal(kept.elements[:, :2], given.elements[:, :2])
    assert torch.equal(kept.elements[:, 2:], other.elements[:, 2:])
    assert kept.fractional is other.fractional
    assert torch.equal(other.keep(Known.formula(batch.mask), given).elements, given.elements)


def test_molecules_and_strange_elements_are_refused(vocabulary, generator):
    with pytest.raises(ConfigError, match="no lattice"):
        vocabulary.encode(random_batch([2], generator, elements=(8,)))
    with pytest.raises(ConfigError, match=r"\[92\]"):
        vocabulary.encode(random_crystals([2], generator, elements=(92,)))
    with pytest.raises(ConfigError, match="molecules"):
        CrystalVocabulary(SUMMARY)
