"""EQGAT-diff's loss and sampler, each against its definition computed some other way."""

import math
from dataclasses import replace

import pytest
import torch

from molgen.errors import ConfigError
from molgen.models import DataSummary, build
from molgen.models.atom_features import hybridisation, in_ring
from molgen.models.eqgat import EQGATConfig, Prediction
from molgen.randomness import NoiseSource
from molgen.sampling.settings import time_grid
from tests.models.conftest import SUMMARY, random_molecules

SIZES = [5, 1, 6, 3, 6, 4, 2, 5]
PRIORS = pytest.mark.parametrize("prior", ["uniform", "marginal", "mask"])
WEIGHTS = {"positions": 3.0, "elements": 0.4, "charges": 1.0, "bonds": 2.0, "ring": 0.4, "hybridisation": 0.4}


def noise(mask, seed=0, dtype=torch.float64):
    return NoiseSource(NoiseSource.seeded(seed, *mask.shape).blocks, dtype)


@pytest.fixture
def batch(generator):
    return random_molecules(SIZES, generator)


def recorded(model):
    """Lets ``predict`` note its calls: [(state, t, prediction), ...]."""
    calls, predict = [], model.predict

    def predict_and_note(state, t):
        calls.append((state, t, predict(state, t)))
        return calls[-1][2]

    model.predict = predict_and_note
    return calls


def loop_over_variables(model, clean, calls, term):
    """Mean over the molecules of weighted squared errors and of ``term`` averaged over atoms or unordered pairs."""
    (state, t, prediction), sums = calls[-1], dict.fromkeys(model.classes, 0.0) | {"positions": 0.0}
    for row, n in enumerate(SIZES):
        time = float(t[row])
        alpha = float(model.positions.schedule.alpha(t[row]))
        weight = min(1.5, max(0.05, alpha / (1 - alpha)))
        error = (prediction.positions[row, :n].detach() - clean.graph.positions[row, :n]).square().sum()
        sums["positions"] += weight * float(error) / (3 * n)
        for name in model.classes:
            places = [(i,) for i in range(n)]
            if name == "bonds":
                places = [(i, j) for i in range(n) for j in range(i + 1, n)]
            values = [
                term(name, prediction.logits[name][(row, *at)], clean[name][(row, *at)], state[name][(row, *at)], time)
                for at in places
            ]
            sums[name] += (
                (weight if model.config.class_loss == "cross_entropy" else 1.0) * sum(values) / max(len(values), 1)
            )
    return {name: value / len(SIZES) for name, value in sums.items()}


def assert_loss(parts, expected):
    for name, value in expected.items():
        assert float(parts[f"{name}_loss"]) == pytest.approx(value, rel=1e-8), name
    total = sum(WEIGHTS[name] * value for name, value in expected.items())
    assert float(parts["loss"].detach()) == pytest.approx(total, rel=1e-8)


@PRIORS
@pytest.mark.parametrize("extra", [False, True])
def test_loss_against_a_loop_over_molecules_atoms_and_pairs(make, batch, prior, extra):
    model = make("eqgat", prior=prior, extra_features=extra)
    calls = recorded(model)
    parts = model.loss(batch, noise(batch.mask))

    def cross_entropy(name, logits, x0, z_t, t):
        return -float(logits.detach().log_softmax(-1)[x0])

    assert set(model.classes) == {"elements", "charges", "bonds", *(("ring", "hybridisation") if extra else ())}
    assert_loss(parts, loop_over_variables(model, model.encode(batch), calls, cross_entropy))
    steps = calls[-1][1] * model.config.num_steps
    torch.testing.assert_close(steps, steps.round())
    assert 1 <= float(steps.min()) <= float(steps.max()) <= model.config.num_steps


