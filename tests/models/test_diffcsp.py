"""DiffCSP: its loss by brute force, its steps on the published grid, and what it makes with an exact denoiser."""

import math

import numpy as np
import pytest
import torch

from molgen.batch import AtomBatch
from molgen.errors import ConfigError
from molgen.geometry.periodic import shortest
from molgen.models.diffcsp_sampling import State
from molgen.models.known import Known
from molgen.networks.cspnet import CSPOutput
from molgen.processes import wrapped_normal
from molgen.randomness import NoiseSource
from molgen.sampling.runner import make as sample
from molgen.sampling.settings import Settings
from molgen.testing import random_crystals

TIME = np.arange(1001) / 1000
WAVE = np.cos((TIME + 0.008) / 1.008 * math.pi / 2) ** 2
BETA = np.concatenate([[0.0], np.clip(1 - WAVE[1:] / WAVE[:-1], 1e-4, 0.9999)])
ALPHA_BAR = np.cumprod(1 - BETA)
SIGMA = np.concatenate([[0.0], np.exp(np.linspace(np.log(0.005), np.log(0.5), 1000))])


def published_target(x, sigma):
    """g / sqrt(lambda) of the paper, with its sign, g the ratio of sums over images -10..10, lambda on a fine grid."""

    def g(x):
        images = x[..., None] + np.arange(-10, 11)
        weights = np.exp(-(images**2) / (2 * sigma**2))
        return (images * weights).sum(-1) / sigma**2 / weights.sum(-1), weights.sum(-1)

    grid = np.linspace(-min(0.5, 8 * sigma), min(0.5, 8 * sigma), 20001)
    values, density = g(grid)
    return g(x)[0] / math.sqrt((values**2 * density).sum() / density.sum())


@pytest.mark.parametrize("formulas", [0.0, 0.4, 1.0])
def test_loss_is_the_published_one(formulas, make, generator):
    model, batch = make("diffcsp", formulas=formulas), random_crystals([3, 1, 4, 2], generator, elements=(1, 6, 8))
    config, sizes = model.config, batch.num_atoms.tolist()
    with torch.no_grad():
        losses = model.loss(batch, NoiseSource.seeded(3, *batch.mask.shape))

    draws, k = NoiseSource.seeded(3, *batch.mask.shape), len(model.data.elements)
    steps = (draws.uniform() * 1000).floor().long().numpy() + 1
    given = (draws.uniform() < formulas).tolist()
    assert formulas in (0.0, 1.0) or len(set(given)) == 2
    moves, cells, kinds = draws.normal(4, 3), draws.normal_structures(9).view(-1, 3, 3), draws.normal(4, k)
    sums = {"fractional": 0.0, "lattice": 0.0, "element": 0.0}
    for b, n in enumerate(sizes):
        a, sigma = ALPHA_BAR[steps[b]], SIGMA[steps[b]]
        clean = torch.linalg.solve(batch.lattice[b], batch.positions[b, :n], left=False)
        one_hot = (batch.elements[b, :n, None] == torch.tensor(model.data.elements)).double()
        state = State(
            mask=torch.ones(1, n, dtype=torch.bool),
            fractional=(clean + sigma * moves[b, :n]).remainder(1.0)[None],
            lattice=(math.sqrt(a) * batch.lattice[b] + math.sqrt(1 - a) * cells[b])[None],
            types=one_hot[None] if given[b] else (math.sqrt(a) * one_hot + math.sqrt(1 - a) * kinds[b, :n])[None],
            known=Known(atoms=torch.zeros(1, n, dtype=torch.bool), elements=torch.full((1, n), given[b])),
        )
        with torch.no_grad():
            output = model.predict(state, torch.tensor([steps[b] / 1000]))
        target = -published_target(sigma * moves[b, :n].numpy(), sigma)  # ours is the score itself
        sums["fractional"] += float((output.fractional[0] - torch.from_numpy(target)).square().sum())
        sums["lattice"] += float((output.lattice[0] - cells[b]).square().sum())
        if not given[b]:
            sums["element"] += float((output.atoms[0] - kinds[b, :n]).square().sum())
    unknown = sum(n for n, known in zip(sizes, given, strict=True) if not known)
    counts = {"fractional": 3 * sum(sizes), "lattice": 9 * len(sizes), "element": max(unknown, 1) * k}
    parts = {name: sums[name] / counts[name] for name in sums}
    total = parts["fractional"] + parts["lattice"] + config.element_loss * parts["element"]
    assert float(losses["loss"]) == pytest.approx(total, rel=1e-5)
    for name in ("fractional", "lattice", *(["element"] if formulas < 1 else [])):
        assert float(losses[f"{name}_loss"]) == pytest.approx(parts[name], rel=1e-5)


