"""Small models for the tests of models."""

from dataclasses import fields, replace

import pytest
import torch

from molgen.models import MODELS, DataSummary, build
from molgen.models.gene_features import CELL_NUMBERS
from molgen.models.gene_vocabulary import position_codes
from molgen.testing import random_batch, randomise_weights
from tests.models.adapters import CRYSTAL_ADAPTERS

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
LATTICES = {"lattice_mean": (0.0, 0.0, 0.0, 0.0, 0.0, 0.9), "lattice_std": (0.1, 0.1, 0.1, 0.2, 0.2, 0.1)}
"""What makes of it a summary of crystals of the same elements."""
GENES = {
    **LATTICES,
    "space_groups": tuple(int(n in (2, 6, 47, 225)) * 5 for n in range(231)),
    "orbit_histogram": (0, 4, 6, 4, 2, 1),
    "wyckoff_positions": position_codes(),
    "property_names": ("band_gap", *CELL_NUMBERS),
    "property_mean": (1.0, 2.9, 0.0, 0.3, 0.0, 0.0, -0.1),
    "property_std": (1.5, 0.4, 0.4, 0.6, 0.05, 0.1, 0.2),
}
"""What makes of it a summary of crystals with genes."""
SETTINGS = {"diffcsp": {"formulas": 0.5}}
"""With which a model does all that it can."""
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
    "frequencies": 4,
    "time_features": 6,
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
        data = replace(data, **LATTICES) if name in CRYSTAL_ADAPTERS else data
        stated = {key: getattr(data, key) for key in GENES if getattr(data, key)}
        data = replace(data, **{**GENES, **stated}) if name == "wyformer" else data
        model = build(settings_class(**{**small, **SETTINGS.get(name, {}), **settings}), data).double()
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
