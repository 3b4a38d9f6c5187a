import pytest
import torch

from molgen.processes.classes import class_prior, draw_class

MARGINAL = torch.tensor([3.0, 1.0, 0.0, 4.0])


def test_priors():
    assert class_prior("uniform", MARGINAL).tolist() == [0.25] * 4
    assert class_prior("marginal", MARGINAL).tolist() == [0.375, 0.125, 0.0, 0.5]
    assert class_prior("mask", MARGINAL).tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert class_prior("uniform", MARGINAL).dtype == torch.float64


def test_unknown_prior():
    with pytest.raises(ValueError, match="known: uniform, marginal, mask"):
        class_prior("none", MARGINAL)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_have_the_stated_frequencies(dtype):
    uniform = (torch.arange(10_000, dtype=dtype) + 0.5) / 10_000
    drawn = draw_class(MARGINAL.to(dtype).expand(len(uniform), -1), uniform)
    assert torch.bincount(drawn, minlength=4).tolist() == [3750, 1250, 0, 5000]


def test_a_class_of_weight_zero_is_never_drawn():
    weights = torch.tensor([[0.0, 0.3, 0.0, 0.1, 0.0]])
    extremes = torch.tensor([0.0, 1.0 - 2.0**-24])
    assert [int(draw_class(weights, u[None])) for u in extremes] == [1, 3]
    random = torch.rand(1000, 7, generator=torch.Generator().manual_seed(1)).softmax(-1)
    padded = torch.nn.functional.pad(random, (0, 1))
    assert int(draw_class(padded, torch.full((1000,), 1.0 - 2.0**-24)).max()) == 6
