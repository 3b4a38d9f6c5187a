"""The hand-written pieces of the attention network against plain formulas, forward and backward, in float64."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from molgen.networks.half_pairs import half_pairs
from molgen.networks.modulated_norm import modulated_norm
from molgen.networks.pair_attention import pair_attention
from molgen.networks.pair_update import pair_update

STRUCTURES, ATOMS, PAIRS = 2, 4, 6
MAPS = half_pairs(ATOMS, torch.device("cpu"))


@pytest.fixture
def draw():
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


def check(function, formula, inputs):
    torch.testing.assert_close(function(*inputs), formula(*inputs))
    assert torch.autograd.gradcheck(function, inputs)
    with torch.no_grad():
        torch.testing.assert_close(function(*inputs), formula(*inputs))


def test_modulated_norm(draw):
    inputs = draw(STRUCTURES, ATOMS, 5), draw(STRUCTURES, 1, 5), draw(STRUCTURES, 1, 5)
    check(
        lambda *parts: modulated_norm(*parts, torch.float64),
        lambda h, scale, shift: F.layer_norm(h, (5,)) * (1 + scale) + shift,
        inputs,
    )


def test_pair_update(draw):
    radial, ends = draw(STRUCTURES, PAIRS, 2).detach(), MAPS.ends.double().repeat(STRUCTURES, 1, 1)
    ends[1, 2:] = 0.0  # padding
    z, atoms = draw(STRUCTURES, PAIRS, 3), draw(STRUCTURES, ATOMS, 3)
    inputs = z, atoms, draw(3, 3), draw(3, 2), draw(3, 3), draw(3), draw(3), draw(3)

    def through(kind):
        def run(z, atoms, first, distance, second, bias, weight, offset):
            layers = first, distance, second, bias
            return kind(z, atoms, layers, SimpleNamespace(weight=weight, bias=offset, eps=1e-5))

        return run

    def formula(z, atoms, layers, norm):
        first, distance, second, bias = layers
        inner = z @ first.T + radial @ distance.T + ends @ atoms
        return F.layer_norm(z + F.silu(inner) @ second.T + bias, (3,), norm.weight, norm.bias)

    def function(z, atoms, layers, norm):
        return pair_update(z, atoms, radial, ends, layers, norm)

    check(through(function), through(formula), inputs)


def test_pair_attention(draw):
    heads, width = 2, 3
    blocked = torch.zeros(STRUCTURES, 1, 1, ATOMS, dtype=torch.bool)
    blocked[1, ..., 3] = True

    def formula(query_key_value, bias):
        query, key, value = query_key_value.view(STRUCTURES, ATOMS, 3, heads, width).permute(2, 0, 3, 1, 4)
        logits = query @ key.mT / width**0.5 + MAPS.expand(bias).permute(0, 3, 1, 2)
        weights = logits.masked_fill(blocked, -torch.inf).softmax(-1)
        return (weights @ value).transpose(1, 2).reshape(STRUCTURES, ATOMS, heads * width)

    inputs = draw(STRUCTURES, ATOMS, 3 * heads * width), draw(STRUCTURES, PAIRS, heads)
    check(lambda *parts: pair_attention(*parts, blocked, MAPS), formula, inputs)
