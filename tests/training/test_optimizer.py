"""Muon with matrices of one shape taken together, against torch's, which takes them one by one."""

import pytest
import torch

from molgen.training.optimizer import BatchedMuon, orthogonalised

SHAPES = [(40, 96), (96, 40), *[(64, 64)] * 10, (96, 40)]


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_steps_are_those_of_torch(decay):
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in SHAPES]
    options = {"lr": 0.1, "weight_decay": decay, "adjust_lr_fn": "match_rms_adamw"}
    sides = []
    for kind in (torch.optim.Muon, BatchedMuon):
        weights = [torch.nn.Parameter(weight.clone()) for weight in start]
        sides.append((weights, kind(weights, **options)))
    for _ in range(3):
        gradients = [torch.randn(shape, generator=generator) for shape in SHAPES]
        gradients[1] = None
        for weights, optimizer in sides:
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.grad = None if gradient is None else gradient.clone()
            optimizer.step()
    (theirs, their_optimizer), (mine, my_optimizer) = sides
    assert torch.equal(mine[1], start[1])  # without a gradient
    for number in [0, *range(2, len(SHAPES))]:
        moved = theirs[number] - start[number]
        assert float((mine[number] - theirs[number]).detach().norm() / moved.norm()) < 0.02  # products in bfloat16
    my_optimizer.load_state_dict(their_optimizer.state_dict())  # the state is torch's, too


@pytest.mark.parametrize("shape", [(3, 24, 60), (3, 60, 24)])
def test_directions_have_singular_values_near_one(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    left, values, right = torch.linalg.svd(matrices / torch.linalg.matrix_norm(matrices)[:, None, None], False)
    for _ in range(5):
        values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
    result = orthogonalised(matrices / torch.linalg.matrix_norm(matrices)[:, None, None], 5)
    torch.testing.assert_close(result, left @ torch.diag_embed(values) @ right)
    assert 0.6 < float(values.min()) < float(values.max()) < 1.3
