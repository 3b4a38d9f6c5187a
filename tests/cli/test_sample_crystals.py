"""`molgen sample` with a model of crystals: formats, cells, formula units, chemical systems, targets, failures."""

import json
import zipfile
from collections import Counter
from pathlib import Path

import ase.io
import numpy as np
import pytest
from pymatgen.core import Structure as PymatgenStructure
from typer.testing import CliRunner

import molgen
from molgen import io
from molgen.cli.app import app
from molgen.sampling.output import SampleFile
from molgen.structure import Structure
from tests.sampling.crystals import stand_in_checkpoint


@pytest.fixture
def checkpoint(monkeypatch, tmp_path):
    return stand_in_checkpoint(monkeypatch, tmp_path)


def run(*arguments):
    return CliRunner().invoke(app, ["sample", *map(str, arguments)])


def sidecar(out):
    return json.loads(out.with_name(out.name + ".json").read_text())


def test_crystals_are_right_handed_reduced_and_labelled(checkpoint, tmp_path):
    out = tmp_path / "out.extxyz"
    done = run(checkpoint, "-n", 30, "-o", out)
    assert done.exit_code == 0, done.stderr
    structures = list(io.read(out))
    assert [s.name for s in structures] == [str(k) for k in range(30)]
    for s in structures:
        assert np.linalg.det(s.lattice) > 0
        assert s.properties["symprec"] == 0.1
        assert s.properties["formula"]
        assert s.properties["space_group"] == "P1" or s.properties["space_group_number"] > 1
        fractional = s.positions @ np.linalg.inv(s.lattice)
        assert fractional.min() > -1e-6
        assert fractional.max() < 1 + 1e-6
    facts = sidecar(out)["provenance"]
    assert (facts["cell"], facts["symprec"], facts["symmetrised"]) == ("Niggli, right-handed", 0.1, False)
    assert "30 crystals in" in done.stderr


def test_every_format_holds_the_same_crystals_for_pymatgen_and_ase(checkpoint, tmp_path):
    for name in ("a.extxyz", "a.cif", "a.zip", "a.poscar.zip"):
        assert run(checkpoint, "-n", 20, "-o", tmp_path / name).exit_code == 0
    assert run(checkpoint, "-n", 20, "-o", f"{tmp_path}/folder/").exit_code == 0
    wanted = list(io.read(tmp_path / "a.extxyz"))
    frames = ase.io.read(tmp_path / "a.extxyz", index=":")
    files = sorted((tmp_path / "folder").iterdir())
    assert files[3].name == f"000003_{wanted[3].properties['formula']}.cif"
    blocks = list(io.read(tmp_path / "a.cif"))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive, zipfile.ZipFile(tmp_path / "a.poscar.zip") as poscars:
        zipped = [archive.read(name).decode() for name in archive.namelist()]
        vasp = [poscars.read(name).decode() for name in poscars.namelist()]
    assert zipped == [path.read_text() for path in files]
    for k, (s, frame, block) in enumerate(zip(wanted, frames, blocks, strict=True)):
        mine = molgen.to_pymatgen(s)
        others = [PymatgenStructure.from_str(zipped[k], fmt="cif"), PymatgenStructure.from_str(vasp[k], fmt="poscar")]
        for other in [*others, molgen.to_pymatgen(block), molgen.to_pymatgen(molgen.from_ase(frame))]:
            np.testing.assert_allclose(
                np.sort(other.distance_matrix, None), np.sort(mine.distance_matrix, None), atol=1e-4
            )
            assert other.composition == mine.composition
        assert block.name == s.name
        assert block.properties == s.properties
        (read,) = ase.io.read(files[k], index=":")
        assert read.get_volume() == pytest.approx(mine.volume, rel=1e-5)


@pytest.mark.parametrize("name", ["out.extxyz", "out.cif", "out.zip", "out/"])
def test_interrupted_and_continued_is_the_unbroken_run(checkpoint, tmp_path, name, monkeypatch):
    options = ["-n", 150, "--chemical-system", "Li-O"]
    whole = f"{tmp_path}/whole/{name}"
    (tmp_path / "whole").mkdir()
    assert run(checkpoint, "-o", whole, *options).exit_code == 0
    add, out = SampleFile.add, f"{tmp_path}/{name}"

    def stopping(self, structures, seconds, problems=None):
        if self.chunks_done and not stopping.stopped:
            stopping.stopped = True
            self._writer.write(structures[0].replace(name="9999"))  # a chunk that was begun
            self._writer.flush()
            raise KeyboardInterrupt
        add(self, structures, seconds, problems)

    stopping.stopped = False
    monkeypatch.setattr(SampleFile, "add", stopping)
    assert run(checkpoint, "-o", out, *options).exit_code == 130
    assert run(checkpoint, "-o", out, *options).exit_code == 0
    assert contents(out) == contents(whole)
    assert len(contents(out)) == (1 if name[-1] in "fz" else 150)


