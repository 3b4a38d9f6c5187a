"""`molgen sample` as a user runs it: files, sidecar, continuing, trajectory, exit codes."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import molgen
from molgen import io
from molgen.checkpoint import Checkpoint
from molgen.cli.app import app
from tests.sampling.conftest import checkpoint, tiny_checkpoint  # noqa: F401 - a fixture

STEPS = ["--steps", 4]


def run(*arguments):
    return CliRunner().invoke(app, ["sample", *map(str, arguments)])


def test_sdf_with_bonds_and_sidecar(checkpoint, tmp_path):  # noqa: F811
    out = tmp_path / "samples" / "out.sdf"
    done = run(checkpoint, "-n", 100, "-o", out, "--seed", 7, *STEPS)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert f"molgen score {out}" in done.stderr
    structures = list(io.read(out))
    assert [s.name for s in structures] == [str(k) for k in range(100)]
    assert all(s.bonds is not None for s in structures)
    assert {z for s in structures for z in s.numbers.tolist()} <= {1, 6, 8}
    assert {len(s) for s in structures} <= {2, 3, 4, 5, 6, 7}
    side = json.loads((out.parent / "out.sdf.json").read_text())
    assert side["complete"] is True
    assert (side["written"], side["chunks_done"], side["bytes"]) == (100, 2, out.stat().st_size)
    assert side["settings"] | {"checkpoint_sha256": ""} == {
        "checkpoint_sha256": "",
        "n": 100,
        "seed": 7,
        "steps": 4,
        "solver": "ancestral",
        "precision": "32",
        "atoms": None,
        "options": None,
        "spacing": 1.0,
        "trajectory": None,
        "trajectory_every": None,
        "device": "cpu",
    }
    facts = side["provenance"]
    assert (facts["model"], facts["checkpoint"]) == ("edm", str(checkpoint / "model.safetensors"))
    assert facts["versions"]["molgen"] == molgen.__version__
    assert facts["hardware"]
    assert side["molecules_per_second"] > 0


def test_same_as_python(checkpoint, tmp_path):  # noqa: F811
    out = tmp_path / "out.extxyz"
    assert run(checkpoint, "-n", 70, "-o", out, "--seed", 3, "--solver", "dpm", *STEPS).exit_code == 0
    made = molgen.load(checkpoint).sample(70, seed=3, steps=4, solver="dpm", batch_size=20)
    for a, b in zip(io.read(out), made, strict=True):
        assert (a.name, a.numbers.tolist()) == (b.name, b.numbers.tolist())
        np.testing.assert_allclose(a.positions, b.positions, atol=1e-3, rtol=1e-4)


def test_default_steps_are_the_models(checkpoint, tmp_path, monkeypatch):  # noqa: F811
    seen = []
    fake = lambda steps, spacing: seen.append(steps) or torch.ones(2)  # noqa: E731
    monkeypatch.setattr("molgen.sampling.settings.time_grid", fake)
    run(checkpoint, "-n", 1, "-o", tmp_path / "out.xyz")
    assert set(seen) == {1000}


def test_complete_file_is_left_alone(checkpoint, tmp_path):  # noqa: F811
    out = tmp_path / "out.sdf"
    command = (checkpoint, "-n", 10, "-o", out, *STEPS)
    assert run(*command).exit_code == 0
    before = out.read_bytes()
    again = run(*command)
    assert again.exit_code == 0
    assert "continuing" in again.stderr
    assert out.read_bytes() == before


def test_other_settings_need_overwrite(checkpoint, tmp_path):  # noqa: F811
    out = tmp_path / "out.sdf"
    assert run(checkpoint, "-n", 10, "-o", out, *STEPS).exit_code == 0
    before = out.read_bytes()
    refused = run(checkpoint, "-n", 10, "-o", out, "--steps", 5)
    assert refused.exit_code == 6
    assert "steps is 4 there and 5 here" in refused.stderr
    assert "--overwrite" in refused.stderr
    assert out.read_bytes() == before
    assert run(checkpoint, "-n", 10, "-o", out, "--steps", 5, "--overwrite").exit_code == 0
    assert out.read_bytes() != before


def test_other_weights_are_other_settings(checkpoint, tmp_path):  # noqa: F811
    out = tmp_path / "out.sdf"
    assert run(checkpoint, "-n", 10, "-o", out, *STEPS).exit_code == 0
    tiny_checkpoint(seed=1).save(checkpoint)
    refused = run(checkpoint, "-n", 10, "-o", out, *STEPS)
    assert refused.exit_code == 6
    assert "checkpoint_sha256" in refused.stderr


STOP_AFTER_A_CHUNK = """
import os, signal
from molgen.sampling.output import SampleFile
add = SampleFile.add
def add_and_press_ctrl_c(self, *arguments):
    add(self, *arguments)
    os.kill(os.getpid(), signal.SIGINT)
