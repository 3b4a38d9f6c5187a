"""CSPNet against its equations, written edge by edge, against the reference code where that is, and its symmetries."""

import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import layer_norm, silu

from molgen.geometry.lattice import from_lengths_angles
from molgen.networks.cspnet import CSPNet, fourier
from molgen.networks.cspnet_reference import from_reference
from molgen.networks.flat_pairs import ordered_pairs
from molgen.testing import (
    as_molecular,
    assert_crystal_symmetries,
    assert_padding_invariant,
    assert_permutation_equivariant,
    random_lattices,
    randomise_weights,
    relative_difference,
)

FEATURES, CONDITIONS, OUTPUTS = 4, 3, 5
SIZES = [3, 1, 5, 3]
SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


def make_network(generator, *, hidden=12, layers=2, frequencies=4, outputs=OUTPUTS):
    network = CSPNet(FEATURES, CONDITIONS, outputs, hidden, layers, frequencies).double()
    randomise_weights(network, generator)
    return network


def make_input(sizes, generator):
    mask = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
    features = torch.randn(*mask.shape, FEATURES, generator=generator, dtype=torch.float64)
    fractional = torch.rand(*mask.shape, 3, generator=generator, dtype=torch.float64)
    condition = torch.randn(len(sizes), CONDITIONS, generator=generator, dtype=torch.float64)
    real = mask.unsqueeze(-1)
    return features * real, fractional * real, random_lattices(len(sizes), generator), condition, mask


def edge_by_edge(network, features, fractional, lattice, condition):
    """Jiao et al. 2023, equations 6 to 10, for one structure, one edge at a time, as the published code has them."""
    state, n, frequencies = dict(network.named_parameters()), len(features), network.frequencies
    linear = lambda name, v: v @ state[f"{name}.weight"].T + state.get(f"{name}.bias", 0.0)  # noqa: E731
    norm = lambda name, v: layer_norm(v, v.shape, state[f"{name}.weight"], state[f"{name}.bias"])  # noqa: E731
    h = [linear("mix", torch.cat([linear("atom_embed", f), condition])) for f in features]
    for number in range(len(network.layers)):
        p = f"layers.{number}"
        normed, new = [norm(f"{p}.norm", v) for v in h], []
        for i in range(n):
            total = 0.0
            for j in range(n):
                angles = [
                    2 * torch.pi * k * (fractional[j, a] - fractional[i, a])
                    for a in range(3)
                    for k in range(frequencies)
                ]
                psi = torch.stack([angle.sin() for angle in angles] + [angle.cos() for angle in angles])
                edge = torch.cat([normed[i], normed[j], (lattice @ lattice.T).flatten(), psi])
                total = total + silu(linear(f"{p}.second", silu(linear(f"{p}.first", edge))))
            update = silu(linear(f"{p}.update.0", torch.cat([normed[i], total / n])))
            new.append(h[i] + silu(linear(f"{p}.update.2", update)))
        h = new
    h = torch.stack([norm("norm", v) for v in h])
    rows = linear("lattice_read", h.mean(0)).view(3, 3) @ lattice
    return rows, linear("fractional_read", h), linear("atom_read", h)


def test_outputs_and_gradients_are_those_of_the_equations(generator):
    network, inputs = make_network(generator), make_input(SIZES, generator)
    mask = inputs[-1]

    def losses(outputs):
        return torch.stack(
            [(output * (1.0 + torch.arange(output.numel()).view(output.shape))).sum() for output in outputs]
        )

    given = network(*inputs)
    ours = torch.autograd.grad(losses(given).sum(), list(network.parameters()))
    total = 0.0
    rows, vectors, atoms = (torch.zeros_like(output) for output in given)
    for b, n in enumerate(mask.sum(1).tolist()):
        features, fractional = inputs[0][b, :n], inputs[1][b, :n]
        rows[b], vectors[b, :n], atoms[b, :n] = edge_by_edge(network, features, fractional, inputs[2][b], inputs[3][b])
    for actual, expected in zip(given, (rows, vectors, atoms), strict=True):
        assert relative_difference(actual, expected) < 1e-11
    total = losses((rows, vectors, atoms)).sum()
    for name, actual, expected in zip(
        dict(network.named_parameters()), ours, torch.autograd.grad(total, list(network.parameters())), strict=True
    ):
        assert relative_difference(actual, expected) < 1e-9, name
    with torch.no_grad():  # another path
        for actual, expected in zip(network(*inputs), given, strict=True):
            assert relative_difference(actual, expected) < 1e-12