def contents(path):
    if path.endswith("/"):
        return {p.name: p.read_text() for p in sorted((io.target_of(path).path).iterdir())}
    if path.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            return {name: archive.read(name) for name in archive.namelist()}
    return {"": Path(path).read_text()}


def test_formula_units_share_the_samples(checkpoint, tmp_path):
    out = tmp_path / "out.cif"
    done = run(checkpoint, "--formula", "LiFePO4", "--num-formula-units", "1..4", "-n", 21, "-o", out)
    assert done.exit_code == 0, done.stderr
    structures = list(io.read(out))
    assert Counter((s.properties["formula_units"], len(s)) for s in structures) == {(1, 7): 11, (2, 14): 10}
    assert {s.properties["formula"] for s in structures} == {"LiFePO4"}
    assert "only 1 to 2 of 1 to 4 formula units are made" in done.stderr
    assert "Z = 1: 11, Z = 2: 10; not ranked, which takes energies" in done.stderr
    settings = sidecar(out)["settings"]
    assert (settings["formula"], settings["formula_units"]) == ("FeLiO4P", [1, 2])
    again = molgen.load(checkpoint).sample(21, formula="LiFePO4", formula_units=(1, 2))
    assert [s.properties["formula_units"] for s in again] == [s.properties["formula_units"] for s in structures]


def test_chemical_system_is_kept_and_what_lacks_an_element_is_replaced(checkpoint, tmp_path):
    out = tmp_path / "out.extxyz"
    done = run(checkpoint, "--chemical-system", "Li-Mn-O", "--atoms", "4-6", "-n", 100, "-o", out)
    assert done.exit_code == 0, done.stderr
    structures = list(io.read(out))
    assert len(structures) == 100
    assert all(set(s.numbers.tolist()) == {3, 8, 25} and 4 <= len(s) <= 6 for s in structures)
    state = sidecar(out)
    lacking = state["rejected"]["lacks an element"]
    assert lacking["request"] is True
    assert lacking["count"] == sum(state["rounds"]) > 0
    assert f"{lacking['count']} x lacks an element" in done.stderr
    assert len({s.name for s in structures}) == 100
    same = molgen.load(checkpoint).sample(100, chemical_system="O-Mn-Li", atoms=(4, 6))
    assert [s.name for s in same] == [s.name for s in structures]
    assert run(checkpoint, "--chemical-system", "Li-Mn-O", "--atoms", "4-6", "-n", 100, "-o", out).exit_code == 0
    assert sidecar(out) == state


def test_what_cannot_be_had_ends_after_ten_times_as_many(checkpoint, tmp_path):
    """Two atoms cannot be of three elements, so the request is refused; five elements in five atoms are rare."""
    refused = run(checkpoint, "--chemical-system", "Li-Mn-O", "--atoms", "2", "-n", 5, "-o", tmp_path / "a.cif")
    assert refused.exit_code == 3
    done = run(checkpoint, "--chemical-system", "Li-O-P-Mn-Fe", "--atoms", "5", "-n", 20, "-o", tmp_path / "b.cif")
    assert done.exit_code == 5
    assert "of 200 that were made for it could be written" in done.stderr
    state = sidecar(tmp_path / "b.cif")
    assert 0 < state["written"] == 200 - state["rejected"]["lacks an element"]["count"] < 20
    assert state["complete"] is True


def test_targets(checkpoint, tmp_path):
    box = 4.0 * np.eye(3)
    targets = [
        Structure(numbers=[8, 3, 3, 3], positions=np.zeros((4, 3)), lattice=box, name="mp-1"),
        Structure(numbers=[79, 8], positions=np.zeros((2, 3)), lattice=box, name="mp-2"),
        Structure(numbers=[25, 8], positions=np.zeros((2, 3)), lattice=box, name="mp-1"),
    ]
    io.write(tmp_path / "targets.extxyz", targets)
    out = tmp_path / "out.cif"
    done = run(checkpoint, "--targets", tmp_path / "targets.extxyz", "-k", 3, "-o", out)
    assert done.exit_code == 0, done.stderr
    assert "1 of 3 targets are left out" in done.stderr
    made = Counter((s.properties["target"], s.properties["sample"], s.properties["formula"]) for s in io.read(out))
    wanted = [("mp-1#0", k, "Li3O") for k in range(3)] + [("mp-1#2", k, "MnO") for k in range(3)]
    assert made == Counter(wanted)
    assert (sidecar(out)["settings"]["n"], sidecar(out)["settings"]["per_target"]) == (6, 3)


def test_symmetrised_crystals_hold_their_operations(checkpoint, tmp_path):
    out = tmp_path / "out.cif"
    done = run(checkpoint, "-n", 20, "--atoms", "1-2", "--symmetrise", "0.1", "-o", out)
    assert done.exit_code == 0, done.stderr
    structures = list(io.read(out))
    assert all(s.properties["symmetrised"] == 0.1 for s in structures)
    for read, s in zip(ase.io.read(out, index=":"), structures, strict=True):
        assert read.info["spacegroup"].no == s.properties["space_group_number"]
        assert len(read) == len(s)
    symmetric = sum(s.properties["space_group_number"] > 1 for s in structures)
    assert sidecar(out)["counts"]["symmetric"] == symmetric > 5


