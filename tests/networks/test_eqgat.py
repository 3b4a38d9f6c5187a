"""EQGAT against its equations, written pair by pair; the symmetries are in test_symmetry.py."""

import pytest
import torch
from torch.nn.functional import layer_norm, silu

from molgen.networks import by_size
from molgen.networks.eqgat import EQGAT, STEP_EPSILON
from molgen.networks.feature_attention import attend_by_feature
from molgen.networks.vector_channels import normalised_steps, normalised_vectors
from molgen.testing import ROUNDING, randomise_weights, relative_difference

SIZES = {"atom_features": 4, "pair_features": 3, "condition_features": 2, "atom_outputs": 5, "pair_outputs": 3}


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(17)


def make_network(generator, layers=3):
    network = EQGAT(**SIZES, hidden=12, vectors=5, edges=6, pair_hidden=7, layers=layers).double()
    randomise_weights(network, generator)
    return network


def make_input(sizes, generator):
    mask = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
    atoms, positions, pairs = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((*mask.shape, 4), (*mask.shape, 3), (*mask.shape, mask.shape[1], 3))
    )
    there = mask.unsqueeze(-1)
    condition = torch.rand(len(sizes), 2, generator=generator, dtype=torch.float64)
    return atoms * there, positions * there, pairs + pairs.transpose(1, 2), condition, mask


