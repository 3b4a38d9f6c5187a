"""The pieces of one training step, each against its formula."""

import math

import numpy as np
import pytest
import torch

from molgen.datasets.packed import PackedDataset
from molgen.errors import InputError
from molgen.models import DataSummary, build
from molgen.training.module import TrainingModule, decay_factor


@pytest.fixture
def make(tiny, recipe):
    def make_module(*overrides, seed=0):
        dataset = PackedDataset.open(tiny)
        summary = DataSummary(tuple(dataset.elements), tuple(dataset.size_histogram("train").tolist()))
        settings = recipe(*overrides)
        torch.manual_seed(3)
        module = TrainingModule(build(settings.model, summary), dataset, 8, settings.training, seed)
        module.log = lambda *_, **__: None
        return module

    return make_module


def test_average_of_weights_over_a_run(run, recipe):
    """After step k = 0, 1, ...: average += (1 - min(decay, (1 + k)/(10 + k))) (weights - average); at first a copy."""

    def averages(decay):
        seen = []
        collect = lambda model, step: (seen.append([p.clone() for p in model.parameters()]), {})[1]  # noqa: E731
        overrides = (f"training.ema_decay={decay}", "training.validate_every=1", "training.sample_structures=1")
        run(recipe(*overrides), f"decay{decay}", sample_scores=collect)
        return seen

    weights, averaged = averages(0.0), averages(0.3)  # without decay the average is the weights themselves
    assert len(weights) == len(averaged) == 13
    expected = weights[0]
    for k, (now, actual) in enumerate(zip(weights, averaged, strict=True)):
        decay = min(0.3, (1 + k) / (10 + k)) if k else 0.0
        expected = [decay * old + (1 - decay) * new for old, new in zip(expected, now, strict=True)]
        for mine, other in zip(actual, expected, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-7)


def test_batch_and_noise_depend_on_seed_and_step_alone(make):
    first, second = make(), make()
    second.training_batch(9)
    (batch, noise), (again, same_noise) = first.training_batch(4), second.training_batch(4)
    assert torch.equal(batch.positions, again.positions)
    assert torch.equal(noise.uniform(), same_noise.uniform())
    other_seed, other_step = make(seed=1).training_batch(4)[1], make().training_batch(5)[1]
    draws = [source.normal(6, 3)[:, :2] for source in (make().training_batch(4)[1], other_seed, other_step)]
    assert not torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_devices_share_out_one_batch_with_its_noise(make, monkeypatch):
    whole, noise = make().training_batch(2)
    atoms = whole.mask.shape[1]
    normal, uniform = noise.normal(atoms, 4), noise.uniform()
    for rank in range(2):
        module = make()
        module._trainer = type("Trainer", (), {"world_size": 2, "global_rank": rank, "strategy": None})()
        monkeypatch.setattr(type(module), "global_rank", rank)
        part, part_noise = module.training_batch(2)
        assert torch.equal(part.positions, whole.positions[rank::2])
        assert torch.equal(part_noise.normal(atoms, 4), normal[rank::2])
        assert torch.equal(part_noise.uniform(), uniform[rank::2])


def clip(module, size):
    """Give the parameters a gradient of that norm, clip, and return the norm that is left."""
    parameters = list(module.model.parameters())
    count = sum(p.numel() for p in parameters)
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, size / math.sqrt(count))
    module.configure_gradient_clipping(None)
    return math.sqrt(sum(float(p.grad.square().sum()) for p in parameters))


def test_adaptive_clipping_follows_the_last_fifty_norms(make):
    module, rng, queue = make(), np.random.default_rng(0), []
    for step in range(120):
        norm = float(rng.lognormal(0, 0.3)) * (20.0 if step % 17 == 16 else 1.0)
        limit = 1.5 * np.mean(queue[-50:]) + 2 * np.std(queue[-50:]) if queue else math.inf
        assert clip(module, norm) == pytest.approx(min(norm, limit), rel=1e-4), step
        queue.append(min(norm, limit))
    assert module.gradient_norms == pytest.approx(queue[-50:], rel=1e-4)


def test_fixed_clipping(make):
    module = make("training.clip=0.7")
    assert [clip(module, size) for size in (3.0, 0.5)] == pytest.approx([0.7, 0.5], rel=1e-4)


@pytest.mark.parametrize(
    ("decay", "wave"), [("none", lambda k: 1.0), ("cosine", lambda k: 0.5 + 0.5 * math.cos(math.pi * k / 13))]
)
def test_learning_rate(make, decay, wave):
    configured = make(f"training.decay={decay}").configure_optimizers()
    optimizer, scheduler = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    for step in range(13):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * min(1.0, (step + 1) / 3) * wave(step))
        optimizer.step()
        scheduler.step()
    assert optimizer.defaults["amsgrad"]


def test_validation_loss_is_the_averaged_models_and_always_the_same(make):
    module = make()
    first = module.validation_loss()
    assert first == module.validation_loss()
    assert set(first) == {"valid_loss", "valid_noise_error"}
    with torch.no_grad():
        for parameter in module.model.parameters():
            parameter.add_(1.0)
    assert module.validation_loss() == first
    with torch.no_grad():
        for parameter in module.averaged_model.parameters():
            parameter.add_(1.0)
    assert module.validation_loss() != first


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(run, recipe, tmp_path):
    with pytest.raises(InputError, match="training stopped: the loss is") as caught:
        run(recipe("training.learning_rate=1e30", "training.clip=1e30", "training.validate_every=1"))
    assert "training.learning_rate" in caught.value.hint


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        ("none", [1, 1, 1, 1, 1, 1]),
        ("cosine", [1.0, 0.5 * (1 + math.cos(0.35 * math.pi)), 0.5, 0.5 * (1 + math.cos(0.85 * math.pi)), None, 0.0]),
        ("tail", [1, 1, 1, 0.5, 1 / 3, 0]),
    ],
)
def test_decay_of_the_learning_rate(decay, expected):
    for progress, value in zip((0.0, 0.35, 0.5, 0.85, 0.9, 1.0), expected, strict=True):
        if value is not None:
            assert decay_factor(decay, progress) == pytest.approx(value, abs=1e-12)


def test_learning_rates_of_a_run(make):
    module = make("training.warmup_steps=4", "training.decay=tail", "training.steps=20")
    made = module.configure_optimizers()
    rates = []
    for _ in range(20):
        rates.append(made["optimizer"].param_groups[0]["lr"] / 0.01)
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    assert rates == pytest.approx([0.25, 0.5, 0.75, *[1.0] * 12, *(5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6)], abs=1e-9)