def test_flat_cells_are_counted_and_the_rest_is_written(monkeypatch, tmp_path):
    checkpoint = stand_in_checkpoint(monkeypatch, tmp_path, flat=4)
    out = tmp_path / "out.zip"
    done = run(checkpoint, "-n", 60, "-o", out)
    assert done.exit_code == 5
    state = sidecar(out)
    flat = state["rejected"]["zero volume"]
    assert (flat["request"], flat["count"]) == (False, 60 - state["written"])
    assert "x zero volume (number" in done.stderr
    assert state["rounds"] == []  # a model's failure is not made good by another try
    with zipfile.ZipFile(out) as archive:
        assert len(archive.namelist()) == state["written"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--formula", "LiFeP04X"], 3, "is not an element"),
        (["--formula", "Li0.5O"], 3, "multiply them up"),
        (["--formula", "Li(O"], 3, "not a chemical formula"),
        (["--formula", "Li2Au"], 3, "does not know Au"),
        (["--formula", "Li10O10"], 3, "--formula LiO --num-formula-units 1..7 fits"),
        (["--formula", "Li9O7"], 3, "no cell of it fits; the smallest has 16 atoms"),
        (["--formula", "LiO", "--num-formula-units", "8-9"], 3, "have 1 to 14"),
        (["--formula", "LiO", "--num-formula-units", "0..2"], 3, "not a number of formula units"),
        (["--formula", "LiO", "--chemical-system", "Li-O"], 2, "exclude each other"),
        (["--chemical-system", "Li-Xx"], 3, "'Xx' is not an element"),
        (["--chemical-system", "-"], 3, "not a chemical system"),
        (["--chemical-system", "Li-Au"], 3, "does not know Au"),
        (["--targets", "none.cif"], 4, "none.cif"),
        (["--fragment", "a.sdf"], 2, "stand_in cannot be given a fragment"),
        (["--symmetrise", "2"], 3, "0.1 is usual"),
    ],
)
def test_wrong_requests(checkpoint, tmp_path, monkeypatch, options, code, message):
    monkeypatch.chdir(tmp_path)
    done = run(checkpoint, "-o", "out.cif", *options)
    assert done.exit_code == code, done.stderr
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("name", ["out.sdf", "out.xyz", "POSCAR", "out.sdf.zip"])
def test_formats_that_cannot_hold_many_crystals(checkpoint, tmp_path, name):
    done = run(checkpoint, "-n", 2, "-o", tmp_path / name)
    assert done.exit_code == 3
    assert "cannot be written in this format" in done.stderr
    assert ".cif, .zip or / (a folder)" in " ".join(done.stderr.split())


def test_atoms_in_one_place_are_no_cif(monkeypatch, checkpoint, tmp_path):
    """Readers take them for one site of double occupancy, and refuse the file."""
    from molgen.sampling.generator import checked

    def collapsed(parts, plan, chunk):
        for place, (structure, problem) in enumerate(checked(parts, plan, chunk)):
            positions = structure.positions.copy()
            if place == 1:
                positions[1] = positions[0]
            yield structure.replace(positions=positions), problem

    monkeypatch.setattr("molgen.sampling.generator.checked", collapsed)
    asked = ("--formula", "Li2O", "-n", 4)
    result = run(checkpoint, *asked, "-o", tmp_path / "out.cif")
    assert result.exit_code == 5
    assert "not written: 1 x atoms in one place" in result.stderr
    assert len(list(io.read(tmp_path / "out.cif"))) == 3
    assert run(checkpoint, *asked, "-o", tmp_path / "out.extxyz").exit_code == 0  # which holds them


def test_a_folder_of_somebody_else_is_kept(checkpoint, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "precious.cif").write_text("precious")
    refused = run(checkpoint, "-n", 2, "-o", folder)
    assert refused.exit_code == 6
    assert run(checkpoint, "-n", 2, "-o", folder, "--overwrite").exit_code == 0
    assert run(checkpoint, "-n", 3, "-o", folder, "--overwrite").exit_code == 0
    assert (folder / "precious.cif").read_text() == "precious"
    assert len(list(folder.iterdir())) == 4


def test_a_model_that_was_not_trained_for_it_says_so(checkpoint, tmp_path, monkeypatch):
    from tests.sampling.crystals import StandIn

    def without_formulas(self, config, data, init=StandIn.__init__):
        init(self, config, data)
        self.accepts = frozenset()

    monkeypatch.setattr(StandIn, "__init__", without_formulas)
    done = run(checkpoint, "-o", tmp_path / "out.cif", "--formula", "LiO")
    assert done.exit_code == 2
    assert "this stand_in cannot be given a formula: it was not trained" in " ".join(
        done.stderr.replace("│", " ").split()
    )
