"""A random part of a structure file or data set, in its order.

python scripts/draw_structures.py qm9:test -n 2000 -o part.extxyz
"""

import argparse

import numpy as np

from molgen import io
from molgen.datasets.find import open_structures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="data set or file")
    parser.add_argument("-n", type=int, required=True, help="number of structures")
    parser.add_argument("--seed", type=int, default=0, help="of the choice")
    parser.add_argument("-o", "--out", required=True, help="structure file")
    arguments = parser.parse_args()
    total = sum(1 for _ in open_structures(arguments.source))
    rng = np.random.default_rng(arguments.seed)
    chosen = set(rng.choice(total, min(arguments.n, total), replace=False).tolist())
    io.write(arguments.out, (s for k, s in enumerate(open_structures(arguments.source)) if k in chosen))


if __name__ == "__main__":
    main()
