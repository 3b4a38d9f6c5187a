"""`molgen report` as a user runs it."""

import json

import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.cli.app import app
from tests.report.parsed import Page
from tests.report.scored import STRUCTURES, write_scored
from tests.report.stable import HULL, write_stable
from tests.scoring.crystals import cubic


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_a_real_scoring_becomes_a_page(tmp_path):
    io.write(tmp_path / "a.sdf", STRUCTURES)
    scored = run("score", tmp_path / "a.sdf", "--out", tmp_path / "rows.csv")
    assert scored.exit_code == 0, scored.output
    done = run("report", tmp_path / "rows.csv", "-o", tmp_path / "r.html", "--title", "A & B")
    assert done.exit_code == 0, done.output
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "A & B" in page.visible
    summary = json.loads((tmp_path / "rows.csv.json").read_text(encoding="utf-8"))
    validity = summary["protocols"]["edm"]["metrics"]["validity"]
    row = next(row for row in page.tables["Rates of edm"] if row[0] == "validity")
    assert row[1:3] == [f"{100 * validity['value']:.2f} %", f"{validity['numerator']} / {validity['denominator']}"]
    assert [a for a in page.all("a") if a.get("class") == "view"]


def test_nothing_is_overwritten_unasked(tmp_path):
    rows = write_scored(tmp_path)
    out = tmp_path / "r.html"
    out.write_text("mine")
    done = run("report", rows, "-o", out)
    assert done.exit_code == 6
    assert "--overwrite" in done.stderr
    assert out.read_text() == "mine"
    assert run("report", rows, "-o", out, "--overwrite", "--gallery", 0).exit_code == 0
    assert out.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.json", "a.sdf"])
def test_its_own_input_is_never_the_output(tmp_path, name):
    rows = write_scored(tmp_path)
    before = (tmp_path / name).read_bytes()
    done = run("report", rows, "-o", tmp_path / name, "--overwrite", "--structures", tmp_path / "a.sdf")
    assert done.exit_code == 3
    assert (tmp_path / name).read_bytes() == before


def test_missing_rows_are_a_sentence_with_a_cure(tmp_path):
    done = run("report", tmp_path / "none.csv", "-o", tmp_path / "r.html")
    assert done.exit_code == 3
    assert "there is no file" in done.stderr
    assert "cure:" in done.stderr
    assert not (tmp_path / "r.html").exists()


def test_a_real_scoring_of_stability_becomes_a_page(tmp_path):
    energies = {"Li Li O": -5.0, "Li O": -4.95, "Li O O": -4.0, "Li": -1.0, "Na Cl": -3.0}
    samples = [
        cubic(4.0 + k, symbols, [[0.1 + 0.3 * i, 0.2 * i, 0] for i in range(len(symbols.split()))], f"s{k}")
        for k, symbols in enumerate(energies)
    ]
    stated = [s.replace(properties={"energy_per_atom": e}) for s, e in zip(samples, energies.values(), strict=True)]
    io.write(tmp_path / "s.extxyz", stated)
    io.write(tmp_path / "known.extxyz", samples[:1])
    (tmp_path / "hull.csv").write_text(HULL)
    hull = ["--hull", tmp_path / "hull.csv"]
    given = ["--protocol", "sun", "--reference", tmp_path / "known.extxyz", *hull, "--out", tmp_path / "rows.csv"]
    scored = run("score", tmp_path / "s.extxyz", *given)
    assert scored.exit_code == 0, scored.output
    done = run("report", tmp_path / "rows.csv", "-o", tmp_path / "r.html", *hull)
    assert done.exit_code == 0, done.output
    said = [a.get("aria-label", "") for a in Page((tmp_path / "r.html").read_text(encoding="utf-8")).all("svg")]
    # Li2O is stable, but known; LiO lies 0.05 above the hull, LiO2 and Li 1; there is no sodium in it.
    metastable = "metastable 2, metastable, unique 2, metastable, unique, novel 1"
    assert f"S.U.N. funnel, metastable: all records 5, energy known 4, {metastable}" in said
    stable = "stable 1, stable, unique 1, stable, unique, novel 0"
    assert f"S.U.N. funnel, stable: all records 5, energy known 4, {stable}" in said
    assert "Convex hull of Li-O: 3 known phases, 4 samples" in said


def test_options_of_stability_reach_the_page(tmp_path):
    options = ["--hull", tmp_path / "hull.csv", "--system", "O-Li", "--before", tmp_path / "samples.extxyz"]
    done = run("report", write_stable(tmp_path), "-o", tmp_path / "r.html", *options)
    assert done.exit_code == 0, done.output
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "Convex hull of O-Li" in page.visible
    assert "Record 3 Fe2O3" in page.visible
    for name in ("hull.csv", "samples.extxyz"):
        before = (tmp_path / name).read_bytes()
        done = run("report", tmp_path / "rows.csv", "-o", tmp_path / name, "--overwrite", *options)
        assert done.exit_code == 3
        assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize(("system", "said"), [("Li-Na", "no compound of Na"), ("Li-Fe-O-N", "has 4 elements")])
def test_a_system_that_cannot_be_drawn_is_a_sentence_with_a_cure(tmp_path, system, said):
    rows = write_stable(tmp_path)
    done = run("report", rows, "-o", tmp_path / "r.html", "--hull", tmp_path / "hull.csv", "--system", system)
    assert done.exit_code == 3
    assert said in " ".join(done.stderr.split())
    assert "cure:" in done.stderr
