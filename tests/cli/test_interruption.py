"""SIGTERM ends the commands that work for hours as Ctrl-C does: with what they have, and exit code 130."""

import os
import signal

import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.cli.app import app
from molgen.sampling.output import SampleFile
from molgen.scoring import records
from molgen.scoring.relaxed_file import RelaxedFile
from molgen.scoring.rows_file import RowsFile
from tests.sampling.conftest import tiny_bondflow_checkpoint
from tests.scoring.molecules import METHANE


@pytest.fixture
def bare_sigterm():
    """SIGTERM as it is before a command changes it, but that the tests would survive it."""

    def unhandled(number, frame):
        raise AssertionError("no command took care of SIGTERM")

    before = signal.signal(signal.SIGTERM, unhandled)
    yield
    signal.signal(signal.SIGTERM, before)


def test_sigterm_ends_sampling_as_ctrl_c_does(bare_sigterm, tmp_path, monkeypatch):
    weights = tiny_bondflow_checkpoint().save(tmp_path / "model").parent
    add = SampleFile.add

    def terminated(self, *arguments):
        add(self, *arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(SampleFile, "add", terminated)
    out = tmp_path / "out.sdf"
    done = CliRunner().invoke(app, ["sample", str(weights), "-n", "130", "--steps", "2", "--out", str(out)])
    assert done.exit_code == 130, done.exception
    assert "64 molecules are kept" in done.stderr
    assert len(list(io.read(out))) == 64


@pytest.mark.parametrize(("command", "owner", "name"), [("score", RowsFile, "write"), ("relax", RelaxedFile, "add")])
def test_sigterm_ends_as_ctrl_c_does(bare_sigterm, tmp_path, monkeypatch, command, owner, name):
    io.write(tmp_path / "in.sdf", [METHANE] * 3)
    out = tmp_path / ("out.csv" if command == "score" else "out.sdf")
    original = getattr(owner, name)
    calls = []

    def terminated(self, written):
        original(self, written)
        calls.append(written)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(records, "CHUNK_STRUCTURES", 1)
    monkeypatch.setattr(owner, name, terminated)
    done = CliRunner().invoke(app, [command, str(tmp_path / "in.sdf"), "--out", str(out)])
    assert done.exit_code == 130, done.exception
    assert "interrupted" in done.stderr
    assert "are kept" in done.stderr
