"""Small models for the tests of models."""

from dataclasses import fields

import pytest
import torch

from molgen.models import MODELS, DataSummary, build
from molgen.testing import randomise_weights

SUMMARY = DataSummary(elements=(1, 6, 7, 8, 9), size_histogram=(0, 1, 2, 3, 4, 5, 5))
SMALL = {"hidden": 12, "layers": 2, "coordinate_range": 2.0}


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
