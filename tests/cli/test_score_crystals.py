"""`molgen score` on crystals as a user runs it: files, folders, bad records, options that do not fit."""

import json

import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.cli.app import app
from tests.scoring.crystals import lone_iron, perovskite, quartz, rock_salt
from tests.scoring.molecules import METHANE

DISORDERED = """data_alloy
_cell_length_a 3.6
_cell_length_b 3.6
_cell_length_c 3.6
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cu1 Cu 0 0 0 0.5
Au1 Au 0 0 0 0.5
"""


def run(*arguments):
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path):
    """Four CIF files, one of them disordered, and a note."""
    made = tmp_path / "made"
    made.mkdir()
    for structure in (rock_salt(), perovskite(), lone_iron(0.6)):
        io.write(made / f"{structure.name}.cif", [structure])
    (made / "alloy.cif").write_text(DISORDERED, encoding="utf-8")
    (made / "README.md").write_text("made by hand", encoding="utf-8")
    return made


def test_folder_of_cif_files(folder, tmp_path):
    done = run(folder, "--json", "--out", tmp_path / "rows.csv")
    assert done.exit_code == 5, done.stderr  # the disordered one is reported, not dropped
    assert "not an ordered crystal: alloy.cif" in done.stderr
    document = json.loads(done.stdout)
    assert list(document["protocols"]) == ["cdvae-2021", "strict", "symmetry"]
    counted = {
        name: (metric["numerator"], metric["denominator"])
        for name, metric in (
            ("cdvae", document["protocols"]["cdvae-2021"]["metrics"]["validity"]),
            ("strict", document["protocols"]["strict"]["metrics"]["validity"]),
            ("p1", document["protocols"]["symmetry"]["metrics"]["p1"]),
        )
    }
    assert counted == {"cdvae": (3, 4), "strict": (2, 4), "p1": (0, 3)}
    lines = (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 5
    assert run(folder, "--out", tmp_path / "rows.csv").exit_code == 6


def test_protocols_that_do_not_fit(tmp_path):
    io.write(tmp_path / "some.extxyz", [quartz()])
    io.write(tmp_path / "molecule.xyz", [METHANE])
    done = run(tmp_path / "some.extxyz", "--protocol", "edm")
    assert done.exit_code == 3
    assert "protocol edm scores molecules" in done.stderr
    assert "--protocol cdvae-2021,strict,symmetry" in done.stderr
    done = run(tmp_path / "molecule.xyz", "--protocol", "strict")
    assert done.exit_code == 3
    assert "protocol strict scores crystals" in done.stderr
    done = run(tmp_path / "some.extxyz", "--protocol", "match")
    assert done.exit_code == 3
    assert "--targets" in done.stderr
    done = run(tmp_path / "some.extxyz", "--protocol", "coverage")
    assert done.exit_code == 3
    assert "--reference" in done.stderr


def test_sun_from_relaxing_to_rows(tmp_path):
    """relax, data hull and score speak of the same energies."""
    from tests.chemistry.test_crystal_relaxation import copper, rattled

    calculator = ("--calculator", "tests.chemistry.calculators:emt")
    io.write(tmp_path / "known.extxyz", [copper(3.59), copper(3.59).replace(numbers=[79, 79, 79, 79])])
    io.write(tmp_path / "made.extxyz", [rattled(copper()), rattled(copper()).replace(numbers=[29, 29, 79, 79])])

    def molgen(*words):
        done = CliRunner().invoke(app, list(map(str, words)))
        assert done.exit_code == 0, done.stderr
        return done

    molgen("data", "hull", "--from", tmp_path / "known.extxyz", *calculator, "-o", tmp_path / "hull.csv.gz", "--relax")
    molgen("relax", tmp_path / "made.extxyz", *calculator, "-o", tmp_path / "relaxed.extxyz")
    words = ("--reference", tmp_path / "known.extxyz", "--hull", tmp_path / "hull.csv.gz", "--json")
    rows = ("--out", tmp_path / "rows.csv")
    done = molgen("score", tmp_path / "relaxed.extxyz", "--protocol", "sun", *words, *rows)
    metrics = json.loads(done.stdout)["protocols"]["sun"]["metrics"]
    assert metrics["known_energy"]["numerator"] == 2
    assert metrics["unique"]["numerator"] == 2
    assert metrics["unique_novel"]["numerator"] == 1  # the copper finds its way back to the known one
    lines = (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()
    table = [dict(zip(lines[0].split(","), line.split(","), strict=False)) for line in lines[1:]]
    assert abs(float(table[0]["sun.e_above_hull"])) < 0.005
    assert float(table[1]["sun.e_above_hull"]) < 0  # EMT mixes copper and gold
    refused = run(tmp_path / "relaxed.extxyz", "--protocol", "sun")
    assert refused.exit_code == 3
    assert "--hull" in refused.stderr


def test_folder_without_structures(tmp_path):
    (tmp_path / "empty").mkdir()
    done = run(tmp_path / "empty")
    assert done.exit_code == 3
    assert "holds no structure file" in done.stderr
