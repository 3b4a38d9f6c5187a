"""Timing several pieces of work in turn, so that a busy moment of the machine falls on all of them alike."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Work:
    """Something that can be done again and again.

    Attributes:
        run: Does it once; what it returns is dropped.
        molecules: Molecules that one run makes or learns from.
        calls: Network calls per molecule.
        flop: Floating-point operations of the matrix products of one run; 0 if not counted.
        labels: What tells it apart, for reports.
    """

    run: Callable[[], object]
    molecules: int
    calls: float
    flop: float = 0.0
    labels: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Timing:
    """Seconds of each repeat of one piece of work.

    Attributes:
        wall: By the clock on the wall.
        cpu: Of all processor cores together, which other programs disturb less.
    """

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def median_wall(self) -> float:
        return statistics.median(self.wall)

    @property
    def median_cpu(self) -> float:
        return statistics.median(self.cpu)


def time_in_turn(
    functions: Sequence[Callable[[], object]],
    repeats: int,
    device: str = "cpu",
    progress: Progress = lambda done, total: None,
    cpu_clock: Callable[[], float] = time.process_time,
) -> list[Timing]:
    """Time every function ``repeats`` times, all of them once before any of them again.

    The caller runs each once beforehand if the first run is not like the others.

    Args:
        functions: What to time.
        repeats: How often.
        device: Where the work is done; a graphics card is waited for before the clocks are read.
        progress: Called with (runs done, all).
        cpu_clock: CPU-seconds used so far; by default by this process.
    """
    wall: list[list[float]] = [[] for _ in functions]
    cpu: list[list[float]] = [[] for _ in functions]
    for repeat in range(repeats):
        for index, function in enumerate(functions):
            _wait_for(device)
            began, began_cpu = time.perf_counter(), cpu_clock()
            function()
            _wait_for(device)
            wall[index].append(time.perf_counter() - began)
            cpu[index].append(cpu_clock() - began_cpu)
            progress(repeat * len(functions) + index + 1, repeats * len(functions))
    return [Timing(tuple(w), tuple(c)) for w, c in zip(wall, cpu, strict=True)]


def _wait_for(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def peak_memory(device: str) -> int | None:
    """Most memory in bytes that this process has held on ``device``: resident, or allocated by torch on a GPU.

    Returns:
        None where the system does not tell.
    """
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # not a POSIX system
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
