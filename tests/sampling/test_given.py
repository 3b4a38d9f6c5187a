"""Sampling BondFlow through the runner: one result whatever the batch size, with and without something given."""

import numpy as np
import pytest

from molgen.errors import ConfigError
from molgen.sampling.conditions import Request, accepts, make_condition, refusal
from molgen.sampling.generator import Generator, checked
from molgen.sampling.runner import run
from molgen.sampling.settings import Settings
from molgen.structure import Structure
from tests.sampling.conftest import BONDED, tiny_bondflow_checkpoint
from tests.sampling.test_fragment import PIECE

N = 150
GIVEN = {"nothing": {}, "formula": {"formula": "C3H4O"}, "fragment": {"fragment": PIECE}}
EACH = pytest.mark.parametrize("kind", GIVEN)


@pytest.fixture
def generator(bondflow):
    return Generator(None, tiny_bondflow_checkpoint(), bondflow, "cpu")


def plan_for(generator, kind, atoms=None, n=N):
    return generator.plan(n, 4, atoms, make_condition(generator.model, Request(atoms=atoms, **GIVEN[kind])))


def made(generator, plan, steps=8, **options):
    chunks = list(run(generator.model, plan, Settings.of(generator.model, steps=steps), **options))
    return [index for index, _ in chunks], [
        s for k, parts in chunks for s, problem in checked(parts, plan, k) if not problem
    ]


def assert_same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.numbers.tolist() == b.numbers.tolist()
        assert a.charges.tolist() == b.charges.tolist()
        assert a.bonds.tolist() == b.bonds.tolist()
        np.testing.assert_allclose(a.positions, b.positions, rtol=1e-4, atol=1e-4)


@EACH
def test_batch_size_plays_no_part(generator, kind):
    plan = plan_for(generator, kind)
    _, reference = made(generator, plan, batch_size=64)
    assert len({s.positions.tobytes() for s in reference}) == N
    for batch_size in (16, 200):
        chunks, structures = made(generator, plan, batch_size=batch_size)
        assert chunks == [0, 1, 2]
        assert_same(structures, reference)


@EACH
def test_continuing_repeats_the_same_batches(generator, kind):
    plan = plan_for(generator, kind)
    for batch_size in (16, 130):
        _, whole = made(generator, plan, batch_size=batch_size)
        chunks, rest = made(generator, plan, batch_size=batch_size, first=1)
        assert chunks == [1, 2]
        tail = whole[-len(rest) :]
        assert all(a.positions.tobytes() == b.positions.tobytes() for a, b in zip(rest, tail, strict=True))
        assert all(a.bonds.tobytes() == b.bonds.tobytes() for a, b in zip(rest, tail, strict=True))


def test_every_molecule_has_the_formula(generator):
    plan = plan_for(generator, "formula")
    _, structures = made(generator, plan)
    assert {tuple(s.numbers.tolist()) for s in structures} == {(6, 6, 6, 1, 1, 1, 1, 8)}
    assert len(structures) == N


@pytest.mark.parametrize("atoms", [None, (5, 7)])
def test_every_molecule_begins_with_the_fragment_where_it_was(generator, atoms):
    plan = plan_for(generator, "fragment", atoms)
    _, structures = made(generator, plan)
    assert len(structures) == N
    assert all(np.array_equal(s.positions[:3], PIECE.positions) for s in structures)
    wanted = range(4, 10) if atoms is None else range(5, 8)
    assert {len(s) for s in structures} == {n for n in wanted if BONDED.size_histogram[n]}
    # What is grown surrounds the fragment, not the origin, which is 50 angstrom away.
    grown = np.concatenate([s.positions[3:] for s in structures])
    assert np.linalg.norm(grown - PIECE.positions.mean(0), axis=1).mean() < 30


def test_what_is_not_given_differs(generator):
    _, structures = made(generator, plan_for(generator, "fragment"))
    assert len({tuple(s.numbers[3:].tolist()) for s in structures}) > 10


