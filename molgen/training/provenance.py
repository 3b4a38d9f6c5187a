"""What made a checkpoint: code, data, seed, machine."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from molgen.provenance import hardware, versions
from molgen.training.data import TrainingSet


def provenance(dataset: TrainingSet, seed: int, precision: str, *, on_gpu: bool) -> dict[str, Any]:
    """Facts about a training run that starts now, for the checkpoint's metadata."""
    return {
        "dataset": dataset.name,
        "dataset_fingerprint": dataset.fingerprint,
        "training_structures": len(dataset.indices("train")),
        "seed": seed,
        "precision": precision,
        "git_commit": _git_commit(),
        "hardware": hardware("cuda" if on_gpu else "cpu"),
        **versions(),
    }


def _git_commit() -> str:
    """Commit of the source tree that molgen runs from, or an empty string when it is not one."""
    folder = Path(__file__).parent
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
