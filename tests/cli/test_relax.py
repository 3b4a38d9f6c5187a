"""`molgen relax` as a user runs it: properties, order, failures, timeouts, continuing, exit codes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.chemistry.potentials import make_potential
from molgen.chemistry.relaxation import relax
from molgen.cli.app import app
from tests.chemistry.test_relaxation import diatomic, pentavalent
from tests.io.molecules import ammonium, benzene, rock_salt, water

CALCULATORS = "tests.chemistry.calculators"


def run(*words):
    return CliRunner().invoke(app, ["relax", *map(str, words)])


def properties(path):
    return [structure.properties for structure in io.read(path)]


@pytest.fixture
def three(tmp_path):
    path = tmp_path / "a.sdf"
    io.write(path, [water(), pentavalent(), ammonium()])
    return path


@pytest.mark.parametrize("name", ["b.sdf", "b.extxyz.gz"])
def test_every_structure_is_written_in_order_with_its_results(three, tmp_path, name):
    result = run(three, "-o", tmp_path / name)
    assert result.exit_code == 5
    assert result.stdout == ""
    assert "1 of 3 molecules are not relaxed (1 x sanitisation)" in result.stderr
    given, written = list(io.read(three)), list(io.read(tmp_path / name))
    assert [len(s) for s in written] == [3, 6, 5]
    assert [s.properties["relax_index"] for s in written] == [0, 1, 2]
    assert [s.properties["relax_converged"] for s in written] == ["true", "false", "true"]
    np.testing.assert_allclose(written[1].positions, given[1].positions, atol=1e-4)
    assert written[1].properties["relax_reason"].startswith("sanitisation: ")
    assert written[0].properties["energy"] == -76.4  # properties that were there stay
    for before, after in ((given[0], written[0]), (given[2], written[2])):
        done = relax(before, make_potential("mmff94s"))
        np.testing.assert_allclose(after.positions, done.structure.positions, atol=1e-4)
        values = after.properties
        assert values["relax_calculator"] == "mmff94s"
        assert values["relax_energy_before_eV"] == pytest.approx(done.minimum.energy_before)
        assert values["relax_energy_after_eV"] == pytest.approx(done.minimum.energy_after)
        assert values["relax_energy_gain_kcal_per_mol"] == pytest.approx(done.energy_gain)
        assert values["relax_rmsd_angstrom"] == pytest.approx(done.rmsd)
        assert values["relax_bond_change_angstrom"] == pytest.approx(done.changes.bonds)
        assert values["relax_angle_change_degree"] == pytest.approx(done.changes.angles)
        assert values["relax_steps"] == done.minimum.steps
        assert "relax_torsion_change_degree" not in values
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sdf", name, f"{name}.json"]


def test_json_is_the_file_beside(three, tmp_path):
    result = run(three, "-o", tmp_path / "b.sdf", "--json")
    document = json.loads(result.stdout)
    assert document == json.loads((tmp_path / "b.sdf.json").read_text())
    assert (document["n"], document["converged"], document["failures"]) == (3, 2, {"sanitisation": 1})
    gains = [relax(s, make_potential("mmff94s")).energy_gain for s in io.read(three)]
    gains = [gain for gain in gains if gain is not None]
    quantity = document["quantities"]["energy_gain"]
    assert (quantity["unit"], quantity["count"]) == ("kcal/mol", 2)
    assert quantity["median"] == pytest.approx(np.median(gains))
    assert quantity["mean"] == pytest.approx(np.mean(gains))
    assert document["quantities"]["torsion_change"] == {"unit": "degree", "count": 0, "mean": None, "median": None}
    assert document["settings"]["force_tolerance"] == 0.01


def test_success_says_medians_on_stderr(tmp_path):
    io.write(tmp_path / "a.sdf", [water(), benzene()])
    result = run(tmp_path / "a.sdf", "-o", tmp_path / "b.sdf")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "2 of 2 molecules relaxed" in result.stderr
    assert "kcal/mol" in result.stderr


def test_a_relaxed_file_relaxes_to_itself(three, tmp_path):
    run(three, "-o", tmp_path / "b.sdf")
    run(tmp_path / "b.sdf", "-o", tmp_path / "c.sdf")
    again = properties(tmp_path / "c.sdf")
    assert again[0]["relax_energy_gain_kcal_per_mol"] == pytest.approx(0, abs=1e-4)
    assert len(again[1]) == len(set(again[1]))
    assert "relax_energy_before_eV" not in again[1]


def test_step_limit_and_tolerance(tmp_path):
    io.write(tmp_path / "a.sdf", diatomic(1.7))
    words = (tmp_path / "a.sdf", "--calculator", f"{CALCULATORS}:spring")
    assert run(*words, "-o", tmp_path / "b.sdf", "--max-steps", 1).exit_code == 5
    (stopped,) = properties(tmp_path / "b.sdf")
    assert (stopped["relax_converged"], stopped["relax_steps"]) == ("false", 1)
    assert stopped["relax_reason"].startswith("not converged: ")
    assert stopped["relax_energy_gain_kcal_per_mol"] > 0
    assert run(*words, "-o", tmp_path / "c.sdf", "--max-steps", 1, "--force-tolerance", 5).exit_code == 0


def test_hanging_and_crashing_molecules_do_not_stop_the_rest(tmp_path):
    fluoride, bromide = diatomic(1.7, (9, 1)), diatomic(1.7, (35, 1))
    io.write(tmp_path / "a.sdf", [diatomic(1.7), bromide, diatomic(1.6), fluoride, diatomic(1.5)])
    calculator = ("--calculator", f"{CALCULATORS}:dangerous", "--timeout", 5)
    result = run(tmp_path / "a.sdf", "-o", tmp_path / "b.sdf", *calculator)
    assert result.exit_code == 5
    written = properties(tmp_path / "b.sdf")
    assert [p["relax_converged"] for p in written] == ["true", "false", "true", "false", "true"]
    assert written[1]["relax_reason"].startswith("timeout: ")
    assert written[3]["relax_reason"].startswith("crash: ")


def test_unreadable_records_and_crystals(tmp_path):
    io.write(tmp_path / "a.extxyz", [water().replace(bonds=None), rock_salt()])
    with (tmp_path / "a.extxyz").open("a") as file:
        file.write("1\n\nXx 0 0 0\n")
    io.write(tmp_path / "end.extxyz", water().replace(bonds=None))
    with (tmp_path / "a.extxyz").open("a") as file:
        file.write((tmp_path / "end.extxyz").read_text())
    result = run(tmp_path / "a.extxyz", "-o", tmp_path / "b.extxyz")
    assert result.exit_code == 5
    assert "unreadable: 1 x unknown element (record 3: unknown element: " in result.stderr
    written = list(io.read(tmp_path / "b.extxyz"))
    assert [s.properties["relax_index"] for s in written] == [0, 1, 3]
    assert [s.properties["relax_converged"] for s in written] == ["true", "false", "true"]
    assert written[1].properties["relax_reason"].startswith("has a lattice: ")
    assert written[1].lattice is not None


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("absent.sdf", "-o", "b.sdf"), 4, "there is no file"),
        (("a.sdf", "-o", "b.xyz"), 3, "holds no properties"),
        (("a.sdf", "-o", "b.sdf", "--calculator", "uff"), 3, "unknown calculator"),
        (("a.sdf", "-o", "b.sdf", "--calculator", "no_such_module:x"), 4, "no_such_module"),
        (("a.sdf", "-o", "b.sdf", "--bonds", "guess"), 3, "unknown bond source"),
        (("a.sdf", "-o", "b.sdf", "--force-tolerance", "0"), 3, "force_tolerance"),
        (("a.sdf", "-o", "there.sdf"), 6, "--overwrite"),
        (("a.sdf", "-o", "b.sdf", "--workers", "0"), 2, "--workers"),
        (("broken.sdf", "-o", "b.sdf"), 3, ""),
    ],
)
def test_wrong_use_leaves_nothing_behind(tmp_path, monkeypatch, words, code, message):
    monkeypatch.chdir(tmp_path)
    io.write("a.sdf", water())
    (tmp_path / "there.sdf").write_text("precious")
    (tmp_path / "broken.sdf").write_text("")
    result = run(*words)
    assert result.exit_code == code, result.stderr
    assert message in result.stderr
    assert (tmp_path / "there.sdf").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sdf", "broken.sdf", "there.sdf"]


def test_overwrite(three, tmp_path):
    (tmp_path / "b.sdf").write_text("old")
    run(three, "-o", tmp_path / "b.sdf", "--overwrite")
    assert len(properties(tmp_path / "b.sdf")) == 3


def interrupted(monkeypatch, *words, after=2):
    """Run, with a Ctrl-C when ``after`` chunks are written."""
    from molgen.scoring.relaxed_file import RelaxedFile

    add = RelaxedFile.add
    calls = []

    def add_and_stop(self, structures):
        add(self, structures)
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RelaxedFile, "add", add_and_stop)
        return run(*words)


def test_interrupted_and_continued_is_the_same_file(tmp_path, monkeypatch):
    molecules = [water(), pentavalent(), ammonium(), benzene()] * 4
    io.write(tmp_path / "a.sdf", molecules)
    whole = run(tmp_path / "a.sdf", "-o", tmp_path / "whole.sdf", "--json")
    stopped = interrupted(monkeypatch, tmp_path / "a.sdf", "-o", tmp_path / "b.sdf")
    assert stopped.exit_code == 130
    kept = len(properties(tmp_path / ".partial.b.sdf"))
    assert f"{kept} molecules are kept" in stopped.stderr
    assert 0 < kept < 16
    assert not (tmp_path / "b.sdf").exists()
    continued = run(tmp_path / "a.sdf", "-o", tmp_path / "b.sdf", "--json")
    assert f"continuing: {kept} molecules are there" in continued.stderr
    assert (tmp_path / "b.sdf").read_bytes() == (tmp_path / "whole.sdf").read_bytes()
    assert json.loads(continued.stdout) == json.loads(whole.stdout)
    assert not (tmp_path / ".partial.b.sdf").exists()


@pytest.mark.parametrize("change", [("--max-steps", "7"), ("--overwrite",), ("--bonds", "lookup")])
def test_other_settings_begin_anew(tmp_path, monkeypatch, change):
    io.write(tmp_path / "a.sdf", [water(), ammonium()] * 8)
    interrupted(monkeypatch, tmp_path / "a.sdf", "-o", tmp_path / "b.sdf")
    result = run(tmp_path / "a.sdf", "-o", tmp_path / "b.sdf", *change)
    assert "continuing" not in result.stderr
    assert [p["relax_index"] for p in properties(tmp_path / "b.sdf")] == list(range(16))


def test_a_damaged_partial_file_is_begun_anew(tmp_path, monkeypatch):
    io.write(tmp_path / "a.sdf", [water(), ammonium()] * 8)
    interrupted(monkeypatch, tmp_path / "a.sdf", "-o", tmp_path / "b.sdf")
    partial = tmp_path / ".partial.b.sdf"
    partial.write_bytes(partial.read_bytes()[:-40])
    result = run(tmp_path / "a.sdf", "-o", tmp_path / "b.sdf")
    assert result.exit_code == 0
    assert "continuing" not in result.stderr
    assert [p["relax_index"] for p in properties(tmp_path / "b.sdf")] == list(range(16))
    assert "16 of 16" in result.stderr


def test_half_a_record_behind_the_noted_end_is_cut_off(tmp_path, monkeypatch):
    io.write(tmp_path / "a.sdf", [water(), ammonium()] * 8)
    run(tmp_path / "a.sdf", "-o", tmp_path / "whole.sdf")
    interrupted(monkeypatch, tmp_path / "a.sdf", "-o", tmp_path / "b.sdf")
    partial = tmp_path / ".partial.b.sdf"
    partial.write_bytes(partial.read_bytes() + partial.read_bytes()[:300])
    result = run(tmp_path / "a.sdf", "-o", tmp_path / "b.sdf")
    assert "continuing" in result.stderr
    assert (tmp_path / "b.sdf").read_bytes() == (tmp_path / "whole.sdf").read_bytes()


def test_worker_processes_give_the_same(tmp_path):
    io.write(tmp_path / "a.sdf", [water(), pentavalent(), ammonium(), benzene()] * 4)
    one = run(tmp_path / "a.sdf", "-o", tmp_path / "one.sdf")
    two = run(tmp_path / "a.sdf", "-o", tmp_path / "two.sdf", "--workers", 2)
    assert one.exit_code == two.exit_code == 5
    assert (tmp_path / "one.sdf").read_bytes() == (tmp_path / "two.sdf").read_bytes()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_ctrl_c_of_a_real_process_keeps_what_was_written(tmp_path):
    """The last molecule hangs: Ctrl-C must end the child that is stuck on it as well."""
    io.write(tmp_path / "a.sdf", [diatomic(1.7)] * 10 + [diatomic(1.7, (17, 1))])
    command = [sys.executable, "-c", "from molgen.cli.app import main; main()", "relax", "a.sdf", "-o", "b.sdf"]
    command += ["--calculator", f"{CALCULATORS}:dangerous", "--timeout", "500"]
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    environment = {**os.environ, "PYTHONPATH": root}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: _children(process.pid))
    children = _children(process.pid)
    wait_for(lambda: all(_sleeps(child) for child in children), steady=6)  # it has done ten and hangs
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "10 molecules are kept" in words
    assert len(properties(tmp_path / ".partial.b.sdf")) == 10
    wait_for(lambda: all(_state(child) in ("", "Z") for child in children))


def wait_for(condition, steady=0.0):
    """Until it has been true for ``steady`` seconds."""
    deadline, since = time.monotonic() + 120, None
    while time.monotonic() < deadline:
        since = (since or time.monotonic()) if condition() else None
        if since is not None and time.monotonic() - since >= steady:
            return
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def _children(pid):
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in done.stdout.split() if _state(word)]


def _state(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def _sleeps(pid):
    return _state(pid) == "S"
