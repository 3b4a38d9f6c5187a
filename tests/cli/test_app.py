"""What all commands share: output that cannot be written."""

import os
import subprocess
import sys

import pytest

PROGRAM = "import sys; sys.argv[0] = 'molgen'; from molgen.cli.app import main; main()"


def run(arguments, **streams):
    return subprocess.run([sys.executable, "-c", PROGRAM, *arguments], stderr=subprocess.PIPE, text=True, **streams)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["models"], ["models", "--json"], ["data", "list"], ["--help"], ["info", "-h"]])
def test_full_standard_output(arguments):
    with open("/dev/full", "w") as full:
        done = run(arguments, stdout=full)
    assert done.returncode == 6
    assert done.stderr.startswith("error: no space left on the disk while writing the standard output\n  cure: ")
    assert len(done.stderr.splitlines()) == 2


def test_reader_that_leaves_is_no_error_worth_a_sentence():
    read, write = os.pipe()
    os.close(read)
    done = run(["models"], stdout=write)
    os.close(write)
    assert done.stderr == ""


def test_other_failures_of_the_system_are_not_called_a_full_disk(monkeypatch):
    from molgen.cli import app

    def fail():
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr(app, "app", fail)
    with pytest.raises(PermissionError):
        app.main()
