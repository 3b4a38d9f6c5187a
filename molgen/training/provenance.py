"""What made a checkpoint: code, data, seed, machine."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

import molgen
from molgen.datasets.packed import PackedDataset


def provenance(dataset: PackedDataset, seed: int, precision: str) -> dict[str, Any]:
    """Facts about a training run that starts now, for the checkpoint's metadata."""
    return {
        "dataset": dataset.name,
        "dataset_fingerprint": dataset.fingerprint,
        "training_structures": len(dataset.indices("train")),
        "seed": seed,
        "precision": precision,
        "molgen": molgen.__version__,
        "git_commit": _git_commit(),
        "torch": torch.__version__,
        "hardware": torch.cuda.get_device_name() if torch.cuda.is_available() else _cpu_name(),
    }


def _git_commit() -> str:
    """Commit of the source tree that molgen runs from, or an empty string when it is not one."""
    folder = Path(__file__).parent
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()