def exact(model, crystal, types):
    """Replace the network by what is true of the one crystal that the data hold."""

    def predict(state, t):
        schedule, sigma = model.gaussian.schedule, model.coordinates.sigma(t)
        alpha, noise = (x.to(state.lattice.dtype).view(-1, 1, 1) for x in (schedule.alpha(t), schedule.sigma(t)))
        score = wrapped_normal.score(state.fractional - crystal.fractional, sigma.view(-1, 1, 1))
        scale = wrapped_normal.mean_square_score(sigma).sqrt().view(-1, 1, 1).to(score.dtype)
        lattice = (state.lattice - alpha * crystal.lattice) / noise
        return CSPOutput(lattice, score / scale, (state.types - alpha * types) / noise)

    model.predict = predict
    return model


@pytest.fixture
def perovskite():
    """CaTiO3-like, distorted, in a skew cell of either handedness."""
    lattice = torch.tensor([[3.9, 0.1, 0.0], [0.2, 3.8, 0.3], [-0.1, 0.4, 4.1]])
    fractional = torch.tensor(
        [[0.02, 0.0, 0.01], [0.5, 0.52, 0.5], [0.5, 0.5, 0.03], [0.5, 0.01, 0.5], [0.97, 0.5, 0.5]]
    )
    elements = torch.tensor([[7, 6, 8, 8, 8]])
    lattice = torch.stack([lattice, -lattice])
    mask = torch.ones(2, 5, dtype=torch.bool)
    return AtomBatch(mask=mask, elements=elements.expand(2, -1), positions=fractional @ lattice, lattice=lattice)


def error_of(made, wanted):
    """Largest distance of an atom from where it should be, over (V/N)^(1/3), and that of the lattice in angstrom.

    The cells that were left-handed come out with all axes reversed."""
    sign = torch.linalg.det(wanted.lattice).sign().view(-1, 1, 1)
    apart = torch.linalg.solve(made.lattice, made.positions - wanted.positions, left=False)
    size = (torch.linalg.det(made.lattice) / made.mask.shape[1]) ** (1 / 3)
    atoms = (shortest(apart) @ made.lattice).norm(dim=-1) / size.unsqueeze(1)
    return float(atoms.max()), float((made.lattice - sign * wanted.lattice).abs().max())


@pytest.mark.parametrize(
    ("solver", "steps", "formulas"),
    [("predictor_corrector", 1000, 0.0), ("predictor_corrector", 50, 1.0), ("predictor", 100, 0.0)],
)
def test_an_exact_denoiser_of_one_crystal_gives_it(solver, steps, formulas, make, perovskite):
    """Match 100 %, RMSE < 0.01, whatever the steps; right-handed."""
    model = make("diffcsp", formulas=formulas).float()
    crystal = model.vocabulary.encode(perovskite)
    given = (crystal, Known.formula(crystal.mask)) if formulas else None
    settings = Settings.of(model, steps=steps, solver=solver)
    made = sample(
        exact(model, crystal, model.one_hot(crystal)), crystal.mask, NoiseSource.seeded(0, 2, 5), settings, given=given
    )
    assert torch.equal(made.elements, perovskite.elements)
    assert bool((torch.linalg.det(made.lattice) > 0).all())
    atoms, lattice = error_of(made, perovskite)
    assert atoms < 0.01
    assert lattice < 1e-3


