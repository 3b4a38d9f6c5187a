"""`molgen relax` on crystals as a user runs it: properties, failures, options, continuing."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.chemistry.crystal_relaxation import CellSettings, relax_crystal
from molgen.chemistry.potentials import Settings, make_potential
from molgen.cli.app import app
from tests.chemistry.test_crystal_relaxation import copper, rattled
from tests.cli.test_relax import interrupted, properties
from tests.io.molecules import water
from tests.scoring.crystals import lone_iron, perovskite, rock_salt

CALCULATORS = "tests.chemistry.calculators"
EMT = ("--calculator", f"{CALCULATORS}:emt")


def run(*words):
    return CliRunner().invoke(app, ["relax", *map(str, words)])


@pytest.fixture
def four(tmp_path):
    """Copper twice, iron on its own image, salt that EMT does not know, and then copper again."""
    path = tmp_path / "a.extxyz"
    stale = {"space_group": "Pm", "space_group_number": 6, "symprec": 0.1, "formula": "Cu"}
    crystals = [rattled(copper()).replace(properties=stale), lone_iron(0.4), rock_salt(), rattled(copper(3.5))]
    io.write(path, crystals)
    return path


def test_every_crystal_is_written_in_order_with_its_results(four, tmp_path):
    result = run(four, "-o", tmp_path / "b.extxyz", *EMT)
    assert result.exit_code == 5
    assert result.stdout == ""
    reasons = "1 x overlapping atoms; 1 x calculation failed"
    assert f"2 of 4 crystals are not relaxed ({reasons})" in result.stderr
    written = list(io.read(tmp_path / "b.extxyz"))
    assert [s.properties["relax_index"] for s in written] == [0, 1, 2, 3]
    assert [s.properties["relax_converged"] for s in written] == ["true", "false", "false", "true"]
    given = list(io.read(four))
    for place in (0, 3):
        done = relax_crystal(given[place], make_potential(f"{CALCULATORS}:emt"), Settings(force_tolerance=0.05))
        values, minimum = written[place].properties, done.minimum
        np.testing.assert_allclose(written[place].lattice, done.structure.lattice, atol=1e-8)
        assert values["relax_energy_eV_per_atom"] == pytest.approx(minimum.energy_after / 4)
        gain = (minimum.energy_before - minimum.energy_after) / 4
        assert values["relax_energy_gain_eV_per_atom"] == pytest.approx(gain)
        assert values["relax_volume_change_percent"] == pytest.approx(100 * minimum.volume_change)
        assert values["relax_rmsd_angstrom"] == pytest.approx(minimum.rmsd)
        assert values["relax_max_force_eV_per_angstrom"] == pytest.approx(minimum.max_force)
        assert values["relax_max_stress_GPa"] == pytest.approx(minimum.max_stress)
        assert (values["relax_space_group_before"], values["relax_space_group_after"]) == (1, 225)
        assert values["relax_energies"] == f"{CALCULATORS}:emt of tests"  # a package without a version
    assert written[0].properties["formula"] == "Cu"
    assert not {"space_group", "space_group_number", "symprec"} & set(written[0].properties)
    np.testing.assert_array_equal(written[1].lattice, given[1].lattice)
    assert "relax_energy_eV_per_atom" not in written[1].properties
    document = json.loads((tmp_path / "b.extxyz.json").read_text())
    assert (document["settings"]["cell"], document["settings"]["force_tolerance"]) == ("free", 0.05)
    assert document["quantities"]["energy"]["unit"] == "eV/atom"
    assert document["quantities"]["volume_change"]["unit"] == "percent"
    assert document["quantities"]["energy"]["count"] == 2


def test_options_reach_the_relaxation(tmp_path):
    given = rattled(perovskite(symbols="Cu Au Cu Cu Cu"), 0.01)
    io.write(tmp_path / "a.extxyz", [given])
    words = (tmp_path / "a.extxyz", *EMT, "--cell", "fixed", "--keep-symmetry", "--trajectories", tmp_path / "steps")
    assert run(*words, "-o", tmp_path / "b.extxyz").exit_code == 0
    (values,) = properties(tmp_path / "b.extxyz")
    expected = relax_crystal(
        next(io.read(tmp_path / "a.extxyz")),
        make_potential(f"{CALCULATORS}:emt"),
        Settings(force_tolerance=0.05),
        CellSettings("fixed", keep_symmetry=True),
    )
    assert values["relax_energy_eV_per_atom"] == pytest.approx(expected.minimum.energy_after / 5)
    assert values["relax_space_group_after"] == 221
    frames = list(io.read(tmp_path / "steps" / "0.extxyz"))
    assert len(frames) == values["relax_steps"] + 1


def test_killed_hanging_and_mixed_records_do_not_stop_the_rest(tmp_path):
    odd = [rock_salt(symbols=f"Na {halogen}") for halogen in ("Cl", "F", "Cl", "Br", "I", "Cl")]
    io.write(tmp_path / "a.extxyz", [*odd, water().replace(bonds=None)])
    result = run(
        tmp_path / "a.extxyz", "-o", tmp_path / "b.extxyz", "--calculator", f"{CALCULATORS}:dangerous_balloon",
        "--timeout", 5,
    )  # fmt: skip
    assert result.exit_code == 5
    written = properties(tmp_path / "b.extxyz")
    assert [p["relax_converged"] for p in written[:6]] == ["true", "false", "true", "false", "false", "true"]
    kinds = [p.get("relax_reason", "").partition(":")[0] for p in written[:6]]
    assert kinds == ["", "crash", "", "timeout", "energy is not finite", ""]
    assert len(written) == 7


def test_interrupted_and_continued_is_the_same_file(tmp_path, monkeypatch):
    io.write(tmp_path / "a.extxyz", [rattled(copper(), seed=k) for k in range(9)])
    words = (tmp_path / "a.extxyz", *EMT)
    whole = run(*words, "-o", tmp_path / "whole.extxyz", "--json")
    stopped = interrupted(monkeypatch, *words, "-o", tmp_path / "b.extxyz", after=1)
    assert stopped.exit_code == 130
    assert "crystals are kept" in stopped.stderr
    continued = run(*words, "-o", tmp_path / "b.extxyz", "--json")
    assert "crystals are there" in continued.stderr
    assert (tmp_path / "b.extxyz").read_bytes() == (tmp_path / "whole.extxyz").read_bytes()
    assert json.loads(continued.stdout) == json.loads(whole.stdout)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--calculator", "mmff94s"), 3, "mmff94s relaxes molecules"),
        (("--calculator", f"{CALCULATORS}:spring"), 3, "gives no stress"),
        ((*EMT, "--cell", "loose"), 3, "free or fixed"),
        ((*EMT, "--force-tolerance", "0"), 3, "force_tolerance"),
        ((*EMT, "-o", "b.sdf"), 3, "holds no cell"),
    ],
)
def test_wrong_use_leaves_nothing_behind(tmp_path, monkeypatch, words, code, message):
    monkeypatch.chdir(tmp_path)
    io.write(tmp_path / "a.extxyz", [rock_salt()])
    result = run(tmp_path / "a.extxyz", "-o", tmp_path / "b.extxyz", *words)
    assert result.exit_code == code, result.stderr
    assert message in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.extxyz"]


def test_trajectories_of_molecules_are_refused(tmp_path):
    io.write(tmp_path / "a.extxyz", [water().replace(bonds=None)])
    result = run(tmp_path / "a.extxyz", "-o", tmp_path / "b.extxyz", "--trajectories", tmp_path / "steps")
    assert result.exit_code == 3
    assert "goes with crystals" in result.stderr


def test_chgnet_is_the_usual_one(tmp_path):
    pytest.importorskip("chgnet")
    io.write(tmp_path / "a.extxyz", [rock_salt()])
    result = run(tmp_path / "a.extxyz", "-o", tmp_path / "b.extxyz")
    assert result.exit_code == 0, result.stderr
    (values,) = properties(tmp_path / "b.extxyz")
    assert values["relax_calculator"] == "chgnet"
    assert values["relax_energies"].startswith("chgnet 0.")
    assert -4 < values["relax_energy_eV_per_atom"] < -3
