"""Time `molgen score --protocol edm` on one core, reading included.

    OMP_NUM_THREADS=1 python scripts/benchmark_scoring.py qm9:test -n 10000

The structures are written to an SDF and an extended XYZ file first, so that what is timed is what a user does with
sampled molecules. With --jitter 0.05 the coordinates are disturbed as in a half-trained model's samples.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from molgen import io
from molgen.chemistry.bonds import find_bonds, perceive_bonds
from molgen.datasets.find import open_structures
from molgen.scoring import score


def timed(label: str, count: int, function: Callable[[], Any]) -> Any:
    """Run once, print wall and processor seconds, return the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{label:<42} {wall:7.2f} s wall  {cpu:7.2f} s cpu  {count / wall:9,.0f} molecules/s")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="data set or file to take structures from, for example qm9:test")
    parser.add_argument("-n", type=int, default=10_000, help="number of structures")
    parser.add_argument("--jitter", type=float, default=0.0, help="standard deviation of the disturbance, angstrom")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    structures = [
        s.replace(positions=s.positions + arguments.jitter * rng.normal(size=s.positions.shape))
        for s in islice(open_structures(arguments.source), arguments.n)
    ]
    count = len(structures)
    sizes = np.array([len(s) for s in structures])
    print(f"{count:,} structures, {sizes.mean():.1f} atoms on average, jitter {arguments.jitter} angstrom")
    numbers, positions = (np.concatenate([getattr(s, k) for s in structures]) for k in ("numbers", "positions"))
    timed("bond lookup alone", count, lambda: find_bonds(numbers, positions, sizes))
    summary, _ = timed("scoring, structures in memory", count, lambda: score_edm(structures))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("out.sdf", "out.extxyz"):
            path = Path(folder) / name
            io.write(path, map(perceive_bonds, structures))
            timed(f"reading and scoring {name}", count, lambda path=path: score(path))
    print(summary.to_text())


if __name__ == "__main__":
    main()