@PRIORS
def test_hybrid_loss_is_the_bound_and_some_cross_entropy(make, batch, prior):
    model = make("eqgat", prior=prior, class_loss="hybrid", hybrid_weight=0.3, num_steps=20)
    calls = recorded(model)
    parts = model.loss(batch, noise(batch.mask))

    def hybrid(name, logits, x0, z_t, t):
        """T KL(q(z_s | z_t, x_0) || sum q p) + 0.3 CE, from matrices."""
        process, s = model.classes[name], t - 1 / 20
        eye, ones = torch.eye(process.states, dtype=torch.float64), torch.ones(process.states, 1, dtype=torch.float64)
        alpha_t, alpha_s = (float(process.schedule.alpha(torch.tensor(u, dtype=torch.float64))) for u in (t, s))
        to_s = alpha_s * eye + (1 - alpha_s) * ones * process.prior
        step = alpha_t / alpha_s * eye + (1 - alpha_t / alpha_s) * ones * process.prior
        guess, joint = logits.detach().softmax(-1), to_s[: process.classes] * step[:, int(z_t)]
        reached = joint.sum(1, keepdim=True)
        table = torch.where(reached > 0, joint / reached, 0.0)
        exact, modelled = table[x0], (guess * (reached[:, 0] > 0)) @ table
        modelled = modelled / modelled.sum()
        divergence = sum(float(q * (q / p).log()) for q, p in zip(exact, modelled, strict=True) if q > 0)
        return 20 * divergence - 0.3 * math.log(float(guess[x0]))

    assert_loss(parts, loop_over_variables(model, model.encode(batch), calls, hybrid))


def test_training_sees_what_the_processes_say(make, batch):
    """Averages over many draws at one time: positions shrink by alpha, classes stay with probability alpha."""
    model = make("eqgat", extra_features=True)
    clean = model.encode(batch)
    t = torch.full((len(SIZES),), 0.6, dtype=torch.float64)
    states = [model.corrupt(clean, t, noise(batch.mask, seed)) for seed in range(80)]
    alpha = float(model.positions.schedule.alpha(t[:1]))
    mean = torch.stack([state.graph.positions for state in states]).mean(0)
    torch.testing.assert_close(mean, alpha * clean.graph.positions, rtol=0, atol=0.5)
    for name, process in model.classes.items():
        there = clean.graph.pairs if name == "bonds" else batch.mask
        kept = torch.stack([(state[name] == clean[name])[there] for state in states]).double().mean()
        stays = float(process.schedule.alpha(t[:1]))
        again = float(process.prior[clean[name][there]].mean())
        assert float(kept) == pytest.approx(stays + (1 - stays) * again, abs=0.05), name
    for state in states[:5]:
        assert torch.equal(state.graph.bonds, state.graph.bonds.mT)
        assert not state.graph.bonds[~clean.graph.pairs].any()
        assert not state.graph.elements[~batch.mask].any()


def test_extra_features_are_those_of_the_molecules(make, batch):
    state = make("eqgat", extra_features=True).encode(batch)
    assert torch.equal(state["ring"], in_ring(batch.bonds))
    assert torch.equal(state["hybridisation"], hybridisation(batch.elements, batch.charges, batch.bonds))
    assert set(state.features) == {"ring", "hybridisation"}  # aromatic bonds do not occur in this data
    aromatic = replace(SUMMARY, bond_orders=(0, 1, 2, 4))
    assert make("eqgat", aromatic, extra_features=True).extra == ("ring", "hybridisation", "aromatic")
    assert make("eqgat").extra == ()


@PRIORS
@pytest.mark.parametrize("steps", [1, 7])
def test_samples_are_molecules_of_the_vocabulary(make, prior, steps):
    model = make("eqgat", prior=prior, extra_features=True).float()
    mask = torch.arange(6) < torch.tensor([[6], [3], [1]])
    source, seen = noise(mask, 3, torch.float32), []
    with torch.inference_mode():
        state = model.start(mask, source)
        if prior == "mask":
            assert bool((state.graph.elements[mask] == len(SUMMARY.elements)).all())
        assert set(model.snapshot(state, mask).elements[mask].tolist()) <= set(SUMMARY.elements)
        state = model.solvers["ancestral"](
            model, state, time_grid(steps), mask, source, lambda k, state: seen.append(k)
        )
        molecules = model.finish(state, mask, source)
    assert seen == list(range(1, steps + 1))
    assert set(molecules.elements[mask].tolist()) <= set(SUMMARY.elements)
    assert set(molecules.charges[mask].tolist()) <= set(SUMMARY.charges)
    assert set(molecules.bonds.unique().tolist()) <= set(SUMMARY.bond_orders)
    assert torch.equal(molecules.bonds, molecules.bonds.mT)
    assert not molecules.bonds[~state.graph.pairs].any()
    assert bool(torch.isfinite(molecules.positions).all())
    assert not molecules.positions[~mask].any()


