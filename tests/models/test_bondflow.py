"""BondFlow's loss and sampler, each against its definition computed some other way."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from molgen.batch import AtomBatch
from molgen.datasets.find import resolve
from molgen.datasets.packed import PackedDataset
from molgen.errors import ConfigError
from molgen.models import DataSummary, build
from molgen.models.bondflow import BondFlowConfig, Prediction
from molgen.models.known import Known
from molgen.networks.half_pairs import half_pairs
from molgen.randomness import NoiseSource
from molgen.sampling.settings import time_grid
from molgen.structure import Structure
from molgen.training.summary import summarise
from tests.models.conftest import SUMMARY, random_molecules

SIZES = [5, 1, 6, 3, 6, 4, 2, 5]
TASKS = {"formulas": 0.4, "fragments": 0.4}


def noise(mask, seed=0, dtype=torch.float64):
    return NoiseSource(NoiseSource.seeded(seed, *mask.shape).blocks, dtype)


@pytest.fixture
def batch(generator):
    return random_molecules(SIZES, generator)


def recorded(model):
    """Lets ``predict`` note its calls: [(graph, t, known, before, prediction), ...]."""
    calls, predict = [], model.predict

    def predict_and_note(graph, t, known, before=None):
        prediction = predict(graph, t, known, before)
        calls.append((graph, t, known, before, prediction))
        return prediction

    model.predict = predict_and_note
    return calls


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_loss_against_a_loop_over_molecules_atoms_and_pairs(make, batch, share):
    model = make("bondflow", self_conditioning=share, largest_weight=30.0, **TASKS)
    calls = recorded(model)
    parts = model.loss(batch, noise(batch.mask))
    _, t, known, _, prediction = calls[-1]
    assert len(calls) == 1 + int(share)
    assert (calls[-1][3] is None) == (share == 0.0)
    clean, sums = model.vocabulary.encode(batch), dict.fromkeys(("positions", "elements", "charges", "bonds"), 0.0)
    expand = half_pairs(batch.mask.shape[1], batch.mask.device).expand
    bonds = expand(prediction.logits["bonds"]).detach()
    for row, n in enumerate(SIZES):
        weight = min(30.0, float(model.flow.reach(t[row])) ** -2)
        fixed = [i for i in range(n) if known.atoms[row, i]] or list(range(n))
        offset = (prediction.positions[row].detach() - clean.positions[row])[fixed].mean(0)  # the sampler removes it
        for i in range(n):
            if not known.atoms[row, i]:
                error = (prediction.positions[row, i].detach() - clean.positions[row, i] - offset).square().sum()
                sums["positions"] += weight * float(error) / (3 * n)
                logits = prediction.logits["charges"][row, i].detach()
                sums["charges"] -= float(logits.log_softmax(-1)[clean.charges[row, i]]) / n
            if not known.elements[row, i]:
                logits = prediction.logits["elements"][row, i].detach()
                sums["elements"] -= float(logits.log_softmax(-1)[clean.elements[row, i]]) / n
            for j in range(i + 1, n):
                if not (known.atoms[row, i] and known.atoms[row, j]):
                    sums["bonds"] -= float(bonds[row, i, j].log_softmax(-1)[clean.bonds[row, i, j]]) / n
    for name, total in sums.items():
        assert float(parts[f"{name}_loss"]) == pytest.approx(total / len(SIZES), rel=1e-9), name
    weights = {"positions": 1.0, "elements": 0.3, "charges": 0.3, "bonds": 0.5}
    expected = sum(weight * sums[name] / len(SIZES) for name, weight in weights.items())
    assert float(parts["loss"].detach()) == pytest.approx(expected, rel=1e-9)


def test_what_is_given_has_no_noise_and_the_rest_has(make, batch):
    model = make("bondflow", **TASKS)
    calls = recorded(model)
    model.loss(batch, noise(batch.mask))
    graph, _, known, _, _ = calls[-1]
    clean, fixed = model.vocabulary.encode(batch), known.atoms
    assert fixed.any()
    assert (known.elements & ~fixed).any()
    assert torch.equal(graph.elements[known.elements], clean.elements[known.elements])
    assert torch.equal(graph.charges[fixed], clean.charges[fixed])
    assert torch.equal(graph.bonds[known.pairs], clean.bonds[known.pairs])
    for row in fixed.any(1).nonzero().flatten().tolist():
        centre = clean.positions[row, fixed[row]].mean(0)
        torch.testing.assert_close(graph.positions[row, fixed[row]], clean.positions[row, fixed[row]] - centre)
    moved = graph.positions - clean.positions
    assert float(moved[batch.mask & ~fixed].norm(dim=-1).min()) > 1e-3


@pytest.mark.parametrize("self_conditioning", [1.0, 0.0])
@pytest.mark.parametrize("bf16", [True, False])
def test_every_parameter_gets_a_gradient(make, batch, self_conditioning, bf16):
    """Under autocast too, where some versions of torch keep weights that were cast without a graph."""
    model = make("bondflow", self_conditioning=self_conditioning).float()
    single = batch.replace(positions=batch.positions.float())
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = model.loss(single, noise(batch.mask, dtype=torch.float32))["loss"]
    loss.backward()
    assert bool(torch.isfinite(loss))
    lacking = [name for name, p in model.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert lacking == []
    assert all(bool(torch.isfinite(p.grad).all()) for p in model.parameters())


def test_loss_of_single_atoms_and_of_what_is_given_whole(make, generator):
    model = make("bondflow", formulas=0.0, fragments=1.0)
    ones = random_molecules([1, 1, 1], generator)
    parts = model.loss(ones, noise(ones.mask))
    assert {name: float(value.detach()) for name, value in parts.items()} == dict.fromkeys(parts, 0.0)
    free = make("bondflow").loss(ones, noise(ones.mask))
    assert all(bool(torch.isfinite(value)) for value in free.values())
    assert float(free["elements_loss"]) > 0


def test_noise_is_paired_with_the_molecule(make, generator):
    """At t = 1 the positions are the noise; alignment brings it closer, and only then."""
    big = random_molecules([6] * 40, generator)
    distances = []
    for alignment in (True, False):
        model = make("bondflow", alignment=alignment)
        clean, known = model.vocabulary.encode(big), Known.nothing(big.mask)
        graph = model.corrupt(clean, known, torch.ones(40), noise(big.mask))
        distances.append(float((graph.positions - clean.positions).square().sum()))
        assert float(graph.positions.sum(1).abs().max()) < 1e-9
    assert distances[0] < 0.6 * distances[1]


@pytest.mark.parametrize("prior", ["marginal", "uniform", "mask"])
def test_the_start_is_the_prior(make, prior):
    """Shares of classes and the width of positions, to five standard errors."""
    model, mask = make("bondflow", prior=prior), torch.ones(800, 5, dtype=torch.bool)
    mask[400:, 3:] = False
    graph = model.start(mask, noise(mask)).graph
    count = int(mask.sum())
    for name, wanted in (("elements", mask), ("charges", mask), ("bonds", graph.pairs)):
        values = getattr(graph, name)[wanted]
        shares = torch.bincount(values, minlength=model.flows[name].states).double() / len(values)
        torch.testing.assert_close(shares, model.flows[name].prior, rtol=0, atol=2.5 / len(values) ** 0.5 * 1.5)
        assert not getattr(graph, name)[~wanted].any()
    assert torch.equal(graph.bonds, graph.bonds.mT)
    freedom = 3 * (count - len(mask))
    assert float(graph.positions.square().sum()) / freedom == pytest.approx(1.0, abs=5 * (2 / freedom) ** 0.5)
    assert float(graph.positions.sum(1).abs().max()) < 1e-9


class Fixed:
    """Stands for ``predict``: always the same molecule, with confident classes."""

    def __init__(self, graph, flows):
        self.graph = graph
        pairs = half_pairs(graph.mask.shape[1], graph.mask.device)
        classes = {"elements": graph.elements, "charges": graph.charges, "bonds": pairs.take(graph.bonds)}
        self.logits = {name: 9.0 * F.one_hot(values, flows[name].classes).double() for name, values in classes.items()}

    def __call__(self, graph, t, known, before=None):
        return Prediction(positions=self.graph.positions, logits=self.logits)


@pytest.mark.parametrize("prior", ["marginal", "mask"])
def test_the_sampler_ends_in_what_is_predicted(make, batch, prior):
    model = make("bondflow", prior=prior, sample_category_noise=3.0, sample_temperature=0.8)
    target = model.vocabulary.encode(batch)
    model.predict = Fixed(target, model.flows)
    source, steps = noise(batch.mask), []
    state = model.start(batch.mask, source)
    state = model.solvers["bridge"](model, state, time_grid(12), batch.mask, source, lambda k, s: steps.append((k, s)))
    assert [k for k, _ in steps] == list(range(1, 13))
    assert steps[-1][1] is state
    torch.testing.assert_close(state.graph.positions, target.positions)
    for name in ("elements", "charges", "bonds"):
        assert torch.equal(getattr(state.graph, name), getattr(target, name)), name
    made = model.finish(state, batch.mask, source)
    assert torch.equal(made.bonds, batch.bonds)
    assert torch.equal(made.charges, batch.charges)
    middle = [float((s.graph.positions - target.positions).square().sum()) for _, s in steps]
    assert middle[0] > middle[5] > middle[9] > middle[-1]


def test_steps_that_refine_begin_at_zero_and_replace_the_molecule(make, batch):
    model = make("bondflow", sample_refinement=0.5, sample_refinement_time=0.3)
    times = model.times(time_grid, 8)
    assert times.tolist() == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert make("bondflow", sample_refinement=1.0).times(time_grid, 1).tolist() == [1.0, 0.0]
    told, target = [], model.vocabulary.encode(batch)
    fixed = Fixed(target, model.flows)

    def predict(graph, t, known, before=None):
        told.append(float(t[0]))
        moved = fixed(graph, t, known)
        return replace(moved, positions=graph.positions + 0.5 * (moved.positions - graph.positions))

    model.predict = predict
    source, seen = noise(batch.mask), []
    state = model.start(batch.mask, source)
    state = model.solvers["bridge"](model, state, times, batch.mask, source, lambda k, s: seen.append(s.graph))
    assert told[:4] == [1.0, 0.75, 0.5, 0.25]
    torch.testing.assert_close(
        torch.tensor(told[4:]), torch.tensor([0.3, 0.3 / 100 ** (1 / 3), 0.3 / 100 ** (2 / 3), 0.003])
    )
    errors = [float((graph.positions - target.positions).abs().max()) for graph in seen[3:]]
    torch.testing.assert_close(torch.tensor(errors), errors[0] * 0.5 ** torch.arange(5.0))
    assert all(torch.equal(graph.bonds, target.bonds) for graph in seen[3:])


def test_snapshots_show_positions_and_elements_of_the_way(make, batch):
    model, source = make("bondflow", prior="mask"), noise(batch.mask)
    state = model.start(batch.mask, source)
    first = model.snapshot(state, batch.mask)
    assert first.bonds is None
    assert first.charges is None
    assert set(first.elements[batch.mask].tolist()) <= set(SUMMARY.elements)
    state = model.solvers["bridge"](model, state, time_grid(3), batch.mask, source)
    later = model.snapshot(state, batch.mask)
    torch.testing.assert_close(later.positions, model.finish(state, batch.mask, source).positions)


def given(model, batch, kind, count=2):
    """The first ``count`` atoms, or all elements, of each molecule, as the runner hands them to ``start``."""
    clean = model.vocabulary.encode(batch)
    chosen = batch.mask & (torch.arange(batch.mask.shape[1]) < (count if kind == "fragment" else 0))
    known = Known(atoms=chosen, elements=chosen if kind == "fragment" else batch.mask)
    return clean.replace(positions=known.place(clean.positions, clean.positions * 0, clean.mask)), known


@pytest.mark.parametrize("kind", ["fragment", "formula"])
def test_what_is_given_comes_out_unchanged(make, batch, kind):
    """At every step in the frame in which the given atoms are centred; at the end moved as a whole, not turned."""
    model = make("bondflow", sample_category_noise=4.0)
    clean, known = given(model, batch, kind)
    source, seen = noise(batch.mask), []
    state = model.start(batch.mask, source, (clean, known))
    seen.append(state.graph)
    state = model.solvers["bridge"](model, state, time_grid(6), batch.mask, source, lambda k, s: seen.append(s.graph))
    on_the_way = model.snapshot(state, batch.mask)
    assert torch.equal(on_the_way.elements[known.elements], batch.elements[known.elements])
    for graph in seen:
        assert torch.equal(graph.elements[known.elements], clean.elements[known.elements])
        assert torch.equal(graph.positions[known.atoms], clean.positions[known.atoms])
        assert torch.equal(graph.charges[known.atoms], clean.charges[known.atoms])
        assert torch.equal(graph.bonds[known.pairs], clean.bonds[known.pairs])
        assert not graph.positions[~batch.mask].any()
    made = model.finish(state, batch.mask, source)
    assert torch.equal(made.elements[known.elements], batch.elements[known.elements])
    shift = (made.positions - batch.positions)[:, :2].detach()
    if kind == "fragment":
        assert torch.equal(made.bonds[:, :2, :2], batch.bonds[:, :2, :2])
        assert torch.equal(made.charges[:, :2], batch.charges[:, :2])
        two = torch.tensor(SIZES) > 1
        torch.testing.assert_close(shift[two, 0], shift[two, 1])
        assert float(shift.abs().max()) > 1e-3  # the whole is centred, the fragment is not
    else:
        assert float((shift[:, 0] - shift[:, 1])[torch.tensor(SIZES) > 1].abs().max()) > 1e-3


def test_bad_settings():
    for settings, message in (
        ({"hidden": 10, "heads": 4}, "not a multiple"),
        ({"formulas": 0.7, "fragments": 0.5}, "exceed 1"),
        ({"prior": "absorbing"}, "known: uniform, marginal, mask"),
    ):
        with pytest.raises(ConfigError, match=message):
            build(BondFlowConfig(**settings), SUMMARY)
    with pytest.raises(ConfigError, match="the data set does not state them"):
        build(BondFlowConfig(), DataSummary(elements=(1, 6), size_histogram=(0, 1)))
    water = Structure(numbers=[8, 1, 1], positions=[[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    batch = AtomBatch.from_structures([water])
    with pytest.raises(ConfigError, match="stated bonds"):
        build(BondFlowConfig(hidden=8, layers=1, pair=4), SUMMARY).loss(batch, NoiseSource.seeded(0, 1, 3))


def test_training_lowers_the_loss():
    """80 steps of 16 real molecules with a network of 32 x 2: two seconds, and a third of the loss goes."""
    dataset = PackedDataset.open(resolve("embedded"))
    torch.manual_seed(0)
    model = build(BondFlowConfig(hidden=32, pair=12, layers=2, heads=4, radial=8), summarise(dataset))
    train, valid = dataset.indices("train"), dataset.batch(dataset.indices("valid")[:64])

    def valid_loss():
        with torch.no_grad():
            return float(model.loss(valid, NoiseSource.seeded(1, *valid.mask.shape))["loss"])

    before = valid_loss()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(80):
        batch = dataset.batch(train[torch.randint(len(train), (16,)).tolist()])
        optimiser.zero_grad()
        model.loss(batch, NoiseSource.seeded(step, *batch.mask.shape))["loss"].backward()
        optimiser.step()
    assert valid_loss() < 0.67 * before
