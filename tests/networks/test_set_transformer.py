"""A transformer over a set: padding, and some of the sets alone."""

from __future__ import annotations

import pytest
import torch

from molgen.networks.set_transformer import Dropout, SetTransformer, _Rows

SIZES = (4, 1, 3)


def test_padding_changes_nothing():
    torch.manual_seed(0)
    network = SetTransformer(hidden=16, layers=3, reading=2, heads=2, expansion=2).double()
    tokens, queries = torch.randn(3, 4, 16).double(), torch.randn(3, 2, 16).double()
    mask = torch.arange(4) < torch.tensor(SIZES).unsqueeze(1)
    nothing_dropped = Dropout(1e-12, torch.Generator().manual_seed(0))  # takes the way of training
    for drop in (Dropout(), nothing_dropped):
        padded = network.read(queries, network.remember(tokens, mask, drop), Dropout())
        for row, size in enumerate(SIZES):
            memory = network.remember(tokens[row : row + 1, :size], mask[row : row + 1, :size], Dropout())
            alone = network.read(queries[row : row + 1], memory, Dropout())
            torch.testing.assert_close(padded[row : row + 1], alone)


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize(
    ("lengths", "width", "count"),
    [((100, 3, 50), 100, (153, 192)), ((16, 11), 16, (27, 64)), ((64, 59), 64, (123, 128))],
)
def test_real_tokens_as_rows(rounded, lengths, width, count):
    """The last has as many rows when rounded as tokens with the padding."""
    mask = torch.arange(width) < torch.tensor(lengths).unsqueeze(1)
    mask = mask.flip(0)  # padding in the middle
    tokens = torch.randn(*mask.shape, 2) * mask.unsqueeze(-1)
    rows = _Rows(mask, rounded)
    packed = rows.packed(tokens)
    assert len(packed) == count[rounded]
    assert torch.equal(rows.spread(packed), tokens)


def test_in_bfloat16_answers_are_nearly_the_same():
    torch.manual_seed(0)
    network = SetTransformer(hidden=16, layers=3, reading=2, heads=2, expansion=2)
    tokens, queries = torch.randn(3, 4, 16), torch.randn(3, 2, 16)
    mask = torch.arange(4) < torch.tensor(SIZES).unsqueeze(1)
    exact = network.read(queries, network.remember(tokens, mask, Dropout()), Dropout())
    network.bfloat16()
    coarse = network.read(queries, network.remember(tokens, mask, Dropout()), Dropout())
    assert coarse.dtype == torch.float32
    assert 0 < float((coarse - exact).abs().max()) < 0.05


def test_memory_of_some_sets():
    torch.manual_seed(0)
    network = SetTransformer(hidden=16, layers=3, reading=2, heads=2, expansion=2).double()
    tokens, queries = torch.randn(3, 4, 16).double(), torch.randn(3, 2, 16).double()
    memory = network.remember(tokens, torch.ones(3, 4, dtype=torch.bool), Dropout())
    rows = torch.tensor([2, 0])
    answers = network.read(queries, memory, Dropout())
    torch.testing.assert_close(network.read(queries[rows], memory.of(rows), Dropout()), answers[rows])
