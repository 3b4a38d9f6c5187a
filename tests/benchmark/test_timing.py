"""Timing in turn: order, the two clocks, memory."""

import os
import sys
import time
from pathlib import Path

import pytest

from molgen.benchmark.timing import Timing, peak_memory, time_in_turn


def busy(seconds):
    """Compute for so many CPU-seconds."""
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


def test_everything_once_before_anything_again():
    order, told = [], []
    functions = [lambda: order.append("a"), lambda: order.append("b"), lambda: order.append("c")]
    timings = time_in_turn(functions, 2, progress=lambda done, total: told.append((done, total)))
    assert order == list("abcabc")
    assert told == [(k, 6) for k in range(1, 7)]
    assert [(len(t.wall), len(t.cpu)) for t in timings] == [(2, 2)] * 3


def test_the_clocks():
    idle, worked = time_in_turn([lambda: time.sleep(0.05), lambda: busy(0.05)], 3)
    assert min(idle.wall) >= 0.05
    assert max(idle.cpu) < 0.03
    assert min(worked.cpu) >= 0.05
    assert min(worked.wall) >= 0.95 * min(worked.cpu)


def test_medians():
    timing = Timing(wall=(1.0, 9.0, 2.0), cpu=(0.5, 0.25, 4.0))
    assert (timing.median_wall, timing.median_cpu) == (2.0, 0.5)


def test_peak_memory():
    """Between what this process holds now (which the system counts with a lag) and what the machine has."""
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    page = os.sysconf("SC_PAGE_SIZE")
    held = int(Path("/proc/self/statm").read_text().split()[1]) * page
    assert 0.9 * held <= peak_memory("cpu") <= page * os.sysconf("SC_PHYS_PAGES")