def pair_by_pair(network, atoms, positions, pairs, condition):
    """Le et al. 2024 for one structure, one pair at a time."""
    n, pre = len(atoms), network.condition(condition)
    x = [p - positions.mean(0) for p in positions]
    h = list(network.atom_embed(atoms) + network.atom_condition(pre))
    e = network.pair_embed(pairs) + network.pair_condition(pre)
    v = None
    for block in network.blocks:
        normed = [layer_norm(u, u.shape, block.norm.weight, block.norm.bias) for u in h]
        values = None
        if v is not None:
            mean_square = sum(u.square().sum(0).mean() for u in v) / n
            values = [block.vector_value(u / (mean_square + 1e-6).sqrt()) for u in v]
        new_h, new_v, moves, new_e = [], [], [], e.clone()
        for i in range(n):
            others, messages = [j for j in range(n) if j != i], {}
            for j in range(n):
                d, inner = (x[i] - x[j]).norm(), x[i] @ x[j]
                u = block.receiver(torch.cat([normed[i], x[i].norm()[None]]))
                u = u + block.sender(torch.cat([normed[j], x[j].norm()[None]]))
                u = u + block.edge.edges(e[i, j]) + block.edge.geometry(torch.stack([d, inner]))
                messages[j] = silu(u)
                new_e[i, j] = block.edge_out(silu(e[i, j] + block.edge_message(messages[j])))
            attention = torch.stack([block.logits(messages[j]) for j in others]).softmax(0)
            new_h.append(h[i] + sum(a * block.value(normed[j]) for a, j in zip(attention, others, strict=True)))
            direction = {j: (x[i] - x[j]) / (1 + (x[i] - x[j]).norm()) for j in others}
            change = sum(torch.outer(direction[j], block.along(messages[j])) for j in others) / len(others)
            if values is not None:
                change = change + sum(block.carried(messages[j]) * values[j] for j in others) / len(others)
            new_v.append(change if v is None else v[i] + change)
            moves.append(sum(block.push(messages[j]) * direction[j] for j in others) / len(others))
        length = sum(move.norm() for move in moves) / n
        x = [p + block.step * move / (length + STEP_EPSILON) for p, move in zip(x, moves, strict=True)]
        centre = sum(x) / n
        x, e = [p - centre for p in x], new_e
        mixed = [block.mix(u[None, None], w[None, None]) for u, w in zip(new_h, new_v, strict=True)]
        h = [u + scalars[0, 0] for u, (scalars, _) in zip(new_h, mixed, strict=True)]
        v = [w + vectors[0, 0] for w, (_, vectors) in zip(new_v, mixed, strict=True)]
    moved = [p + network.position_read(w).squeeze(-1) for p, w in zip(x, v, strict=True)]
    x = [p - sum(moved) / n for p in moved]
    h = [network.shared(u) for u in h]
    bonds = torch.zeros(n, n, SIZES["pair_outputs"], dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            if i != j:
                d = (x[i] - x[j]).norm()
                u = network.pair_edges.edges(e[i, j] + e[j, i]) + network.pair_edges.geometry(torch.stack([d * d, d]))
                bonds[i, j] = network.pair_read(silu(u + network.pair_atoms(h[i]) + network.pair_atoms(h[j])))
    return network.atom_read(torch.stack(h)), torch.stack(x) - (positions - positions.mean(0)), bonds


def test_equals_the_equations_pair_by_pair(generator):
    network = make_network(generator)
    inputs = make_input([4, 6], generator)
    with torch.no_grad():
        outputs = network(*inputs)
        for row, n in ((0, 4), (1, 6)):
            atoms, positions, pairs, condition = (tensor[row] for tensor in inputs[:-1])
            expected = pair_by_pair(network, atoms[:n], positions[:n], pairs[:n, :n], condition)
            cut = outputs[0][row, :n], outputs[1][row, :n], outputs[2][row, :n, :n]
            for mine, other in zip(cut, expected, strict=True):
                assert relative_difference(mine, other) < 1e-7  # 1e-12 under the roots


def test_pair_outputs_are_symmetric_without_a_diagonal(generator):
    bonds = make_network(generator)(*make_input([5, 3], generator))[2]
    assert torch.equal(bonds, bonds.transpose(1, 2))
    assert not bonds.diagonal(dim1=1, dim2=2).any()


def test_displacements_are_centred(generator):
    displacement = make_network(generator)(*make_input([5, 3], generator))[1].detach()
    assert float(displacement.sum(1).abs().max()) < 1e-12


def test_mixed_sizes_run_in_groups_with_the_same_result(generator, monkeypatch):
    network = make_network(generator)
    inputs = make_input([3, 17, 4, 11, 12, 5, 1, 18, 9], generator)
    grouped = network(*inputs)
    monkeypatch.setattr(by_size, "_WORTH_SPLITTING", 1e9)
    for mine, other in zip(grouped, network(*inputs), strict=True):
        assert relative_difference(mine, other) < ROUNDING


def test_gradients_are_those_of_finite_differences(generator):
    network = make_network(generator, layers=2)
    *inputs, mask = make_input([2, 4], generator)
    shapes = {name: p.shape for name, p in network.named_parameters()}
    weights = torch.nn.utils.parameters_to_vector(network.parameters()).detach()

    def outputs(atoms, positions, pairs, weights):
        parts = weights.split([shape.numel() for shape in shapes.values()])
        named = {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
        symmetric = pairs + pairs.transpose(1, 2)
        return torch.func.functional_call(network, named, (atoms, positions, symmetric, inputs[3], mask))

    leaves = [tensor.requires_grad_() for tensor in (*inputs[:3], weights)]
    assert torch.autograd.gradcheck(outputs, leaves, eps=1e-6, atol=1e-6, rtol=1e-5, fast_mode=True)


def test_attention_by_feature(generator):
    logits = torch.randn(2, 4, 4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    values = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    pairs = ~torch.eye(4, dtype=torch.bool).expand(2, 4, 4).clone().unsqueeze(-1)
    pairs[1, 3:] = False
    pairs[1, :, 3:] = False
    weights = logits.masked_fill(~pairs, -torch.inf).softmax(2).nan_to_num()
    expected = torch.einsum("bijh,bjh->bih", weights, values)
    torch.testing.assert_close(attend_by_feature(logits, values, pairs), expected)
    assert not attend_by_feature(logits, values, pairs)[1, 3].any()
    assert torch.autograd.gradcheck(lambda a, b: attend_by_feature(a, b, pairs), (logits, values))


def test_norms_of_vectors(generator):
    v = 7 * torch.randn(2, 3, 3, 4, generator=generator, dtype=torch.float64)
    atoms = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]], dtype=torch.float64).unsqueeze(-1)
    lengths = normalised_vectors(v * atoms.unsqueeze(-1), atoms).square().sum(2)
    assert (lengths.sum((1, 2)) / torch.tensor([12.0, 8.0])).tolist() == pytest.approx([1.0, 1.0], rel=1e-6)
    steps = torch.randn(2, 3, 3, generator=generator, dtype=torch.float64) * atoms
    sharp, soft = (normalised_steps(steps, atoms, epsilon) for epsilon in (1e-9, 1e3))
    assert (sharp.norm(dim=-1).sum(1) / torch.tensor([3.0, 2.0])).tolist() == pytest.approx([1.0, 1.0], rel=1e-6)
    torch.testing.assert_close(soft, steps / 1e3, rtol=1e-2, atol=0)
