"""The tables of the documents say what the published checkpoints carry: no number is typed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_tables_are_those_of_the_checkpoints():
    command = [sys.executable, "scripts/bondflow_tables.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}python scripts/bondflow_tables.py fills them"
