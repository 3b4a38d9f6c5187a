"""`molgen sample` with a formula, a fragment, settings by name, and a model's own bonds."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem
from typer.testing import CliRunner

import molgen
from molgen import io
from molgen.cli.app import app
from molgen.sampling.settings import Settings
from molgen.structure import Structure
from tests.cli.test_sample import STOP_AFTER_A_CHUNK
from tests.sampling.conftest import bondflow_checkpoint, checkpoint  # noqa: F401 - fixtures

STEPS = ["--steps", 4]
PIECE = Structure(
    numbers=[6, 8, 6],
    positions=[[50.1234, -3.0, 7.25], [51.3, -3.0, 7.4], [49.3, -1.8, 6.5]],
    bonds=[[0, 1, 2], [0, 2, 1]],
)


def run(*arguments):
    return CliRunner().invoke(app, ["sample", *map(str, arguments)])


def sidecar(out):
    return json.loads(out.with_name(out.name + ".json").read_text())


@pytest.fixture
def piece(tmp_path):
    io.write(tmp_path / "piece.sdf", PIECE)
    return tmp_path / "piece.sdf"


def test_own_bonds_with_labels_and_nothing_dropped(bondflow_checkpoint, tmp_path):  # noqa: F811
    out = tmp_path / "out.sdf"
    done = run(bondflow_checkpoint, "-n", 100, "-o", out, *STEPS)
    assert done.exit_code == 0, done.stderr
    structures = list(io.read(out))
    assert [s.name for s in structures] == [str(k) for k in range(100)]
    made = molgen.load(bondflow_checkpoint).sample(100, steps=4)
    sound = 0
    for written, own in zip(structures, made, strict=True):
        assert written.bonds.tolist() == own.bonds.tolist()
        assert written.charges.tolist() == own.charges.tolist()
        mol = Chem.RWMol(molgen.to_rdkit(own))
        try:
            Chem.SanitizeMol(mol)
            assert "sanitise_error" not in written.properties
            assert written.properties["sanitised"] == 1
            sound += 1
        except ValueError:
            assert written.properties["sanitised"] == 0
            assert ": " in written.properties["sanitise_error"]
        assert written.properties["connected"] == int(len(Chem.GetMolFrags(mol)) == 1)
    state = sidecar(out)
    assert 0 < sound < 100
    assert state["counts"]["sanitised"] == sound
    assert state["counts"]["connected"] == sum(s.properties["connected"] for s in structures)
    errors = {name: count for name, count in state["counts"].items() if name.startswith("sanitise_error ")}
    assert sum(errors.values()) == 100 - sound
    assert state["provenance"]["bonds"] == "the model's own"
    assert f"{sound} sanitised" in done.stderr


def test_formats_without_bonds_have_no_labels(bondflow_checkpoint, tmp_path):  # noqa: F811
    assert run(bondflow_checkpoint, "-n", 5, "-o", tmp_path / "out.extxyz", *STEPS).exit_code == 0
    assert all(s.properties == {} for s in io.read(tmp_path / "out.extxyz"))
    assert sidecar(tmp_path / "out.extxyz")["counts"] == {}


def test_formula(bondflow_checkpoint, tmp_path):  # noqa: F811
    out = tmp_path / "out.sdf"
    command = (bondflow_checkpoint, "-n", 100, "-o", out, *STEPS)
    done = run(*command, "--formula", "OC3H4")
    assert done.exit_code == 0, done.stderr
    assert {tuple(s.numbers.tolist()) for s in io.read(out)} == {(6, 6, 6, 1, 1, 1, 1, 8)}
    state = sidecar(out)
    assert state["settings"]["formula"] == "C3H4O"
    assert state["rejected"] == {}
    assert run(*command, "--formula", "C3H4O").exit_code == 0  # the same composition continues
    for other in (["--formula", "C3H5O"], []):
        refused = run(*command, *other)
        assert refused.exit_code == 6
        assert "formula is C3H4O there" in refused.stderr


def test_a_formula_with_an_odd_number_of_electrons_is_made_with_a_warning(bondflow_checkpoint, tmp_path):  # noqa: F811
    done = run(bondflow_checkpoint, "-n", 3, "-o", tmp_path / "out.sdf", "--formula", "C2H5", *STEPS)
    assert done.exit_code == 0
    assert "note: C2H5 has an odd number of electrons" in done.stderr


def test_fragment_in_its_own_frame(bondflow_checkpoint, tmp_path, piece):  # noqa: F811
    for name in ("out.sdf", "out.extxyz"):
        out = tmp_path / name
        done = run(bondflow_checkpoint, "-n", 70, "-o", out, "--fragment", piece, "--atoms", "5-7", *STEPS)
        assert done.exit_code == 0, done.stderr
        structures = list(io.read(out))
        assert {len(s) for s in structures} == {5, 6, 7}
        for s in structures:
            assert s.numbers[:3].tolist() == [6, 8, 6]
            assert np.array_equal(s.positions[:3], PIECE.positions)
            if name == "out.sdf":
                assert s.take(np.arange(3)).bonds.tolist() == [[0, 1, 2], [0, 2, 1]]
        state = sidecar(out)
        assert state["rejected"] == {}
        assert len(state["settings"]["fragment_sha256"]) == 64
        assert state["provenance"]["fragment"] == str(piece)


def test_part_of_an_aromatic_molecule(bondflow_checkpoint, tmp_path):  # noqa: F811
    mol = Chem.AddHs(Chem.MolFromSmiles("c1ccoc1"))
    AllChem.EmbedMolecule(mol, randomSeed=2)
    path, out = tmp_path / "furan.mol", tmp_path / "out.sdf"
    path.write_text(Chem.MolToMolBlock(mol, kekulize=False))
    options = ["--fragment", path, "--fragment-atoms", "0-4,6", *STEPS]
    done = run(bondflow_checkpoint, "-n", 20, "-o", out, *options)
    assert done.exit_code == 0, done.stderr
    for s in io.read(out):
        first = s.take(np.arange(6))
        assert first.numbers.tolist() == [6, 6, 6, 8, 6, 1]
        assert sorted(first.bonds[:, 2].tolist()) == [1, 1, 1, 1, 2, 2]
        np.testing.assert_allclose(first.positions, mol.GetConformer().GetPositions()[[0, 1, 2, 3, 4, 6]], atol=1e-4)


def test_another_fragment_is_another_setting(bondflow_checkpoint, tmp_path, piece):  # noqa: F811
    command = (bondflow_checkpoint, "-n", 5, "-o", tmp_path / "out.sdf", "--fragment", piece, *STEPS)
    assert run(*command).exit_code == 0
    io.write(piece, PIECE.replace(name="renamed"))
    assert run(*command).exit_code == 0
    io.write(piece, PIECE.replace(positions=PIECE.positions + 0.001))
    refused = run(*command)
    assert refused.exit_code == 6
    assert "fragment_sha256" in refused.stderr


@pytest.mark.parametrize("given", ["formula", "fragment"])
def test_interrupt_and_continue(bondflow_checkpoint, tmp_path, piece, given):  # noqa: F811
    """A real Ctrl-C after the first chunk: in the end the bytes and the counts of an unbroken run."""
    whole, out = tmp_path / "whole.sdf", tmp_path / "out.sdf"
    options = ["-n", "130", "--steps", "4", f"--{given}", "C3H4O" if given == "formula" else str(piece)]
    assert run(bondflow_checkpoint, "-o", whole, *options).exit_code == 0
    command = [sys.executable, "-c", STOP_AFTER_A_CHUNK, "sample", bondflow_checkpoint, "-o", out, *options]
    stopped = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=os.environ, timeout=120)
    assert stopped.returncode == 130, stopped.stderr
    assert sidecar(out)["chunks_done"] == 1
    assert run(bondflow_checkpoint, "-o", out, "--batch-size", 10, *options).exit_code == 0
    assert sidecar(out)["counts"] == sidecar(whole)["counts"]
    assert [s.numbers.tolist() for s in io.read(out)] == [s.numbers.tolist() for s in io.read(whole)]
    assert run(bondflow_checkpoint, "-o", tmp_path / "again.sdf", *options).exit_code == 0
    assert (tmp_path / "again.sdf").read_bytes() == whole.read_bytes()


def test_settings_by_name(bondflow_checkpoint, tmp_path):  # noqa: F811
    out = tmp_path / "out.sdf"
    command = (bondflow_checkpoint, "-n", 30, "-o", out, *STEPS)
    done = run(*command, "--set", "temperature=2", "--set", "category_noise=2")
    assert done.exit_code == 0, done.stderr
    options = sidecar(out)["settings"]["options"]
    assert options.items() >= {"category_noise": 2.0, "temperature": 2.0}.items()
    assert set(options) == set(Settings.of(molgen.load(bondflow_checkpoint).model).options)
    made = molgen.load(bondflow_checkpoint).sample(30, steps=4, options={"temperature": 2, "category_noise": 2})
    assert [s.bonds.tolist() for s in io.read(out)] == [s.bonds.tolist() for s in made]
    refused = run(*command)
    assert refused.exit_code == 6
    assert "options is" in refused.stderr
    before = [s.positions.tolist() for s in io.read(out)]
    assert run(*command, "--overwrite").exit_code == 0
    assert [s.positions.tolist() for s in io.read(out)] != before


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--formula", "CH4", "--fragment", "piece.sdf"], 2, "exclude each other"),
        (["--formula", "CH4", "--atoms", "5"], 2, "a number of atoms has no place"),
        (["--formula", "CH4", "--num-formula-units", "2"], 3, "molecules have no formula units"),
        (["--num-formula-units", "2"], 2, "needs a formula"),
        (["--chemical-system", "C-H"], 2, "cannot be given a chemical system"),
        (["--formula", "CH4", "--targets", "embedded:test"], 2, "formula and targets exclude each other"),
        (["-k", "2"], 2, "none are given"),
        (["--symmetrise", "0.1"], 2, "this model makes molecules"),
        (["--symmetrise", "-1"], 3, "cannot be used"),
        (["--fragment-atoms", "1"], 2, "none is given"),
        (["--formula", "CH4Xy"], 3, "'Xy' is not an element"),
        (["--formula", "CH3Cl"], 3, "does not know Cl"),
        (["--formula", "C10H22"], 3, "have 2 to 9"),
        (["--formula", "CH8"], 3, "no molecule in one piece is CH8"),
        (["--formula", "C2(H3"], 3, "not a chemical formula"),
        (["--fragment", "none.sdf"], 4, "none.sdf"),
        (["--fragment", "bad.sdf"], 3, "bad.sdf"),
        (["--fragment", "piece.xyz"], 3, "states no bonds"),
        (["--fragment", "large.sdf"], 3, "the largest molecule that the model was trained on has 9"),
        (["--fragment", "sulfur.sdf"], 3, "the elements S; the model knows H, C, N, O"),
        (["--fragment", "piece.sdf", "--fragment-atoms", "0,7"], 3, "there is no atom 7"),
        (["--fragment", "piece.sdf", "--fragment-atoms", "x"], 3, "not a list of atoms"),
        (["--fragment", "piece.sdf", "--atoms", "3-6"], 3, "the fragment alone has 3 atoms"),
        (["--fragment", "piece.sdf", "--atoms", "20"], 3, "4 to 9 atoms"),
        (["--set", "temprature=1"], 3, "did you mean temperature?"),
        (["--set", "temperature"], 3, "is not a setting"),
        (["--set", "temperature=warm"], 3, "option temperature"),
        (["--set", "steps=5"], 3, "an argument of its own"),
    ],
)
def test_wrong_requests(bondflow_checkpoint, tmp_path, monkeypatch, options, code, message):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    io.write("piece.sdf", PIECE)
    io.write("piece.xyz", PIECE)
    io.write("sulfur.sdf", PIECE.replace(numbers=[6, 16, 6]))
    chain = np.zeros((12, 3))
    chain[:, 0] = 1.5 * np.arange(12)
    io.write("large.sdf", Structure(numbers=[6] * 12, positions=chain, bonds=[[k, k + 1, 1] for k in range(11)]))
    (tmp_path / "bad.sdf").write_text("nothing\n")
    done = run(bondflow_checkpoint, "-n", 3, "-o", "out.sdf", *options, *STEPS)
    assert done.exit_code == code, done.stderr
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert not list(tmp_path.glob("out*"))


def test_a_model_that_cannot_says_which_can(checkpoint, tmp_path, piece):  # noqa: F811
    for options in (["--formula", "CO2"], ["--fragment", piece]):
        done = run(checkpoint, "-n", 3, "-o", tmp_path / "out.sdf", *options, *STEPS)
        assert done.exit_code == 2
        assert "models that can: bondflow" in " ".join(done.stderr.replace("│", " ").split())
    done = run(checkpoint, "-n", 3, "-o", tmp_path / "out.sdf", "--set", "temperature=1", *STEPS)
    assert done.exit_code == 3
    assert "edm has no option of sampling" in done.stderr


def test_other_compositions_would_be_rejected_and_counted(bondflow_checkpoint, tmp_path, monkeypatch):  # noqa: F811
    from molgen.sampling.compositions import Compositions

    asked = []

    def problem(self, structure, item=0):
        asked.append(item)
        return "other composition: CH for CO" if len(asked) == 2 else ""

    monkeypatch.setattr(Compositions, "problem", problem)
    out = tmp_path / "out.sdf"
    done = run(bondflow_checkpoint, "-n", 3, "-o", out, "--formula", "C3H4O", *STEPS)
    assert done.exit_code == 5
    assert "1 x other composition (number 1: other composition: CH for CO)" in done.stderr
    assert "2 of 3 molecules could be written" in done.stderr
    state = sidecar(out)
    reason = {"count": 1, "request": True, "first": "number 1: other composition: CH for CO"}
    assert state["rejected"] == {"other composition": reason}
    assert [s.name for s in io.read(out)] == ["0", "2"]


def test_predicted_isomers_of_a_files_molecules(bondflow_checkpoint, tmp_path):  # noqa: F811
    """Targets are crystals' in the first place; a model of molecules can do them, too."""
    molecules = [Structure(numbers=[6, 8], positions=[[0, 0, 0], [1.1, 0, 0]], name="CO"), PIECE]
    io.write(tmp_path / "targets.sdf", molecules)
    out = tmp_path / "out.extxyz"
    done = run(bondflow_checkpoint, "--targets", tmp_path / "targets.sdf", "-k", 2, "-o", out, *STEPS)
    assert done.exit_code == 0, done.stderr
    made = [(s.properties["target"], s.properties["sample"], s.numbers.tolist()) for s in io.read(out)]
    expected = [("CO", 0, [6, 8]), ("CO", 1, [6, 8]), ("#1", 0, [6, 6, 8]), ("#1", 1, [6, 6, 8])]
    assert made == expected
