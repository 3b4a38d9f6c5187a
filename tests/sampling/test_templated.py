"""Crystals that begin as known ones with other elements."""

from collections import Counter

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from molgen import io
from molgen.checkpoint import Checkpoint
from molgen.chemistry.crystal_matching import PREDICTION, CrystalMatcher
from molgen.cli.app import app
from molgen.config import load_recipe
from molgen.errors import ConfigError
from molgen.geometry.lattice import symmetric_log
from molgen.models import DataSummary, build
from molgen.sampling.conditions import Request, make_condition
from molgen.sampling.generator import Generator
from molgen.sampling.prototypes import Prototypes
from molgen.solvers.refinement import told_times
from molgen.testing import randomise_weights
from tests.scoring.crystals import caesium_chloride, crystal, perovskite, rock_salt

MATCHER = CrystalMatcher(PREDICTION)
DATA = DataSummary(
    elements=(8, 11, 17, 19, 22, 35, 38, 55),
    size_histogram=(0, 1, 4, 2, 6, 5, 6),
    element_counts=(40, 10, 10, 10, 10, 10, 10, 10),
    lattice_mean=(0.0,) * 5 + (1.0,),
    lattice_std=(0.2,) * 6,
)
KNOWN = [rock_salt(), caesium_chloride(), perovskite()]


def generator_of(*, random=False, data=DATA):
    """An untrained model, which moves nothing, or one with random weights."""
    sizes = ["model.hidden=16", "model.pair=8", "model.layers=1", "model.heads=2", "training.muon_learning_rate=0"]
    recipe = load_recipe("crystalflow_mp20", sizes)
    model = build(recipe.model, data).eval()
    if random:
        randomise_weights(model, torch.Generator().manual_seed(1))
    return Generator(None, Checkpoint(recipe.to_dict(), data, {}, dict(model.state_dict())), model, "cpu")


def test_without_a_network_the_templates_come_out():
    found = generator_of().sample(5, formula="KBr", templates=KNOWN, steps=2)
    assert [one.properties["template"] for one in found] == ["NaCl", "CsCl", "", "", ""]
    assert MATCHER.rmse(found[0], rock_salt(symbols="K Br")) < 0.01
    assert MATCHER.rmse(found[1], caesium_chloride(symbols="K Br")) < 0.01


def test_cells_are_seen_as_at_the_time_that_is_told():
    """Without corrections the mean of a normal z is predicted: (1 - t)^2 / ((1 - t)^2 + t^2) z from (1 - t) z."""
    steps, generator = 20, generator_of()
    for weight in generator.model.network.cell_read[-1].parameters():
        torch.nn.init.zeros_(weight)
    (found,) = generator.sample(1, formula="KBr", templates=KNOWN, steps=steps)
    t, _ = told_times(torch.zeros(steps + 1, dtype=torch.float64), generator.model.config.sample_template_time)
    wanted = (
        standardised(generator.model, Prototypes(KNOWN).template([35, 19]))
        * ((1 - t) ** 2 / ((1 - t) ** 2 + t**2)).prod()
    )
    torch.testing.assert_close(standardised(generator.model, found), wanted, rtol=1e-4, atol=1e-4)


def standardised(model, structure):
    """Six numbers of its lattice, shape ``(1, 6)``."""
    lattice = torch.from_numpy(structure.lattice).unsqueeze(0)
    return model.lattices.standardise(symmetric_log(lattice), torch.tensor([len(structure)]))


def test_those_without_a_template_are_as_if_there_were_none():
    generator = generator_of(random=True)
    usual = generator.sample(5, formula="KBr", steps=4)
    begun = generator.sample(5, formula="KBr", templates=KNOWN, steps=4)
    assert [np.array_equal(a.positions, b.positions) for a, b in zip(usual, begun, strict=True)] == [False] * 2 + [
        True
    ] * 3


def test_each_sample_of_a_target_begins_as_another_template():
    odd = crystal(np.eye(3) * 4, "Na Na Cl", [[0, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0.5]], "odd")
    targets = [perovskite(), rock_salt(symbols="Cs Br", name="CsBr"), odd]
    found = generator_of().sample(3, targets=targets, templates=KNOWN, steps=2)
    begun = {(one.properties["target"], one.properties["sample"]): one.properties["template"] for one in found}
    assert len(begun) == 9
    assert [begun["CsBr", k] for k in range(3)] == ["CsCl", "NaCl", ""]
    assert [begun["SrTiO3", k] for k in range(3)] == ["SrTiO3", "", ""]
    assert Counter(value for (name, _), value in begun.items() if name == "odd") == {"": 3}


