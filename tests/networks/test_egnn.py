"""EGNN against its equations, written edge by edge, and against itself in every arrangement that must not matter."""

import pytest
import torch
from torch.nn.functional import silu

from molgen.networks import by_size
from molgen.networks.egnn import EGNN, pair_features
from molgen.testing import (
    ROUNDING,
    assert_equivariant,
    assert_padding_invariant,
    assert_permutation_equivariant,
    random_batch,
    randomise_weights,
    relative_difference,
)

FEATURES = 4


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(11)


def make_network(generator: torch.Generator, *, hidden: int = 16, layers: int = 3, normalisation: float = 1.0) -> EGNN:
    network = EGNN(FEATURES, hidden, layers, coordinate_range=2.0, normalisation=normalisation).double()
    randomise_weights(network, generator)
    return network


def make_input(sizes, generator):
    batch = random_batch(sizes, generator)
    features = torch.randn(*batch.mask.shape, FEATURES, generator=generator, dtype=torch.float64)
    return features * batch.mask.unsqueeze(-1), batch.positions, batch.mask


def edge_by_edge(network: EGNN, features: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Satorras et al. 2021 with EDM's choices, for one structure, one edge at a time.

    a_ij = [d_ij^2, d0_ij^2]; m = sigmoid(w m') m' with m' = MLP2([h_i, h_j, a_ij]); h_i += MLP2([h_i, sum_j m_ij / c]);
    x_i += sum_j (x_i - x_j)/(|x_i - x_j| + 1) tanh(MLP3([h_i, h_j, a_ij])) range / c.
    """
    state, n = network.state_dict(), len(positions)
    linear = lambda name, v: state[f"{name}.weight"] @ v + state.get(f"{name}.bias", 0.0)  # noqa: E731
    edge = lambda name, v: silu(linear(f"{name}.second", silu(linear(f"{name}.first", v))))  # noqa: E731
    h, x = [linear("embed", f) for f in features], positions.clone()
    for number, block in enumerate(network.blocks):
        p, c = f"blocks.{number}", block.normalisation
        a = [[torch.stack([(y[i] - y[j]).square().sum() for y in (x, positions)]) for j in range(n)] for i in range(n)]
        new_h = []
        for i in range(n):
            total = torch.zeros_like(h[0])
            for j in range(n):
                if i != j:
                    message = edge(f"{p}.message", torch.cat([h[i], h[j], a[i][j]]))
                    total = total + torch.sigmoid(linear(f"{p}.gate", message)) * message / c
            update = silu(linear(f"{p}.update.0", torch.cat([h[i], total])))
            new_h.append(h[i] + linear(f"{p}.update.2", update))
        h, new_x = new_h, x.clone()
        for i in range(n):
            for j in range(n):
                if i != j:
                    strength = torch.tanh(
                        linear(f"{p}.weight", edge(f"{p}.coordinate", torch.cat([h[i], h[j], a[i][j]])))
                    )
                    new_x[i] += (x[i] - x[j]) / ((x[i] - x[j]).norm() + 1) * strength * block.coordinate_range / c
        x = new_x
    return torch.stack([linear("readout", v) for v in h]), x - positions


@pytest.mark.parametrize("normalisation", [1.0, 10.0])
def test_equals_the_equations_edge_by_edge(generator, normalisation):
    network = make_network(generator, layers=2, normalisation=normalisation)
    features, positions, mask = make_input([4, 6], generator)
    with torch.no_grad():
        outputs = network(features, positions, mask)
        for row, n in ((0, 4), (1, 6)):
            expected = edge_by_edge(network, features[row, :n], positions[row, :n])
            for mine, other in zip(outputs, expected, strict=True):
                # 1e-8 under the root keeps the gradient of a distance finite, and shows in the eighth digit
                assert relative_difference(mine[row, :n], other) < 1e-7


SIZES = [3, 1, 5, 5]


def test_rotation_reflection_translation(generator):
    assert_equivariant(make_network(generator), *make_input(SIZES, generator), generator)


def test_order_of_atoms(generator):
    assert_permutation_equivariant(make_network(generator), *make_input(SIZES, generator), generator)


def test_padding(generator):
    assert_padding_invariant(make_network(generator), *make_input(SIZES, generator))


def test_what_padding_holds_does_not_matter(generator):
    network = make_network(generator)
    features, positions, mask = make_input([2, 5], generator)
    expected = network(features, positions, mask)
    empty = ~mask.unsqueeze(-1)
    for mine, other in zip(network(features + 3.0 * empty, positions + 7.0 * empty, mask), expected, strict=True):
        assert relative_difference(mine, other) < ROUNDING


def test_mixed_sizes_run_in_groups_with_the_same_result(generator, monkeypatch):
    network = make_network(generator)
    inputs = make_input([3, 29, 4, 18, 17, 19, 5, 1, 28, 18, 9], generator)
    calls = []
    grouped = by_size.apply_by_size(lambda *a: (calls.append(a[2].shape), network._dense(*a))[1], *inputs)
    assert len(calls) > 3
    assert sum(rows * atoms**2 for rows, atoms in calls) < 11 * 29**2 / 2
    for mine, other in zip(grouped, network._dense(*inputs), strict=True):
        assert relative_difference(mine, other) < ROUNDING
    for mine, other in zip(network(*inputs), grouped, strict=True):
        assert relative_difference(mine, other) < ROUNDING


def test_e3nn_agrees(generator):
    e3nn_test = pytest.importorskip("e3nn.util.test")
    network = make_network(generator)
    mask = torch.ones(1, 7, dtype=torch.bool)

    def one_structure(features, positions):
        outputs = network(features[None], positions[None], mask)
        return outputs[0][0], outputs[1][0]

    inputs = [tensor[0] for tensor in make_input([7], generator)[:2]]
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        e3nn_test.assert_equivariant(
            one_structure,
            args_in=inputs,
            irreps_in=[f"{FEATURES}x0e", "cartesian_points"],
            irreps_out=[f"{FEATURES}x0e", "1x1o"],
            tolerance=1e-8,
        )
    finally:
        torch.set_default_dtype(default)


def test_gradients_are_those_of_finite_differences(generator):
    network = make_network(generator, hidden=5, layers=2)
    features, positions, mask = make_input([2, 4], generator)
    parameters = {name: p.detach().requires_grad_() for name, p in network.named_parameters()}

    def outputs(features, positions, *values):
        named = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(network, named, (features, positions, mask))

    inputs = (features.requires_grad_(), positions.requires_grad_(), *parameters.values())
    assert torch.autograd.gradcheck(outputs, inputs, eps=1e-6, atol=1e-6, rtol=1e-5, fast_mode=True)


def test_bf16_is_close_in_outputs_and_gradients(generator):
    """bf16 keeps 3 decimal digits: a relative error near 2^-8, far from the errors of wrong mathematics."""
    network = EGNN(FEATURES, 64, 4)
    features, positions, mask = (v.float() if v.is_floating_point() else v for v in make_input([9, 17, 18], generator))
    results = {}
    for bf16 in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            outputs = network(features, positions, mask)
        assert all(output.dtype == torch.float32 for output in outputs)
        sum(output.square().mean() for output in outputs).backward()
        results[bf16] = [*(o.detach() for o in outputs), torch.cat([p.grad.flatten() for p in network.parameters()])]
    for low, full in zip(results[True], results[False], strict=True):
        error = float((low - full).norm() / full.norm())
        assert 1e-5 < error < 0.02


def test_bf16_distances_keep_sixteen_bits(generator):
    """A C-C bond of 1.54 and one of 1.541 angstrom are the same number in bf16 alone."""
    squared = torch.rand(3, 4, 4, 1, generator=generator) * 100
    with torch.autocast("cpu", torch.bfloat16):
        parts = pair_features(squared, 2 * squared).float()
    whole = parts.unflatten(-1, (2, 2)).sum(-1)
    assert float((whole[..., :1] / squared - 1).abs().max()) < 2**-16
    assert float((whole[..., 1:] / squared / 2 - 1).abs().max()) < 2**-16
    assert float((squared.bfloat16().float() / squared - 1).abs().max()) > 2**-10


def test_a_nan_stays_a_nan(generator):
    features, positions, mask = make_input([3, 4], generator)
    positions[0, 0, 0] = float("nan")
    invariant, vectors = make_network(generator)(features, positions, mask)
    assert bool(vectors[0].isnan().any())
    assert bool(invariant[0].isnan().any())
    assert bool(torch.isfinite(vectors[1]).all())
