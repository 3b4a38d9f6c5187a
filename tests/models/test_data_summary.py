import dataclasses
import json
import math

import pytest
import torch

from molgen.models import DataSummary

SUMMARY = DataSummary(elements=(1, 6), size_histogram=(0, 1, 0, 3))


def test_size_log_prob():
    values = SUMMARY.size_log_prob(torch.tensor([[1, 3], [2, 4], [0, 99]]))
    assert values.dtype == torch.float64
    assert values.tolist() == [[math.log(0.25), math.log(0.75)], [-math.inf, -math.inf], [-math.inf, -math.inf]]


def test_probabilities_sum_to_one_and_largest_size():
    assert float(SUMMARY.size_log_prob(torch.arange(10)).exp().sum()) == 1.0
    assert SUMMARY.max_atoms == 3


def through_json(summary):
    return DataSummary.from_dict(json.loads(json.dumps(dataclasses.asdict(summary))))


def test_it_travels_through_json():
    full = DataSummary(
        elements=(1, 6),
        size_histogram=(0, 1, 2),
        element_counts=(3, 2),
        charges=(-1, 0),
        charge_counts=(1, 4),
        bond_orders=(0, 1),
        bond_counts=(0, 2),
        position_std=1.25,
    )
    assert through_json(full) == full
    assert through_json(SUMMARY) == SUMMARY
    assert full.has_bonds
    assert not SUMMARY.has_bonds


def test_summaries_of_older_checkpoints_lack_the_later_fields():
    assert DataSummary.from_dict({"elements": [1, 6], "size_histogram": [0, 1, 0, 3], "more": 1}) == SUMMARY
    assert SUMMARY.position_std == 1.0


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"elements": [1]}, KeyError),
        ({"size_histogram": [1]}, KeyError),
        ({"elements": 1, "size_histogram": [1]}, TypeError),
        ({"elements": ["H"], "size_histogram": [1]}, ValueError),
        ({"elements": [1], "size_histogram": [1], "charges": None}, TypeError),
        ({"elements": [1], "size_histogram": [1], "position_std": "wide"}, ValueError),
        ({"elements": [1], "size_histogram": [0, 1], "position_std": 0.0}, ValueError),
        ({"elements": [1], "size_histogram": []}, ValueError),
        ({"elements": [1], "size_histogram": [5]}, ValueError),
        ({"elements": [1], "size_histogram": [0, -1, 2]}, ValueError),
        ({"elements": [], "size_histogram": [0, 1]}, ValueError),
        ({"elements": [1, 500], "size_histogram": [0, 1]}, ValueError),
        ({"elements": [6, 1], "size_histogram": [0, 1]}, ValueError),
        ({"elements": [1, 6], "size_histogram": [0, 1], "element_counts": [1, 2, 3]}, ValueError),
        ({"elements": [1], "size_histogram": [0, 1], "charges": [0, 0], "charge_counts": [1, 2]}, ValueError),
        ({"elements": [1], "size_histogram": [0, 1], "bond_orders": [0, 1], "bond_counts": [-1, 2]}, ValueError),
    ],
)
def test_garbled_summaries(values, error):
    with pytest.raises(error):
        DataSummary.from_dict(values)


def test_crystals_have_a_lattice_that_travels_too():
    assert not SUMMARY.is_periodic
    crystals = dataclasses.replace(SUMMARY, lattice_mean=(0.1, -0.2, 0, 0, 0, 1.5), lattice_std=(0.5,) * 6)
    assert crystals.is_periodic
    back = through_json(crystals)
    assert back == crystals
    assert all(isinstance(value, float) for value in back.lattice_mean + back.lattice_std)