def test_what_decides_the_result_and_what_is_said():
    model = generator_of().model
    request = Request(formula="NaCl2", templates=KNOWN, templates_source="mp20:train")
    condition = make_condition(model, request)
    assert condition.settings["formula"] == "Cl2Na"
    assert condition.settings["templates"] == "mp20:train"
    other = make_condition(model, Request(formula="NaCl2", templates=KNOWN[1:], templates_source="mp20:train"))
    assert other.settings["templates_sha256"] != condition.settings["templates_sha256"]
    (note,) = condition.notes(DATA)
    assert note.startswith("1 of 1 compositions have no template")


def test_batch_size_plays_no_part():
    generator = generator_of(random=True)
    targets = [perovskite(), rock_salt(), caesium_chloride()]
    options = {"targets": targets, "templates": KNOWN, "steps": 3}
    for a, b in zip(generator.sample(30, **options), generator.sample(30, batch_size=7, **options), strict=True):
        assert a.properties == b.properties
        np.testing.assert_allclose(a.lattice, b.lattice, atol=1e-4)
        np.testing.assert_allclose(a.positions, b.positions, atol=1e-3)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({}, "templates need a formula or targets"),
        ({"chemical_system": "Na-Cl"}, "templates need a formula or targets"),
    ],
)
def test_bad_requests(request_, message):
    with pytest.raises(ConfigError, match=message):
        generator_of().sample(2, templates=KNOWN, **request_)


def test_from_the_command_line(tmp_path):
    """And continued with the same templates only."""
    folder = generator_of().checkpoint.save(tmp_path / "model").parent
    io.write(tmp_path / "known.extxyz", KNOWN)
    command = ["sample", str(folder), "--formula", "KBr", "-n", "3", "--steps", "2", "-o", str(tmp_path / "out.extxyz")]
    done = CliRunner().invoke(app, [*command, "--templates", str(tmp_path / "known.extxyz")])
    assert done.exit_code == 0, done.stderr
    assert [s.properties["template"] for s in io.read(tmp_path / "out.extxyz")] == ["NaCl", "CsCl", ""]
    io.write(tmp_path / "other.extxyz", KNOWN[1:])
    assert CliRunner().invoke(app, [*command, "--templates", str(tmp_path / "other.extxyz")]).exit_code == 6
    assert CliRunner().invoke(app, [*command, "--templates", str(tmp_path / "none.extxyz")]).exit_code == 4
    nothing = CliRunner().invoke(
        app, [*command, "--templates", str(tmp_path / "known.extxyz"), "--set=template_time=0"]
    )
    assert (nothing.exit_code, "option template_time is 0" in nothing.stderr) == (3, True)
    refused = CliRunner().invoke(app, ["sample", str(folder), "--templates", "mp20", "-o", str(tmp_path / "b.cif")])
    assert (refused.exit_code, "templates need a formula" in refused.stderr) == (2, True)


def test_templates_of_a_file_are_reduced_and_flat_cells_counted(tmp_path):
    """A sheared, left-handed cell is the same template as the reduced one; one without volume is none."""
    folder = generator_of().checkpoint.save(tmp_path / "model").parent
    salt = rock_salt()
    sheared = salt.replace(lattice=np.array([[1, 3, 0], [0, 1, 0], [2, 0, -1]]) @ salt.lattice)
    flat = salt.replace(lattice=np.diag([1.0, 1.0, 0.0]), positions=np.zeros((2, 3)))
    io.write(tmp_path / "known.extxyz", [sheared, flat])
    command = ["sample", str(folder), "--formula", "KBr", "-n", "1", "--steps", "2", "-o", str(tmp_path / "out.extxyz")]
    done = CliRunner().invoke(app, [*command, "--templates", str(tmp_path / "known.extxyz")])
    assert done.exit_code == 0, done.stderr
    assert "note: 1 of " in done.stderr
    (made,) = io.read(tmp_path / "out.extxyz")
    assert MATCHER.rmse(made, rock_salt(symbols="K Br")) < 0.01
    assert made.properties["template"] == "NaCl"


def test_other_models_refuse(bondflow):
    with pytest.raises(ConfigError, match="bondflow cannot be given templates; models that can: crystalflow"):
        make_condition(bondflow, Request(formula="CH4", templates=KNOWN))
