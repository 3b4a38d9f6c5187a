"""`molgen rank`, and `molgen sample --relax --rank`, as a user runs them."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.cli.app import app
from molgen.datasets.find import open_structures
from tests.chemistry.test_crystal_relaxation import copper, rattled
from tests.cli.test_relax_crystals import CALCULATORS, EMT
from tests.sampling.crystals import stand_in_checkpoint
from tests.scoring.crystals import rock_salt


def run(*words):
    return CliRunner().invoke(app, [*map(str, words)])


@pytest.fixture
def relaxed(tmp_path):
    """Copper, rattled twice, and salt, which EMT does not know."""
    io.write(tmp_path / "a.extxyz", [rattled(copper()), rattled(copper(3.5)), rock_salt()])
    assert run("relax", tmp_path / "a.extxyz", "-o", tmp_path / "b.extxyz", *EMT).exit_code == 5
    return tmp_path / "b.extxyz"


def test_polymorphs_and_what_has_no_energy(relaxed, tmp_path):
    hull = tmp_path / "hull.csv"
    hull.write_text(
        '# {"format": "molgen-hull-1", "calculator": "x", "energies": "' + f"{CALCULATORS}:emt of tests" + '"}\n'
        "id,formula,energy_per_atom\nlow,Cu,-0.5\n"
    )
    out = tmp_path / "c.cif"
    result = run("rank", relaxed, "-o", out, "--hull", hull)
    assert result.exit_code == 5
    assert "1 crystals are left out (1 x calculation failed)" in result.stderr
    (only,) = io.read(out)
    assert (only.properties["times_found"], only.properties["rank"]) == (2, 1)
    assert only.properties["space_group_number"] == 225
    energy = only.properties["relax_energy_eV_per_atom"]
    assert only.properties["e_above_hull_eV_per_atom"] == pytest.approx(energy + 0.5, abs=1e-5)
    document = json.loads((tmp_path / "c.cif.json").read_text())
    assert document["written"] == 1
    assert document["unranked"] == {"calculation failed": 1}
    assert "exists already" in run("rank", relaxed, "-o", out).stderr
    assert run("rank", relaxed, "-o", out, "--overwrite").exit_code == 5


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--by", "mass"), 3, "unknown order"),
        (("--by", "hull"), 3, "takes a hull"),
        (("--hull", "nowhere.csv"), 4, "nowhere.csv"),
        (("--hull", "nowhere"), 3, "mp20_all_chgnet, which ships"),
        (("--symmetrise", "3"), 3, "tolerance"),
    ],
)
def test_wrong_options(relaxed, tmp_path, options, code, message):
    result = run("rank", relaxed, "-o", tmp_path / "c.cif", *options)
    assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
    assert not (tmp_path / "c.cif").exists()


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """A command that samples three crystals and relaxes their volumes; energies are all the same."""
    checkpoint = stand_in_checkpoint(monkeypatch, tmp_path)
    return ("sample", checkpoint, "--formula", "Li2O", "-n", 3, "--calculator", f"{CALCULATORS}:balloon")


def test_sampling_relaxing_and_ranking_in_one_command(asked, tmp_path):
    words = (*asked, "-o", f"{tmp_path / 'out'}/", "--rank", "energy")
    first = run(*words)
    assert first.exit_code == 0, first.stderr
    assert "not ranked" not in first.stderr
    found = list(open_structures(f"{tmp_path / 'out'}/"))
    assert [crystal.properties["rank"] for crystal in found] == list(range(1, len(found) + 1))
    assert sum(crystal.properties["times_found"] for crystal in found) == 3
    assert all(np.linalg.det(crystal.lattice) == pytest.approx(40.0, rel=0.01) for crystal in found)
    relaxed = tmp_path / "out.relaxed.extxyz"
    assert len(list(io.read(relaxed))) == len(list(io.read(tmp_path / "out.sampled.extxyz"))) == 3
    before = relaxed.stat().st_mtime_ns
    again = run(*words)  # nothing is sampled or relaxed twice
    assert again.exit_code == 0, again.stderr
    assert relaxed.stat().st_mtime_ns == before


def test_relaxing_alone_keeps_all_in_their_order(asked, tmp_path):
    assert run(*asked, "-o", tmp_path / "out.extxyz", "--relax").exit_code == 0
    assert [c.properties["relax_index"] for c in io.read(tmp_path / "out.extxyz")] == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--hull", "mp20_chgnet"), 2, "goes with --rank"),
        (("--rank", "mass"), 3, "unknown order"),
        (("--rank", "hull"), 3, "takes a hull"),
        (("--relax", "--workers", "0"), 2, "1 or more"),
        (("--relax", "--hull", "mp20_chgnet"), 2, "goes with --rank"),
        ((), 2, "--calculator: for --relax or --rank"),
        (("--relax", "--calculator", "mmff94s"), 3, "mmff94s"),
    ],
)
def test_what_cannot_be_ranked_is_not_sampled(asked, tmp_path, options, code, message):
    result = run(*asked, *options, "-o", tmp_path / "out.extxyz")
    assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
    assert not list(tmp_path.glob("out*"))


def test_what_was_made_of_other_crystals_is_kept(asked, relaxed, tmp_path):
    """A ranking of its own samples is made again; another is not."""
    out = tmp_path / "out.extxyz"
    assert run("rank", relaxed, "-o", out).exit_code == 5
    before = out.read_text()
    result = run(*asked, "-o", out, "--rank", "energy")
    assert (result.exit_code, out.read_text()) == (6, before)


def test_samples_made_again_are_relaxed_again(asked, tmp_path):
    """Also where an earlier result of other settings lies there."""
    out = tmp_path / "out.extxyz"
    assert run(*asked, "-o", out, "--rank", "energy").exit_code == 0
    assert run(*asked, "-o", out, "--rank", "energy", "--seed", 5).exit_code == 6
    before = (tmp_path / "out.relaxed.extxyz").read_text()
    assert run(*asked, "-o", out, "--rank", "energy", "--seed", 5, "--overwrite").exit_code == 0
    assert (tmp_path / "out.relaxed.extxyz").read_text() != before


def test_ranking_keeps_what_it_reads_and_sidecars_of_others(relaxed, tmp_path):
    assert run("rank", relaxed, "-o", relaxed, "--overwrite").exit_code == 2
    (tmp_path / "c.cif.json").write_text("mine")
    result = run("rank", relaxed, "-o", tmp_path / "c.cif")
    assert (result.exit_code, "c.cif.json exists already" in result.stderr) == (6, True)


def test_what_was_not_relaxed_cannot_be_ranked(tmp_path):
    io.write(tmp_path / "a.extxyz", [copper()])
    result = run("rank", tmp_path / "a.extxyz", "-o", tmp_path / "b.cif")
    assert (result.exit_code, "molgen relax makes such files" in result.stderr) == (3, True)
    assert not (tmp_path / "b.cif").exists()


def test_a_hull_of_another_potential_is_refused_first(asked, tmp_path):
    result = run(*asked, "-o", tmp_path / "out.cif", "--rank", "hull", "--hull", "mp20_chgnet")
    assert (result.exit_code, "is of chgnet" in result.stderr) == (3, True)
    assert not list(tmp_path.glob("out*"))


def test_atoms_in_one_place_are_no_cif(tmp_path):
    crystal = copper()
    positions = crystal.positions.copy()
    positions[1] = positions[0]
    given = {"relax_energy_eV_per_atom": -1.0, "relax_energies": "x", "relax_converged": "true"}
    io.write(
        tmp_path / "a.extxyz",
        [crystal.replace(positions=positions, properties=given), crystal.replace(properties=given)],
    )
    result = run("rank", tmp_path / "a.extxyz", "-o", tmp_path / "b.cif")
    assert (result.exit_code, "1 x atoms in one place" in result.stderr) == (5, True)
    assert len(list(io.read(tmp_path / "b.cif"))) == 1


def test_a_file_of_somebody_else_is_kept(asked, tmp_path):
    out = tmp_path / "out.cif"
    out.write_text("mine")
    result = run(*asked, "-o", out, "--relax")
    assert (result.exit_code, "exists already" in result.stderr) == (6, True)
    assert out.read_text() == "mine"