class ExactPrediction:
    """E[x_0 | z_t] and p(class | z_t) when the data are a few molecules of one size, in one orientation each."""

    def __init__(self, model, clean, shares):
        self.model, self.clean, self.shares = model, clean, shares

    def __call__(self, state, t):
        schedule, points = self.model.positions.schedule, self.clean.graph.positions
        alpha, sigma = (f(t[:1]).to(points.dtype) for f in (schedule.alpha, schedule.sigma))
        squared = (state.graph.positions.unsqueeze(1) - alpha * points).square().sum((2, 3))
        log_joint = self.shares.log() - squared / (2 * sigma**2)
        for name, process in self.model.classes.items():
            kept = process.schedule.alpha(t[:1])
            same = state[name].unsqueeze(1) == self.clean[name]
            chance = kept * same + (1 - kept) * process.prior[state[name]].unsqueeze(1)
            factor = 0.5 if name == "bonds" else 1.0  # every pair stands there twice
            log_joint = log_joint + factor * chance.clamp(min=1e-30).log().flatten(2).sum(2)
        weights = log_joint.softmax(1)
        logits = {}
        for name, process in self.model.classes.items():
            one_hot = torch.nn.functional.one_hot(self.clean[name], process.classes).to(weights)
            logits[name] = torch.einsum("bm,m...->b...", weights, one_hot).clamp(min=1e-30).log()
        return Prediction(positions=torch.einsum("bm,mnk->bnk", weights, points), logits=logits)


@PRIORS
def test_with_the_exact_prediction_samples_are_the_data(make, prior, generator):
    model, data = make("eqgat", prior=prior), random_molecules([4, 4, 4], generator)
    shares = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    clean = model.encode(data)
    model.predict = ExactPrediction(model, clean, shares)
    mask = torch.ones(500, 4, dtype=torch.bool)
    source = noise(mask, 5)
    with torch.inference_mode():
        state = model.solvers["ancestral"](model, model.start(mask, source), time_grid(60), mask, source)
    distance = (state.graph.positions.unsqueeze(1) - clean.graph.positions).square().sum((2, 3)).sqrt()
    nearest = distance.argmin(1)
    assert float(distance.min(1).values.max()) < 1e-6
    same = [(state[name] == clean[name][nearest]).flatten(1).all(1) for name in model.classes]
    # In one step the variables are drawn apart from one another, and what a mask gives way to is never revised.
    assert float(torch.stack(same).all(0).double().mean()) > 0.95
    frequencies = torch.bincount(nearest, minlength=3) / len(mask)
    assert frequencies.tolist() == pytest.approx(shares.tolist(), abs=0.07)


def test_sampling_does_not_depend_on_what_a_structure_is_batched_with(make):
    model = make("eqgat").float()
    sizes = torch.tensor([[6], [3], [5], [2]])
    mask = torch.arange(6) < sizes
    results = []
    for rows in (slice(0, 4), slice(1, 3)):
        source = NoiseSource.seeded(7, 4, 6, rows=rows)
        with torch.inference_mode():
            state = model.start(mask[rows], source)
            state = model.solvers["ancestral"](model, state, time_grid(5), mask[rows], source)
            results.append(model.finish(state, mask[rows], source))
    torch.testing.assert_close(results[0].positions[1:3], results[1].positions, rtol=1e-4, atol=1e-4)
    assert torch.equal(results[0].elements[1:3], results[1].elements)
    assert torch.equal(results[0].bonds[1:3], results[1].bonds)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prior": "absorbing"}, "model.prior: unknown prior"),
        ({"class_loss": "l2"}, "model.class_loss is 'l2'"),
        ({"smallest_weight": 2.0}, "above model.largest_weight"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        build(EQGATConfig(hidden=8, vectors=4, edges=4, pair_hidden=4, layers=1, **settings), SUMMARY)


def test_data_without_bonds():
    bare = DataSummary(elements=(1, 6), size_histogram=(0, 1))
    with pytest.raises(ConfigError, match="does not state them"):
        build(EQGATConfig(), bare)


@pytest.mark.parametrize("settings", [{"extra_features": True}, {"class_loss": "hybrid", "prior": "mask"}])
def test_training_lowers_the_loss(batch, settings):
    torch.manual_seed(0)
    config = EQGATConfig(hidden=24, vectors=8, edges=8, pair_hidden=16, layers=2, **settings)
    model, batch = build(config, SUMMARY), batch.replace(positions=batch.positions.float())
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=3e-3), []
    for step in range(40):
        optimizer.zero_grad()
        loss = model.loss(batch, noise(batch.mask, step, torch.float32))["loss"]
        loss.backward()
        assert all(bool(torch.isfinite(p.grad).all()) for p in model.parameters() if p.grad is not None)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
