"""CrystalFlow's loss and sampler, each against its definition computed some other way."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from molgen.batch import AtomBatch
from molgen.errors import ConfigError
from molgen.geometry.centering import remove_mean
from molgen.geometry.periodic import shortest
from molgen.models import build
from molgen.models.crystal_symmetry import CELL_MARKS, symmetric_cell, symmetry_marks
from molgen.models.crystalflow import CrystalFlowConfig, CrystalPrediction
from molgen.models.crystalflow_training import noised
from molgen.models.known import Known
from molgen.randomness import NoiseSource
from molgen.sampling.settings import time_grid
from molgen.structure import Structure
from molgen.symmetry.gene import Gene
from molgen.symmetry.padding import padded
from molgen.symmetry.placement import place
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


GENES = [
    Gene(225, ((6, 0), (8, 1))),
    Gene(62, ((6, 2), (8, 2))),
    Gene(161, ((1, 0), (8, 1))),
    Gene(1, ((6, 0), (8, 0))),
]


@pytest.fixture
def symmetric(generator):
    """Crystals with their space groups."""
    placed = [place(gene) for gene in GENES]
    rng = np.random.default_rng(0)
    drawn = [rng.random((len(gene), 3)) for gene in GENES]
    made = [
        Structure(numbers=np.array(p.gene.numbers), positions=p.fractional(u) % 1 @ p.lattice, lattice=p.lattice)
        for p, u in zip(placed, drawn, strict=True)
    ]
    batch = AtomBatch.from_structures(made, dtype=torch.float64)
    return batch.replace(symmetry=padded(placed, batch.mask, torch.float64, drawn))


def test_training_crystals_keep_their_symmetry_at_all_times(make, symmetric):
    model = make("crystalflow", symmetric=0.7)
    clean, mask = model.encode(symmetric), symmetric.mask.unsqueeze(-1)
    kept = 0
    for seed in range(12):
        made = noised(model, clean, symmetric.symmetry, noise(symmetric.mask, seed))
        symmetry, state = made.known.symmetry, made.state
        assert float((shortest(symmetry.cleaned(state.fractional) - state.fractional) * mask).abs().max()) < 1e-8
        torch.testing.assert_close(symmetry.symmetrise(made.target), made.target)
        again = symmetric_cell(model, symmetry, state.cell, symmetric.mask)
        torch.testing.assert_close(again, state.cell, atol=1e-6, rtol=1e-6)
        back = shortest(state.fractional + made.target - clean.fractional) * mask
        assert float(remove_mean(back, symmetric.mask).abs().max()) < 1e-8
        chosen = symmetry.groups > 0
        kept += int(chosen.sum())
        assert bool((made.known.elements | ~symmetric.mask)[chosen].all())
        assert not bool((made.known.cells & ~chosen).any())
    assert 20 < kept < 46


def test_the_loss_of_an_exact_denoiser_is_zero_in_any_mixture(make, symmetric):
    model = make("crystalflow", symmetric=0.5, self_conditioning=1.0)
    clean = model.encode(symmetric)

    def exact(state, t, known, before=None):
        way = remove_mean(shortest(clean.fractional - state.fractional), state.mask)
        logits = 200.0 * torch.nn.functional.one_hot(clean.elements, model.elements.classes).double()
        return CrystalPrediction(displacement=way, fractional=clean.fractional, cell=clean.cell, logits=logits)

    model.predict = exact
    # Only where no atom goes further than half a period, after the drift is gone: at early times.
    source = noise(symmetric.mask, 3)
    near = replace_times(model, 0.3)
    losses = near.loss(symmetric, source)
    assert float(losses["positions_loss"]) < 1e-9
    assert float(losses["lattice_loss"]) < 1e-12


def replace_times(model, most):
    """The model, trained at times up to ``most``."""
    corrupt = model.torus.along
    model.torus.along = lambda x0, way, t, still, mask: corrupt(x0, way, t * most, still, mask)
    return model


def test_what_is_not_told_plays_no_part_at_first(make, generator):
    """A network that is told of symmetry begins as one that is not."""
    torch.manual_seed(0)
    model = build(CrystalFlowConfig(hidden=16, pair=8, layers=1, heads=2, symmetric=0.5), replace(SUMMARY, **LATTICES))
    placed = [place(gene) for gene in GENES]
    batch = AtomBatch.from_structures(
        [
            Structure(numbers=np.array(p.gene.numbers), positions=p.vectors @ p.lattice, lattice=p.lattice)
            for p in placed
        ]
    )
    state, t = model.encode(batch), torch.full((4,), 0.5)
    known = Known.formula(batch.mask)
    told = replace(known, symmetry=padded(placed, batch.mask, torch.float32), cells=torch.ones(4, dtype=torch.bool))
    one, other = model.predict(state, t, known), model.predict(state, t, told)
    torch.testing.assert_close(one.logits, other.logits)
    with torch.no_grad():
        model.network.condition[0].weight += 0.1
    one, other = model.predict(state, t, known), model.predict(state, t, told)
    assert float((one.cell - other.cell).abs().max()) > 1e-6


def test_marks_name_what_they_are(symmetric):
    chosen = torch.tensor([True, True, False, True])
    known = replace(
        Known.formula(symmetric.mask), symmetry=symmetric.symmetry.only(chosen), cells=torch.tensor([0, 1, 0, 0]) == 1
    )
    of_atoms, of_cells = symmetry_marks(known, symmetric.mask, torch.float64)
    named = [{CELL_MARKS[k] for k in row.nonzero().flatten().tolist()} for row in of_cells]
    assert named == [{"space group 225"}, {"space group 62", "known cell"}, set(), {"space group 1"}]
    assert of_atoms[0, 0].tolist() == [1, 0, 0, 0, 0]
    torch.testing.assert_close(of_atoms[1, 0], torch.tensor([0, 0, 1, 0, np.log(4)], dtype=torch.float64))
    assert float(of_atoms[2].abs().max()) == 0


def test_parts_of_a_batch_are_drawn_as_in_the_whole(make, symmetric):
    """As several devices see them."""
    model = make("crystalflow", symmetric=0.7)
    whole = noised(model, model.encode(symmetric), symmetric.symmetry, noise(symmetric.mask, 4))
    rows = slice(1, None, 2)
    part = symmetric[rows]
    blocks = NoiseSource.seeded(4, *symmetric.mask.shape, rows=rows).blocks
    made = noised(model, model.encode(part), part.symmetry, NoiseSource(blocks, torch.float64))
    torch.testing.assert_close(made.target, whole.target[rows])
    torch.testing.assert_close(made.state.cell, whole.state.cell[rows])
    assert torch.equal(made.known.elements, whole.known.elements[rows])


def test_pairing_shortens_the_way_and_can_be_left_out(make, symmetric):
    lengths = []
    for alignment in (True, False):
        model = make("crystalflow", symmetric=1.0, alignment=alignment)
        made = [noised(model, model.encode(symmetric), symmetric.symmetry, noise(symmetric.mask, k)) for k in range(20)]
        assert all(bool((one.known.symmetry.groups > 0).all()) for one in made)
        for one in made:
            torch.testing.assert_close(one.known.symmetry.symmetrise(one.target), one.target)
        lengths.append(float(torch.stack([one.target.square().sum() for one in made]).mean()))
    assert lengths[0] < 0.8 * lengths[1]


@pytest.mark.parametrize("told", [True, False])
def test_given_cells_and_what_the_network_is_shown_of_them(make, symmetric, told):
    """One that is told of symmetry sees them as they are, at every step; another sees cells that flow to them."""
    refinement = {"sample_refinement": 0.5, "sample_refinement_time": 0.4, "sample_symmetric_tries": 1}
    model = make("crystalflow", symmetric=0.5 if told else 0.0, **refinement)
    crystal, shown = model.vocabulary.encode(symmetric), []
    cells = torch.tensor([True, True, False, False])
    known = replace(Known.formula(symmetric.mask), symmetry=symmetric.symmetry, cells=cells)
    predict = model.predict

    def watched(state, t, known, before=None):
        shown.append(state.cell)
        return predict(state, t, known, before)

    model.predict = watched
    source = noise(symmetric.mask)
    state = model.start(symmetric.mask, source, (crystal, known))
    made = model.solvers["flow"](model, state, model.times(time_grid, 4), symmetric.mask, source)
    clean = model.encode(symmetric).cell
    torch.testing.assert_close(made.crystal.cell[:2], clean[:2], rtol=1e-5, atol=1e-5)
    same = [bool(torch.isclose(cell[:2], clean[:2], atol=1e-4).all()) for cell in shown]
    assert same == ([True] * 4 if told else [False] * 4)
    for cell in shown:
        kept = symmetric_cell(model, symmetric.symmetry, cell, symmetric.mask)
        torch.testing.assert_close(kept[2:], cell[2:], atol=1e-5, rtol=1e-5)
