"""`molgen data hull` as a user runs it: the file, failures, continuing."""

import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.chemistry.crystal_relaxation import relax_crystal, static_energies
from molgen.chemistry.potentials import Settings, make_potential
from molgen.cli.app import app
from molgen.scoring import hull_building
from molgen.scoring.hull_file import read_hull
from tests.chemistry.test_crystal_relaxation import copper, rattled
from tests.scoring.crystals import lone_iron, rock_salt

CALCULATORS = "tests.chemistry.calculators"
EMT = ("--calculator", f"{CALCULATORS}:emt")


def run(*words):
    return CliRunner().invoke(app, ["data", "hull", *map(str, words)])


def alloys(n=4):
    """Copper with more and more gold, named, and rattled so that relaxing lowers their energy."""
    made = []
    for k in range(n):
        crystal = rattled(copper(3.9), 0.05, seed=k)
        numbers = crystal.numbers.copy()
        numbers[: k % 5] = 79
        made.append(crystal.replace(numbers=numbers, name=f"alloy-{k}"))
    return made


@pytest.fixture
def known(tmp_path):
    path = tmp_path / "known.extxyz"
    io.write(path, alloys())
    return path


def test_the_file_holds_the_calculators_energies(known, tmp_path):
    result = run("--from", known, *EMT, "-o", tmp_path / "hull.csv.gz")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "4 energies" in result.stderr
    assert "no pure Au among them" in result.stderr
    read = read_hull(str(tmp_path / "hull.csv.gz"))
    crystals = list(io.read(known))
    expected = static_energies(crystals, make_potential(f"{CALCULATORS}:emt"))
    assert [entry.name for entry in read.entries] == [crystal.name for crystal in crystals]
    assert [entry.energy for entry in read.entries] == pytest.approx(expected, abs=1e-6)
    assert read.entries[3].composition == ((29, 1), (79, 3))
    assert (read.calculator, read.energies, read.relaxed) == (EMT[1], f"{EMT[1]} of tests", False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hull.csv.gz", "known.extxyz"]


def test_relaxed(known, tmp_path):
    assert run("--from", known, *EMT, "-o", tmp_path / "hull.csv", "--relax").exit_code == 0
    read = read_hull(str(tmp_path / "hull.csv"))
    potential, settings = make_potential(f"{CALCULATORS}:emt"), Settings(force_tolerance=0.05)
    done = [relax_crystal(crystal, potential, settings) for crystal in io.read(known)]
    assert [entry.energy for entry in read.entries] == pytest.approx(
        [d.minimum.energy_after / 4 for d in done], abs=1e-5
    )
    assert read.relaxed


def test_what_has_no_energy_is_listed_with_its_reason(tmp_path):
    crystals = [copper(), lone_iron(0.4), rock_salt(symbols="Na F"), rock_salt(symbols="Na Br"), rock_salt()]
    io.write(tmp_path / "known.extxyz", crystals)
    words = ("--calculator", f"{CALCULATORS}:dangerous_balloon", "--timeout", 3)
    result = run("--from", tmp_path / "known.extxyz", *words, "-o", tmp_path / "hull.csv")
    assert result.exit_code == 5
    assert "3 of 5 crystals have no energy" in result.stderr
    lines = (tmp_path / "hull.csv").read_text().splitlines()[2:]
    problems = [line.split(",", 3)[3].strip('"').partition(":")[0] for line in lines]
    assert problems == ["", "overlapping atoms", "crash", "timeout", ""]
    assert len(read_hull(str(tmp_path / "hull.csv")).entries) == 2


def test_interrupted_and_continued_is_the_same_file(tmp_path, monkeypatch):
    monkeypatch.setattr(hull_building, "CHUNK", 2)
    io.write(tmp_path / "known.extxyz", alloys(7))
    words = ("--from", tmp_path / "known.extxyz", *EMT)
    assert run(*words, "-o", tmp_path / "whole.csv.gz").exit_code == 0
    evaluated, calls = hull_building.evaluated, []

    def stopping(*arguments):
        for rows in evaluated(*arguments):
            if len(calls) == 2:
                raise KeyboardInterrupt
            calls.append(1)
            yield rows

    with monkeypatch.context() as patch:
        patch.setattr(hull_building, "evaluated", stopping)
        stopped = run(*words, "-o", tmp_path / "hull.csv.gz")
    assert stopped.exit_code == 130
    assert "4 energies are kept" in stopped.stderr
    assert not (tmp_path / "hull.csv.gz").exists()
    other = run("--from", tmp_path / "known.extxyz", *EMT, "--relax", "-o", tmp_path / "hull.csv.gz")
    assert other.exit_code == 3
    assert "other settings (relaxed)" in other.stderr
    continued = run(*words, "-o", tmp_path / "hull.csv.gz")
    assert continued.exit_code == 0
    assert "continuing: 4 energies are there" in continued.stderr
    assert (tmp_path / "hull.csv.gz").read_bytes() == (tmp_path / "whole.csv.gz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hull.csv.gz", "known.extxyz", "whole.csv.gz"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--from", "known.extxyz", "-o", "hull.npz"), 3, "is not CSV"),
        (("--from", "known.extxyz", "-o", "there.csv"), 6, "--overwrite"),
        (("--from", "known.extxyz", "-o", "hull.csv", "--calculator", "mmff94s"), 3, "molecules only"),
        (("--from", "absent.extxyz", "-o", "hull.csv", *EMT), 4, "absent.extxyz"),
        (("--from", "known.extxyz", "-o", "hull.csv", "--workers", "0"), 2, "--workers"),
    ],
)
def test_wrong_use_leaves_nothing_behind(tmp_path, monkeypatch, words, code, message):
    monkeypatch.chdir(tmp_path)
    io.write("known.extxyz", [copper()])
    (tmp_path / "there.csv").write_text("precious")
    result = run(*words)
    assert result.exit_code == code, result.stderr
    assert message in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["known.extxyz", "there.csv"]