def test_gradients_reach_the_coordinates_and_the_cell(generator):
    network, (features, fractional, lattice, condition, mask) = make_network(generator), make_input([3, 2], generator)

    def outputs(fractional, lattice):
        return tuple(network(features, fractional, lattice, condition, mask))

    assert torch.autograd.gradcheck(outputs, (fractional.requires_grad_(), lattice.requires_grad_()))


def test_symmetries_order_and_padding(generator):
    network, (features, fractional, lattice, condition, mask) = make_network(generator), make_input(SIZES, generator)

    def crystal(features, fractional, lattice, mask):
        output = network(features[..., :FEATURES], fractional, lattice, features[:, 0, FEATURES:], mask)
        return output.atoms, output.fractional, output.lattice

    features = torch.cat([features, condition.unsqueeze(1) * mask.unsqueeze(-1)], dim=-1)
    assert_crystal_symmetries(crystal, features, fractional, lattice, mask, generator)
    with_cell = torch.cat([features, lattice.flatten(1).unsqueeze(1) * mask.unsqueeze(-1)], dim=-1)
    assert_permutation_equivariant(as_molecular(crystal), with_cell, fractional, mask, generator)
    assert_padding_invariant(as_molecular(crystal), with_cell, fractional, mask)


def test_another_cell_of_the_same_lattice_is_another_input(generator):
    """As the network's text says: of the same crystal, axes in another order and a sheared cell change the output."""
    network, (features, fractional, lattice, condition, mask) = make_network(generator), make_input([4], generator)
    expected = network(features, fractional, lattice, condition, mask).atoms
    cyclic = torch.tensor([[0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=torch.float64)
    sheared = torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    for change in (cyclic, sheared):
        other = network(features, fractional @ torch.linalg.inv(change), change @ lattice, condition, mask).atoms
        assert relative_difference(other, expected) > 1e-3


def test_waves(generator):
    """Axis by axis; negated difference, negated sines; integers do not matter."""
    d = torch.rand(7, 3, generator=generator, dtype=torch.float64) * 4 - 2
    sines, cosines = fourier(d, 5)
    angles = 2 * torch.pi * d[:, 1] * 3
    torch.testing.assert_close(sines[:, 5 + 3], angles.sin())
    torch.testing.assert_close(cosines[:, 5 + 3], angles.cos())
    for other, sign in ((-d, -1.0), (d + 3.0, 1.0)):
        turned = fourier(other, 5)
        torch.testing.assert_close(turned[0], sign * sines)
        torch.testing.assert_close(turned[1], cosines)


@pytest.mark.parametrize("atoms", [1, 2, 5])
def test_every_ordered_pair_has_one_place(atoms):
    pairs = ordered_pairs(atoms, torch.device("cpu"))
    receivers, senders = pairs.ends[:, ::2].argmax(1), pairs.ends[:, 1::2].argmax(1)
    assert torch.equal(pairs.ends.sum(0), torch.full((2 * atoms,), float(atoms)))
    assert sorted(zip(receivers.tolist(), senders.tolist(), strict=True)) == [
        (i, j) for i in range(atoms) for j in range(atoms)
    ]
    assert torch.equal(senders, pairs.senders)
    half = pairs.half
    assert torch.equal(receivers[:half], senders[half : 2 * half])
    assert torch.equal(senders[:half], receivers[half : 2 * half])
    assert torch.equal(receivers[2 * half :], senders[2 * half :])


def test_bf16_is_near_and_keeps_the_cell_in_float32(generator):
    """Lengths whose squares differ by less than the digits of bf16 must not look alike."""
    network = make_network(generator, hidden=32, frequencies=8).float()
    features, fractional, _, condition, mask = (
        x.float() if x.is_floating_point() else x for x in make_input([6, 4], generator)
    )
    lengths, angles = torch.tensor([[5.0, 6.0, 7.0], [5.0, 6.0, 7.003]]), torch.full((2, 3), 90.0)
    lattice = from_lengths_angles(lengths, angles)
    with torch.no_grad():
        exact = network(features, fractional, lattice, condition, mask)
        with torch.autocast("cpu", torch.bfloat16):
            near = network(features, fractional, lattice, condition, mask)
    for actual, expected in zip(near, exact, strict=True):
        assert actual.dtype == torch.float32
        assert 0.0 < relative_difference(actual, expected) < 0.05


@pytest.mark.parametrize("generation", [False, True])
def test_the_reference_with_the_same_weights(generation, generator, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    pytest.importorskip("torch_geometric")
    from reference_cspnet import CHECKOUT, load_reference, published, run

    if not CHECKOUT.is_dir():
        pytest.skip(f"no checkout of DiffCSP at {CHECKOUT}")
    torch.manual_seed(1)
    small = {"hidden_dim": 16, "num_layers": 2, "num_freqs": 8, "latent_dim": CONDITIONS}
    reference = published(load_reference(), generation=generation, **small)
    _, fractional, lattice, condition, mask = (
        x.float() if x.is_floating_point() else x for x in make_input(SIZES, generator)
    )
    features = torch.nn.functional.one_hot(torch.randint(100, mask.shape, generator=generator), 100).float()
    ours = CSPNet(100, CONDITIONS, 100 if generation else 0, 16, 2, 8)
    ours.load_state_dict(from_reference(reference.state_dict()))
    with torch.no_grad():
        expected = run(reference, features, fractional, lattice, condition, mask)
        output = ours(features, fractional, lattice, condition, mask)
    actual = (output.lattice, output.fractional[mask], output.atoms[mask])
    for mine, theirs in zip(actual, expected, strict=False):
        assert relative_difference(mine, theirs) < 1e-5
    assert "diffcsp" not in sys.modules


def test_published_weights_for_fewer_elements(generator):
    """Choosing some of the 100 elements keeps their columns, and for noisy elements their outputs."""
    full = CSPNet(100, CONDITIONS, 100, 8, 1, 2)
    layer = {"norm": "layer_norm", "first": "edge_mlp.0", "second": "edge_mlp.2", "update.0": "node_mlp.0"}
    layer["update.2"] = "node_mlp.2"
    names = {f"layers.0.{ours}": f"csp_layer_0.{name}" for ours, name in layer.items()}
    names |= {"atom_embed": "node_embedding", "mix": "atom_latent_emb", "norm": "final_layer_norm"}
    names |= {"fractional_read": "coord_out", "lattice_read": "lattice_out", "atom_read": "type_out"}
    theirs = {f"{names[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": p for name, p in full.state_dict().items()}
    fewer = CSPNet(3, CONDITIONS, 3, 8, 1, 2)
    fewer.load_state_dict(from_reference(theirs, (1, 8, 26)))
    _, fractional, lattice, condition, mask = (
        x.float() if x.is_floating_point() else x for x in make_input([4, 2], generator)
    )
    features = torch.randn(*mask.shape, 3, generator=generator)
    wide = torch.zeros(*mask.shape, 100)
    wide[..., [0, 7, 25]] = features
    with torch.no_grad():
        expected, actual = (
            full(wide, fractional, lattice, condition, mask),
            fewer(features, fractional, lattice, condition, mask),
        )
    torch.testing.assert_close(actual.fractional, expected.fractional)
    torch.testing.assert_close(actual.atoms, expected.atoms[..., [0, 7, 25]])
