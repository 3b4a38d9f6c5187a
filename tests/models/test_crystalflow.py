"""CrystalFlow's loss and sampler, each against its definition computed some other way."""

from dataclasses import replace

import pytest
import torch

from molgen.errors import ConfigError
from molgen.geometry.centering import remove_mean
from molgen.geometry.periodic import shortest
from molgen.models import build
from molgen.models.crystalflow import CrystalFlowConfig, CrystalPrediction
from molgen.models.known import Known
from molgen.randomness import NoiseSource
from molgen.sampling.settings import time_grid
from molgen.testing import random_crystals
from tests.models.conftest import LATTICES, SUMMARY

ELEMENTS = (1, 6, 8)
SIZES = [5, 6, 4, 5, 1, 3]


@pytest.fixture
def batch(generator):
    return random_crystals(SIZES, generator, elements=ELEMENTS)


def noise(mask, seed=1):
    return NoiseSource(NoiseSource.seeded(seed, *mask.shape).blocks, torch.float64)


class Oracle:
    """Predicts one crystal, whatever it sees."""

    def __init__(self, model, target):
        self.model, self.target, self.told = model, target, []

    def __call__(self, state, t, known, before=None):
        self.told.append(float(t[0]))
        way = remove_mean(shortest(self.target.fractional - state.fractional), state.mask)
        classes = torch.nn.functional.one_hot(self.target.elements, self.model.elements.classes)
        return CrystalPrediction(
            displacement=way, fractional=self.target.fractional, cell=self.target.cell, logits=9.0 * classes.double()
        )


def distance_up_to_a_shift(one, other, mask):
    """Largest difference of a coordinate once the first atoms lie on each other."""
    difference = one - other
    return float((shortest(difference - difference[:, :1]) * mask.unsqueeze(-1)).abs().max())


@pytest.mark.parametrize(
    "settings", [{"sample_annealing": 0.0}, {"sample_refinement": 0.4}, {"prior": "mask", "sample_category_noise": 3.0}]
)
def test_an_exact_denoiser_gives_the_crystal_back(make, batch, settings):
    model = make("crystalflow", **settings)
    target = model.encode(batch)
    model.predict = Oracle(model, target)
    source, seen = noise(batch.mask), []
    times = model.times(time_grid, 20)
    state = model.start(batch.mask, source)
    state = model.solvers["flow"](model, state, times, batch.mask, source, lambda k, s: seen.append(k))
    assert seen == list(range(1, 21))
    assert distance_up_to_a_shift(state.crystal.fractional, target.fractional, batch.mask) < 1e-6
    torch.testing.assert_close(state.crystal.cell, target.cell)
    made = model.finish(state, batch.mask, source)
    assert torch.equal(made.elements, batch.elements)
    gram = made.lattice @ made.lattice.mT
    torch.testing.assert_close(gram, (batch.lattice @ batch.lattice.mT).to(gram), rtol=1e-4, atol=1e-4)
    assert bool((torch.linalg.det(made.lattice) > 0).all())


def test_what_the_network_is_told(make, batch):
    model = make("crystalflow", sample_refinement=0.5, sample_refinement_time=0.3)
    oracle = model.predict = Oracle(model, model.encode(batch))
    source = noise(batch.mask)
    model.solvers["flow"](model, model.start(batch.mask, source), model.times(time_grid, 4), batch.mask, source)
    assert oracle.told == pytest.approx([1.0, 0.5, 0.3, 0.003])


def test_given_elements_stay_and_systems_are_kept_to(make, batch):
    model = make("crystalflow", prior="mask")
    crystal = model.vocabulary.encode(batch)
    known = replace(Known.nothing(batch.mask), elements=batch.mask)
    source, seen = noise(batch.mask), []
    state = model.start(batch.mask, source, (crystal, known))
    model.solvers["flow"](model, state, time_grid(5), batch.mask, source, lambda k, s: seen.append(s))
    assert all(torch.equal(s.crystal.elements, crystal.elements) for s in seen)
    assert torch.equal(model.snapshot(seen[0], batch.mask).elements, batch.elements)
    allowed = torch.zeros(len(batch), model.elements.classes, dtype=torch.bool)
    allowed[:, [1, 3]] = True
    source, system = noise(batch.mask), replace(Known.nothing(batch.mask), allowed=allowed)
    state = model.start(batch.mask, source, (crystal, system))
    state = model.solvers["flow"](model, state, time_grid(5), batch.mask, source)
    made = model.finish(state, batch.mask, source).elements[batch.mask]
    assert set(made.tolist()) <= {SUMMARY.elements[1], SUMMARY.elements[3]}


def test_loss_of_a_crystal_by_hand(make, batch):
    """One atom per cell: no displacement is possible, so lattice and elements are all of the loss."""
    model = make("crystalflow", self_conditioning=0.0, formulas=0.0, time_power=1.3, alignment=False)
    one = batch[torch.tensor([4])]
    one = one.replace(mask=one.mask[:, :1], elements=one.elements[:, :1], positions=one.positions[:, :1])
    clean, calls = model.encode(one), []
    predict = model.predict

    def spy(state, t, known, before=None):
        calls.append((state, t, predict(state, t, known, before)))
        return calls[-1][2]

    model.predict = spy
    parts = model.loss(one, noise(one.mask))
    ((state, t, prediction),) = calls
    assert float(parts["positions_loss"]) == 0.0
    weight = min(float(t) ** -2, model.config.largest_weight)
    expected = weight * float((prediction.cell - clean.cell).square().mean())
    assert float(parts["lattice_loss"]) == pytest.approx(expected)
    log_p = prediction.logits.log_softmax(-1)[0, 0, clean.elements[0, 0]]
    assert float(parts["elements_loss"]) == pytest.approx(-float(log_p))
    total = 0.3 * parts["lattice_loss"] + 0.3 * parts["elements_loss"]
    assert float(parts["loss"]) == pytest.approx(float(total))
    z = (state.cell - (1 - t) * clean.cell) / t  # the prior draw that the line comes from
    assert float(z.abs().max()) < 6


def test_bad_settings():
    data = replace(SUMMARY, **LATTICES)
    with pytest.raises(ConfigError, match="not a multiple"):
        build(CrystalFlowConfig(hidden=30, heads=8), data)
    with pytest.raises(ConfigError, match="holds molecules"):
        build(CrystalFlowConfig(), SUMMARY)
    with pytest.raises(ConfigError, match=r"model\.prior"):
        build(CrystalFlowConfig(prior="zzz"), data)
