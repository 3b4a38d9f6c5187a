import math

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
