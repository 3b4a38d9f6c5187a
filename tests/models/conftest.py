"""Small models for the tests of models."""

from dataclasses import fields

import pytest
import torch

from molgen.models import MODELS, DataSummary, build
from molgen.testing import random_batch, randomise_weights

SUMMARY = DataSummary(
    elements=(1, 6, 7, 8, 9),
    size_histogram=(0, 1, 2, 3, 4, 5, 5),
    element_counts=(40, 30, 15, 10, 5),
    charges=(-1, 0, 1),
    charge_counts=(3, 95, 2),
    bond_orders=(0, 1, 2, 3),
    bond_counts=(200, 60, 20, 5),
    position_std=1.5,
)
SMALL = {
    "hidden": 12,
    "layers": 2,
    "coordinate_range": 2.0,
    "pair": 6,
    "heads": 3,
    "radial": 5,
    "vectors": 4,
    "edges": 5,
    "pair_hidden": 7,
}


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(21)


@pytest.fixture
def make(generator):
    """Builds a registered model, small and in float64, with weights that matter."""

    def make_model(name="edm", data=SUMMARY, **settings):
        settings_class = MODELS[name][0]
        small = {key: value for key, value in SMALL.items() if key in {f.name for f in fields(settings_class)}}
        model = build(settings_class(**{**small, **settings}), data).double()
        randomise_weights(model, generator)
        return model

    return make_model


def random_molecules(sizes, generator):
    """A random batch whose charges and bonds, all in the vocabulary of ``SUMMARY``, are stated."""
    batch = random_batch(sizes, generator)
    mask = batch.mask
    pairs = (mask.unsqueeze(2) & mask.unsqueeze(1)).triu(1)
    bonds = torch.randint(4, pairs.shape, generator=generator) * pairs
    charges = torch.randint(-1, 2, mask.shape, generator=generator) * mask
    return batch.replace(charges=charges, bonds=bonds + bonds.mT)
