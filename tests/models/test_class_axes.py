"""Every registered model says which of its weights belong to which class."""

import dataclasses

import pytest
import torch

from molgen.models import MODELS
from tests.models.conftest import SUMMARY

OTHER = dataclasses.replace(
    SUMMARY,
    elements=(1, 6, 8),
    element_counts=(5, 4, 3),
    charges=(0, 1),
    charge_counts=(9, 2),
    bond_orders=(0, 1, 2, 3, 4),
    bond_counts=(9, 5, 3, 2, 1),
    property_names=("band_gap", "cos_beta"),
    property_mean=(1.0, 0.0),
    property_std=(1.0, 0.1),
)
OF_SETTINGS = {"network.condition.0.weight"}
"""Weights whose entries are named because settings add some."""
EVERY_MODEL = pytest.mark.parametrize("name", sorted(MODELS))


@EVERY_MODEL
def test_axes_fit_the_weights_and_every_class_is_named_once(name, make):
    for data in (SUMMARY, OTHER):
        model = make(name, data)
        weights = dict(model.named_parameters())
        for weight, (axis, labels) in model.class_axes.items():
            assert weights[weight].shape[axis] == len(labels), weight
            assert len(set(labels)) == len(labels), weight


@EVERY_MODEL
def test_no_weight_depends_on_the_vocabulary_but_these(name, make):
    shapes = [{n: tuple(p.shape) for n, p in make(name, data).named_parameters()} for data in (SUMMARY, OTHER)]
    of_classes = {weight for weight in make(name).class_axes if weight not in OF_SETTINGS}
    assert {n for n in shapes[0] if shapes[0][n] != shapes[1][n]} == of_classes


@pytest.mark.parametrize("name", ["bondflow", "eqgat"])
def test_a_mask_has_its_own_entries(name, make):
    axes = make(name, prior="mask").class_axes
    for field in ("elements", "charges"):
        assert f"{field} mask" in axes["network.atom_embed.weight"][1]
        assert (
            f"{field} mask"
            not in axes["network.atom_read.weight" if name == "eqgat" else "network.atom_read.1.weight"][1]
        )


def test_an_entry_is_that_of_its_class(make):
    """Clearing the column of an element of the first layer makes the network blind to that element."""
    model = make("eqgat", extra_features=True)
    axis, labels = model.class_axes["network.atom_embed.weight"]
    assert axis == 1
    embedding = model.network.atom_embed
    for label, field, at in (("elements 7", "elements", 2), ("charges 1", "charges", 2), ("ring 1", "ring", 1)):
        one_hots = [torch.zeros(model.classes[name].states) for name in model.atom_fields]
        one_hots[model.atom_fields.index(field)][at] = 1.0
        seen = embedding(torch.cat(one_hots).double()) - embedding.bias
        torch.testing.assert_close(seen, embedding.weight[:, labels.index(label)])