def test_steps_of_the_training_grid_are_the_published_ones(make, perovskite, generator):
    """The step k to k - 1 by the published formulas, noise included, and the corrector before it; not the first."""
    model = make("diffcsp", formulas=0.0, sample_step_lr=2e-6)
    crystal = model.vocabulary.encode(
        perovskite.replace(positions=perovskite.positions.double(), lattice=perovskite.lattice.double())
    )
    mask, k = crystal.mask, 700
    state = model.start(mask, NoiseSource.seeded(1, 2, 5))
    state = State(
        mask=mask,
        fractional=crystal.fractional,
        lattice=state.lattice.double(),
        types=state.types.double(),
        known=state.known,
    )
    times = torch.tensor([(k + 1) / 1000, k / 1000, (k - 1) / 1000, 0.0], dtype=torch.float64)
    states = []
    with torch.no_grad():
        model.solvers["predictor_corrector"](
            model, state, times, mask, NoiseSource.seeded(2, 2, 5), lambda _, s: states.append(s)
        )
        assert torch.equal(states[0].lattice, state.lattice)
        assert torch.equal(states[0].types, state.types)
        state, draws, classes = states[0], NoiseSource.seeded(2, 2, 5), len(model.data.elements)
        z = [draws.normal(5, 3) for _ in range(4)][2:]
        cells, kinds = draws.normal_structures(9).view(-1, 3, 3), draws.normal(5, classes)
        rms = math.sqrt(float(wrapped_normal.mean_square_score(torch.tensor(SIGMA[k]))))
        eta = 2e-6 * (SIGMA[k] / SIGMA[1]) ** 2
        x = -model.predict(state, times[1:2]).fractional * rms  # the published sign
        f = state.fractional - eta * x + math.sqrt(2 * eta) * z[0]
        half = State(
            mask=mask, fractional=f.remainder(1.0), lattice=state.lattice, types=state.types, known=state.known
        )
        output = model.predict(half, times[1:2])
        gone = SIGMA[k] ** 2 - SIGMA[k - 1] ** 2
        f = f + gone * output.fractional * rms + math.sqrt(SIGMA[k - 1] ** 2 * gone / SIGMA[k] ** 2) * z[1]
        c0, c1 = 1 / math.sqrt(1 - BETA[k]), BETA[k] / math.sqrt(1 - ALPHA_BAR[k])
        spread = math.sqrt(BETA[k] * (1 - ALPHA_BAR[k - 1]) / (1 - ALPHA_BAR[k]))
        lattice = c0 * (state.lattice - c1 * output.lattice) + spread * cells
        types = c0 * (state.types - c1 * output.atoms) + spread * kinds
    assert float(shortest(states[1].fractional - f).abs().max()) < 1e-7
    torch.testing.assert_close(states[1].lattice, lattice, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(states[1].types, types, rtol=1e-6, atol=1e-6)


def test_only_allowed_elements_come_out(make):
    """A chemical system, of a model that knows others and was never told."""
    model, mask = make("diffcsp", formulas=0.0), torch.ones(6, 4, dtype=torch.bool)
    allowed = torch.tensor([False, True, False, True, False]).expand(6, -1)
    nothing = torch.zeros_like(mask)
    given = model.vocabulary.encode(random_crystals([4] * 6, torch.Generator().manual_seed(0), elements=(6, 8)))
    known = Known(atoms=nothing, elements=nothing, allowed=allowed)
    source = NoiseSource([*NoiseSource.seeded(4, 6, 4).blocks], torch.float64)
    made = sample(model, mask, source, Settings.of(model, steps=4), given=(given, known))
    assert set(made.elements.unique().tolist()) <= {6, 8}


def test_a_model_of_prediction_wants_a_composition(make):
    model, mask = make("diffcsp", formulas=1.0), torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(ConfigError, match="composition") as caught:
        model.start(mask, NoiseSource.seeded(0, 1, 2))
    assert "--formula" in caught.value.hint


def test_what_it_accepts_depends_on_how_it_was_trained(make):
    assert make("diffcsp", formulas=1.0).accepts == {"formula"}
    assert make("diffcsp", formulas=0.0).accepts == {"chemical system"}
    assert make("diffcsp", formulas=0.5).accepts == {"formula", "chemical system"}


def test_time_features_are_waves_of_the_step_number(make):
    model = make("diffcsp", time_features=8)
    rates = 10000 ** (-np.arange(4) / 3)
    expected = np.concatenate([np.sin(250 * rates), np.cos(250 * rates)])
    np.testing.assert_allclose(model.time_features(torch.tensor([0.25]))[0].numpy(), expected, rtol=1e-9)
    with pytest.raises(ConfigError, match="even"):
        make("diffcsp", time_features=7)
