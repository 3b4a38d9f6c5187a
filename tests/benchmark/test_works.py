"""Sampling and training as timed: the same cost as a long run, the same steps as a real run."""

import lightning
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from molgen.batch import AtomBatch
from molgen.benchmark.document import row
from molgen.benchmark.molecules import QM9, RandomMolecules
from molgen.benchmark.sampling import sample, sampling_work, typical_plan
from molgen.benchmark.timing import Timing
from molgen.benchmark.training import Stepper, training_work
from molgen.config import load_recipe
from molgen.models import build
from molgen.sampling.settings import Settings
from molgen.sampling.sizes import CHUNK, make_plan
from molgen.training.module import TrainingModule

SMALL = {
    "edm": ("model.hidden=8", "model.layers=1"),
    "bondflow": ("model.hidden=16", "model.layers=1", "model.pair=8", "model.heads=2"),
}
RECIPES = {"edm": "edm_qm9", "bondflow": "bondflow_qm9"}


def recipe(name="edm", *more):
    plain = ("data.batch_size=6", "training.warmup_steps=0", "training.decay=none", "training.muon_learning_rate=0")
    return load_recipe(RECIPES[name], [*SMALL[name], *plain, *more])


def model(name="edm"):
    torch.manual_seed(0)
    return build(recipe(name).model, QM9).eval()


@pytest.mark.parametrize(("batch_size", "molecules"), [(64, 256), (64, 2000), (256, 2000), (1000, 6000)])
def test_a_typical_plan_costs_what_a_long_one_costs(batch_size, molecules):
    """Work in pairs, padding included, per molecule."""

    def pairs(plan):
        joined = batch_size // CHUNK
        batches = [np.concatenate(plan.chunks[i : i + joined]) for i in range(0, len(plan.chunks), joined)]
        return sum(len(batch) * batch.max() ** 2 for batch in batches) / len(plan)

    plan = typical_plan(QM9.size_histogram, molecules, batch_size)
    assert len(plan) >= molecules
    assert all(len(chunk) == CHUNK for chunk in plan.chunks)
    assert len(plan.chunks) % (batch_size // CHUNK) == 0
    assert np.array_equal(plan.starts, CHUNK * np.arange(len(plan.chunks) + 1))
    per_batch = batch_size // CHUNK * CHUNK
    whole = make_plan(QM9.size_histogram, -(-10_000 // per_batch) * per_batch, 0)
    assert pairs(plan) == pytest.approx(pairs(whole), rel=0.03)
    assert len(set(np.concatenate(plan.chunks).tolist())) > 4  # not one size over and over


def test_a_typical_plan_of_everything_is_everything():
    plan = typical_plan(QM9.size_histogram, 20_000, 64)
    assert 20_000 <= len(plan) < 20_000 + CHUNK


@pytest.mark.parametrize(("name", "calls"), [("edm", 4), ("bondflow", 3)])
def test_sampling(name, calls):
    made = model(name)
    work = sampling_work(made, Settings.of(made, steps=3), 1, 64)
    assert work.molecules == 64
    assert work.calls == calls
    assert work.labels["steps"] == 3
    batches = work.run()
    assert sum(map(len, batches)) == 64
    assert all(isinstance(batch, AtomBatch) for batch in batches)
    sizes = np.concatenate([batch.num_atoms.numpy() for batch in batches])
    assert work.labels["mean_atoms"] == pytest.approx(sizes.mean())
    double = sampling_work(made, Settings.of(made, steps=2 * calls - (calls - 3) - 1), 1, 64)
    assert double.flop / work.flop == pytest.approx(double.calls / calls, rel=1e-3)


def test_every_molecule_of_the_plan_is_made():
    plan = typical_plan(QM9.size_histogram, 128, 64)
    made = sample(model(), plan, Settings.of(model(), steps=1), 64)
    assert [batch.num_atoms.tolist() for batch in made] == [chunk.tolist() for chunk in plan.chunks]


def test_steps_are_those_of_a_real_run():
    """The stepper, given the steps 0, 1, 2, ends with the weights of a Lightning trainer."""
    data = RandomMolecules(QM9, 40)
    module = TrainingModule(model().train(), data, 6, recipe().training, seed=0)
    options = {"enable_checkpointing": False, "logger": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(accelerator="cpu", max_steps=3, enable_model_summary=False, **options)
    trainer.fit(module, DataLoader(range(6), batch_size=None))
    stepper = Stepper(model().train(), data, recipe(), 1, "32", "cpu")
    stepper.steps = [0, 1, 2]
    stepper()
    expected, averaged = module.model.state_dict(), module.averaged_model.state_dict()
    assert not torch.equal(expected["denoiser.network.embed.weight"], model().network.embed.weight)
    for name, value in stepper.model.state_dict().items():
        assert torch.equal(value, expected[name]), name
    for name, value in stepper.module.averaged_model.state_dict().items():
        assert torch.equal(value, averaged[name]), name


@pytest.mark.parametrize("name", ["edm", "bondflow"])
@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_training(name, precision):
    data = RandomMolecules(QM9, 240)
    work = training_work(model(name), data, recipe(name), 4, precision, "cpu")
    assert work.molecules == 24
    assert work.labels["optimizer_flop_per_molecule"] == 0  # AdamW multiplies no matrices
    assert work.calls == (1.5 if name == "bondflow" else 1)  # half of the steps see an earlier prediction
    before = [p.detach().clone() for p in work.run.model.parameters()]
    work.run()
    assert any(not torch.equal(a, b) for a, b in zip(before, work.run.model.parameters(), strict=True))


def test_the_batches_of_training_stand_for_an_epoch():
    data = RandomMolecules(QM9, 6000)
    stepper = Stepper(model().train(), data, recipe("edm", "data.batch_size=32"), 16, "32", "cpu")
    assert len(set(stepper.steps)) == 16
    assert len(stepper.sizes) == 16 * 32
    squares = np.square(stepper.sizes).mean() / np.square(data.sizes).mean()
    assert squares == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("share", "calls"), [(0.0, 1), (0.25, 1.25), (1.0, 2)])
def test_the_due_share_of_steps_sees_an_earlier_prediction(share, calls):
    some = recipe("bondflow", f"model.self_conditioning={share}", "data.batch_size=2")
    torch.manual_seed(0)
    work = training_work(build(some.model, QM9), RandomMolecules(QM9, 400), some, 8, "32", "cpu")
    assert work.calls == calls


def test_the_optimizer_is_counted_apart():
    muon = recipe("bondflow", "training.muon_learning_rate=1e-3", "model.hidden=64")
    torch.manual_seed(0)
    work = training_work(build(muon.model, QM9), RandomMolecules(QM9, 80), muon, 2, "32", "cpu")
    assert 0 < work.labels["optimizer_flop_per_molecule"] * work.molecules < work.flop


def test_row():
    made = model()
    work = sampling_work(made, Settings.of(made, steps=1), 64, 64)
    result = row(work, Timing((4.0, 2.0, 3.0), (8.0, 6.0, 7.0)), {"32": 10 * work.flop})
    assert result["molecules_per_s"] == pytest.approx(64 / 3)
    assert result["cpu_s_per_molecule"] == pytest.approx(7 / 64)
    assert result["cpu_s_per_call"] == pytest.approx(7 / 128)
    assert result["flop_per_call"] * 128 == pytest.approx(work.flop)
    assert result["flop_per_s"] == pytest.approx(work.flop / 3)
    assert result["peak_fraction"] == pytest.approx(1 / 30)
