"""Arithmetic counted by hand and by the counter; the peak against a plain stopwatch."""

import statistics
import time

import pytest
import torch
from torch import nn

from molgen.benchmark.operations import autocast, count, matmul_peak

ROWS, ATOMS, WIDTH, OUT = 5, 7, 16, 8


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = nn.Linear(WIDTH, OUT)

    def forward(self, x):
        return self.network(x)


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_count_forward(precision):
    model, x = Tiny(), torch.randn(ROWS, ATOMS, WIDTH)

    def run():
        with torch.inference_mode(), autocast(precision, "cpu"):
            model(x)
            model(x[:2])

    flop, rows = count(model, run)
    assert rows == ROWS + 2
    assert flop == 2 * (ROWS + 2) * ATOMS * WIDTH * OUT


def test_count_backward():
    model, x = Tiny(), torch.randn(ROWS, ATOMS, WIDTH, requires_grad=True)
    flop, rows = count(model, lambda: model(x).sum().backward())
    assert rows == ROWS
    assert flop == 3 * 2 * ROWS * ATOMS * WIDTH * OUT  # the output, and the gradients of weights and input


def test_count_leaves_no_hook_behind():
    model = Tiny()
    with pytest.raises(ZeroDivisionError):
        count(model, lambda: 1 / 0)
    assert not model.network._forward_hooks


def test_peak():
    side = 192
    product = torch.randn(side, side)
    torch.mm(product, product)
    seconds = []
    for _ in range(30):
        began = time.perf_counter()
        torch.mm(product, product)
        seconds.append(time.perf_counter() - began)
    peak = matmul_peak("32", side=side)
    assert peak >= 0.5 * 2 * side**3 / statistics.median(seconds)
    assert peak <= 1e15


def test_peak_in_bfloat16():
    assert 1e8 < matmul_peak("bf16", side=192) < 1e15