def test_python_interface(generator):
    options = {"seed": 4, "steps": 6, "batch_size": 20}
    formula = generator.sample(70, formula="OC3H4", **options)
    assert [s.name for s in formula] == [str(k) for k in range(70)]
    assert {tuple(s.numbers.tolist()) for s in formula} == {(6, 6, 6, 1, 1, 1, 1, 8)}
    fragment = generator.sample(70, fragment=PIECE, atoms=(5, 7), **options)
    assert all(np.array_equal(s.positions[:3], PIECE.positions) for s in fragment)
    cold = generator.sample(70, options={"temperature": 0.1, "position_noise": 0.4}, **options)
    usual = generator.sample(70, **options)
    assert any(not np.allclose(a.positions, b.positions) for a, b in zip(cold, usual, strict=True))
    again = generator.sample(70, options={"temperature": 0.5}, **options)
    assert_same(again, usual)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"formula": "CH4", "fragment": PIECE}, "formula and fragment exclude each other"),
        ({"formula": "CH4", "atoms": (5, 5)}, "a number of atoms has no place beside formula"),
        ({"formula": "CCl4"}, "does not know Cl"),
        ({"seed": -1}, "neither may be negative"),
        ({"fragment": PIECE.replace(bonds=None)}, "states no bonds"),
        ({"fragment": PIECE, "atoms": (8, 8)}, "no structures with 8 to 8 atoms"),
        ({"fragment": PIECE, "atoms": (2, 8)}, "the fragment alone has 3 atoms"),
    ],
)
def test_bad_requests(generator, given, message):
    with pytest.raises(ConfigError, match=message):
        generator.sample(3, steps=2, **given)


def test_models_that_cannot_be_given_anything(model, bondflow):
    assert (accepts(model), accepts(bondflow)) == (frozenset(), {"formula", "fragment"})
    assert refusal(bondflow, ["formula"]) == ""
    for kind, given in (("formula", {"formula": "CO2"}), ("fragment", {"fragment": PIECE})):
        assert refusal(model, [kind]).startswith(f"edm cannot be given a {kind}; models that can: bondflow")
        with pytest.raises(ConfigError, match="edm cannot"):
            make_condition(model, Request(**given))
    assert make_condition(model, Request()) is None


def test_options_are_the_models_own(bondflow, model):
    assert dict(Settings.of(model).options) == {}
    settings = Settings.of(bondflow, options={"temperature": "0.7", "category_noise": 3})
    kept = dict(Settings.of(bondflow).options)
    assert settings.options == {**kept, "category_noise": 3.0, "temperature": 0.7}
    changed = settings.configured(bondflow)
    assert (changed.config.sample_temperature, changed.config.sample_category_noise) == (0.7, 3.0)
    assert (bondflow.config.sample_temperature, bondflow.config.sample_category_noise) == (0.5, 20.0)
    assert changed.network is bondflow.network
    usual = Settings.of(bondflow)
    assert usual.configured(bondflow) is bondflow
    assert usual.steps == bondflow.config.sample_steps


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"temprature": 1}, "bondflow has no option of sampling named 'temprature'", "did you mean temperature?"),
        ({"zzz": 1}, "'zzz'", "it has refinement, refinement_time, position_noise, category_noise"),
        ({"steps": 10}, "'steps'", "an argument of its own"),
        ({"hidden": 10}, "'hidden'", ""),
        ({"temperature": "warm"}, "option temperature", ""),
        ({"temperature": -1}, "option temperature is -1.0; it must be at least 0", ""),
        ({"temperature": "nan"}, "option temperature is nan", ""),
        ({"position_noise": "inf"}, "option position_noise is inf", ""),
    ],
)
def test_bad_options(bondflow, options, message, hint):
    with pytest.raises(ConfigError) as caught:
        Settings.of(bondflow, options=options)
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_a_model_without_options(model):
    with pytest.raises(ConfigError, match="edm has no option") as caught:
        Settings.of(model, options={"temperature": 1})
    assert "it has none" in caught.value.hint


def test_coordinates_that_are_not_finite_stay_recognisable(generator):
    condition = make_condition(generator.model, Request(fragment=PIECE))
    lost = Structure(
        numbers=[6, 8, 1, 1],
        positions=np.full((4, 3), np.nan),
        charges=[1, -1, 0, 0],
        bonds=[[0, 1, 2], [0, 2, 1]],
    )
    assert not np.isfinite(condition.restored(lost).positions).all()
