"""Bad copies of real crystals, to be scored beside samples: atoms anywhere, elements shuffled, atoms moved a little.

    python scripts/crystal_controls.py mp20:test out/ --most 1000
    molgen score out/uniform_coordinates.extxyz --protocol cdvae-2021,strict,symmetry

Names are kept, so that `--protocol match --targets mp20:test` scores the moved ones as predictions.
"""

import argparse
from itertools import islice
from pathlib import Path

import numpy as np

from molgen import io
from molgen.datasets.find import open_structures
from molgen.scoring.controls import CONTROLS, SEED
from molgen.structure import Structure

MOVED = 0.1
"""Standard deviation in angstrom of every coordinate of the moved copies."""


def moved(crystals: list[Structure]) -> list[Structure]:
    """The crystals with normal noise on every coordinate."""
    rng = np.random.default_rng(SEED)
    return [c.replace(positions=c.positions + rng.normal(0, MOVED, c.positions.shape)) for c in crystals]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", help="data set, split or file")
    parser.add_argument("out", type=Path, help="folder for the files")
    parser.add_argument("--most", type=int, default=None, help="only the first so many crystals")
    settings = parser.parse_args()
    settings.out.mkdir(parents=True, exist_ok=True)
    crystals = [c.replace(properties={}) for c in islice(open_structures(settings.spec), settings.most)]
    for name, spoil in {"real": list, **CONTROLS, "moved": moved}.items():
        path = settings.out / f"{name}.extxyz"
        io.write(path, spoil(crystals))
        print(f"{path}: {len(crystals):,} crystals")


if __name__ == "__main__":
    main()
