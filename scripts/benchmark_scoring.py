"""Molecules per second of every scoring protocol, for each number of worker processes.

    OMP_NUM_THREADS=1 python scripts/benchmark_scoring.py qm9:test -n 1000 --protocols edm,explicit --workers 1,2

Structures are in memory, processes are started before the clock runs. With --jitter 0.05 the coordinates are
disturbed as in a half-trained model's samples. With --reference qm9 the distributions are timed too, their reference
made before.
"""

import argparse
import time
from itertools import islice

import numpy as np

from molgen.datasets.find import open_structures
from molgen.scoring.protocols import PROTOCOLS
from molgen.scoring.records import Record
from molgen.scoring.session import Session, open_distributions


def measure(protocols: list[str], records: list[Record], workers: int, target: object = None) -> tuple[float, str]:
    """Wall seconds, and the failures in words."""
    list(Session(protocols, distributions=target).rows(records[: 2 * max(workers, 1)], workers=workers))
    session = Session(protocols, distributions=target)
    began = time.perf_counter()
    for _ in session.rows(records, workers=workers):
        pass
    seconds = time.perf_counter() - began
    failures = session.summary().to_dict()["protocols"][protocols[0]]["failures"]
    return seconds, ", ".join(f"{kind} {count}" for kind, count in failures.items()) or "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="data set or file to take structures from, for example qm9:test")
    parser.add_argument("-n", type=int, default=1000, help="number of structures")
    parser.add_argument("--protocols", default=",".join(PROTOCOLS), help="names, joined by commas")
    parser.add_argument("--workers", default="1,2", help="numbers of processes, joined by commas")
    parser.add_argument("--jitter", type=float, default=0.0, help="standard deviation of the disturbance, angstrom")
    parser.add_argument("--reference", help="data set whose distributions are compared with")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    records = [
        Record(s.replace(positions=s.positions + arguments.jitter * rng.normal(size=s.positions.shape)))
        for s in islice(open_structures(arguments.source), arguments.n)
    ]
    atoms = np.mean([len(record.item) for record in records])
    print(f"{len(records):,} structures, {atoms:.1f} atoms on average, jitter {arguments.jitter} angstrom")
    runs = [([name], name, None) for name in arguments.protocols.split(",")]
    if arguments.reference:
        target = open_distributions(arguments.reference, "auto", records[0].item)
        runs.append((["explicit"], "explicit + distributions", target))
    for protocols, label, target in runs:
        for workers in map(int, arguments.workers.split(",")):
            seconds, failures = measure(protocols, records, workers, target)
            rate = len(records) / seconds
            print(f"{label:<26} {workers} workers  {seconds:8.2f} s  {rate:9,.1f} molecules/s  failures: {failures}")


if __name__ == "__main__":
    main()
