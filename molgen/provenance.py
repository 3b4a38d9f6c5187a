"""Facts that every result carries: machine, versions, the exact file it came from."""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path

from molgen.errors import InputError


def hardware(device: str = "cpu") -> str:
    """Name of the processor or graphics card that ``device`` (``cpu``, ``cuda``, ``cuda:1``) stands for."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


def versions() -> dict[str, str]:
    """Versions of what computes."""
    import numpy
    import torch

    import molgen

    return {
        "molgen": molgen.__version__,
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