SampleFile.add = add_and_press_ctrl_c
from molgen.cli.app import main
main()
"""
"""The program, whose user presses Ctrl-C the moment the first chunk is in the file, however fast the machine is."""


def test_interrupt_and_continue(checkpoint, tmp_path):  # noqa: F811
    """A real Ctrl-C in a real process: exit code 130, a valid file, and in the end the bytes of an unbroken run."""
    whole, out = tmp_path / "whole.sdf", tmp_path / "out.sdf"
    options = ["-n", "200", "--steps", "100"]
    assert run(checkpoint, "-o", whole, *options).exit_code == 0
    sidecar = tmp_path / "out.sdf.json"
    command = [sys.executable, "-c", STOP_AFTER_A_CHUNK, "sample", checkpoint, "-o", out, *options]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True, env=os.environ)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "molecules are kept" in stderr
    state = json.loads(sidecar.read_text())
    assert 1 <= state["chunks_done"] < state["chunks"] == 4
    assert len(list(io.read(out))) >= 64
    assert run(checkpoint, "-o", out, *options).exit_code == 0
    assert out.read_bytes() == whole.read_bytes()


def test_molecules_that_are_not_finite(checkpoint, tmp_path, monkeypatch):  # noqa: F811
    from molgen.denoiser import NoiseDenoiser

    forward = NoiseDenoiser.forward

    def poisoned(self, z, t, mask):
        result = forward(self, z, t, mask)
        return torch.where((torch.arange(len(z)) == 2)[:, None, None], torch.nan, result)

    monkeypatch.setattr(NoiseDenoiser, "forward", poisoned)
    out = tmp_path / "out.sdf"
    path = tmp_path / "path.extxyz"
    done = run(checkpoint, "-n", 70, "-o", out, "--trajectory", path, *STEPS)
    assert done.exit_code == 5
    assert "2 of 70 molecules have coordinates that are not finite" in done.stderr
    assert "1 frames are not finite" in done.stderr
    state = json.loads((tmp_path / "out.sdf.json").read_text())
    assert (state["written"], state["complete"]) == (68, True)
    assert [(lost["chunk"], lost["row"]) for lost in state["not_finite"]] == [(0, 2), (1, 2)]
    lost = {str(one["index"]) for one in state["not_finite"]}
    assert {s.name for s in io.read(out)} == {str(k) for k in range(70)} - lost
    assert run(checkpoint, "-n", 70, "-o", out, "--trajectory", path, *STEPS).exit_code == 5


def test_trajectory(checkpoint, tmp_path):  # noqa: F811
    out, path = tmp_path / "out.extxyz", tmp_path / "path.extxyz"
    options = ["--steps", 10, "--trajectory", path, "--trajectory-every", 4]
    assert run(checkpoint, "-n", 30, "-o", out, *options).exit_code == 0
    frames, final = list(io.read(path)), list(io.read(out))
    assert [(f.name, f.properties["step"]) for f in frames] == [(str(k), s) for k in range(4) for s in (0, 4, 8, 10)]
    assert [f.properties["t"] for f in frames[:4]] == pytest.approx([1.0, 0.6, 0.2, 0.0])
    for k in range(4):
        assert len(frames[4 * k]) == len(final[k])
        assert frames[4 * k + 3].numbers.tolist() == final[k].numbers.tolist()
        np.testing.assert_allclose(frames[4 * k + 3].positions, final[k].positions, atol=0.1)


def test_trajectory_of_somebody_else_is_kept(checkpoint, tmp_path):  # noqa: F811
    out, path = tmp_path / "out.sdf", tmp_path / "path.extxyz"
    path.write_text("precious\n")
    command = (checkpoint, "-n", 5, "-o", out, "--trajectory", path, *STEPS)
    refused = run(*command)
    assert refused.exit_code == 6
    assert f"{path} exists already" in refused.stderr
    assert "--overwrite" in refused.stderr
    assert path.read_text() == "precious\n"
    assert not out.exists()
    assert run(*command, "--overwrite").exit_code == 0
    assert len(list(io.read(path))) == 4 * 2
    again = run(*command)  # the same command continues, and there is nothing left to do
    assert again.exit_code == 0, again.stderr


def test_atoms(checkpoint, tmp_path):  # noqa: F811
    out = tmp_path / "out.xyz"
    assert run(checkpoint, "-n", 20, "-o", out, "--atoms", "3-4", *STEPS).exit_code == 0
    assert {len(s) for s in io.read(out)} == {3, 4}
    refused = run(checkpoint, "-n", 20, "-o", tmp_path / "b.xyz", "--atoms", "30", *STEPS)
    assert refused.exit_code == 3
    assert "2 to 7 atoms" in refused.stderr
    assert run(checkpoint, "-n", 20, "-o", tmp_path / "b.xyz", "--atoms", "a", *STEPS).exit_code == 3


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["-o", "out.cif"], 3, "cannot be written in this format"),
        (["-o", "out.abc"], 3, "does not say a known format"),
        (["-o", "out.sdf", "--solver", "euler"], 3, "unknown solver"),
        (["-o", "out.sdf", "--precision", "8"], 3, "unknown precision"),
        (["-o", "out.sdf", "--spacing", "0"], 3, "a spacing of 0"),
        (["-o", "out.sdf", "--device", "tpu"], 3, "unknown device"),
        (["-o", "out.sdf", "--device", "cuda:77"], 4, "no device cuda:77"),
        (["-o", "out.sdf", "--trajectory", "path.pdb"], 3, "--trajectory"),
        (["-o", "out.sdf", "-n", "0"], 2, "-n"),
        ([], 2, "--out"),
    ],
)
def test_wrong_options(checkpoint, tmp_path, monkeypatch, options, code, message):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    done = run(checkpoint, *options)
    assert done.exit_code == code
    assert message in done.stderr
    assert not list(tmp_path.glob("out*"))


def test_missing_and_damaged_checkpoints(checkpoint, tmp_path):  # noqa: F811
    out = tmp_path / "out.sdf"
    missing = run(tmp_path / "nothing", "-o", out)
    assert missing.exit_code == 4
    assert "molgen models" in missing.stderr
    weights = checkpoint / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    damaged = run(checkpoint, "-o", out)
    assert damaged.exit_code == 3
    assert "damaged" in damaged.stderr
    one = Checkpoint.load(tiny_checkpoint().save(tmp_path / "nan"))
    one.weights = {name: torch.full_like(weight, torch.nan) for name, weight in one.weights.items()}
    one.save(tmp_path / "nan")
    not_finite = run(tmp_path / "nan", "-o", out)
    assert not_finite.exit_code == 3
    assert "not finite" in not_finite.stderr
    assert not out.exists()


def test_a_full_disk(checkpoint, tmp_path):  # noqa: F811
    """A limit on the size of files stands in for the disk: the system refuses to write beyond it."""
    out = tmp_path / "out.xyz"
    limit = 30_000
    code = (
        f"import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "from molgen.cli.app import main; main()"
    )
    options = list(map(str, ["sample", checkpoint, "-n", 300, "-o", out, "--steps", 2]))
    done = subprocess.run([sys.executable, "-c", code, *options], capture_output=True, text=True, timeout=120)
    assert done.returncode == 6, done.stderr
    assert f"cannot write {out}" in done.stderr
    state = json.loads((tmp_path / "out.xyz.json").read_text())
    assert out.stat().st_size == state["bytes"]
    assert 0 < state["written"] < 300
    assert len(list(io.read(out))) == state["written"]
    assert run(checkpoint, "-n", 300, "-o", out, "--steps", 2).exit_code == 0
    assert len(list(io.read(out))) == 300


def test_without_chemistry_libraries(checkpoint, tmp_path):  # noqa: F811
    """Sampling to SDF and extxyz needs torch alone; Lightning, RDKit, ASE and pymatgen are not even looked for."""
    code = (
        "import sys\n"
        "for name in ('rdkit', 'ase', 'pymatgen', 'lightning'): sys.modules[name] = None\n"
        "from molgen.cli.app import main; main()"
    )
    for name in ("out.sdf", "out.extxyz"):
        options = list(map(str, ["sample", checkpoint, "-n", 3, "-o", tmp_path / name, "--steps", 2]))
        done = subprocess.run([sys.executable, "-c", code, *options], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert len(list(io.read(tmp_path / name))) == 3
