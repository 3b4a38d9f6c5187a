"""Bad copies of real crystals, to be scored beside samples: atoms anywhere, elements shuffled, atoms moved a little.

    python scripts/crystal_controls.py mp20:test out/ --most 1000 --known mp20:train
    molgen score out/uniform_coordinates.extxyz --protocol cdvae-2021,strict,symmetry
    molgen score out/substituted.extxyz --protocol match --targets mp20:test

Names are kept, so that `match` scores copies as predictions. With --known there is also what needs no model: for each
crystal the most similar known one with its elements exchanged, where one has the stoichiometry.
"""

import argparse
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from molgen import io
from molgen.datasets.find import open_structures, with_split
from molgen.sampling.prototypes import Prototypes
from molgen.scoring.controls import CONTROLS, SEED
from molgen.structure import Structure

MOVED = 0.1
"""Standard deviation in angstrom of every coordinate of the moved copies."""


def moved(crystals: list[Structure]) -> list[Structure]:
    """The crystals with normal noise on every coordinate."""
    rng = np.random.default_rng(SEED)
    return [c.replace(positions=c.positions + rng.normal(0, MOVED, c.positions.shape)) for c in crystals]


def substituted(crystals: list[Structure], known: str) -> list[Structure]:
    """What known crystals predict for the compositions, where they do."""
    prototypes = Prototypes(open_structures(with_split(known, "train")))
    predictions = ((crystal.name, prototypes.template(crystal.numbers.tolist())) for crystal in crystals)
    return [found.replace(name=name) for name, found in predictions if found is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", help="data set, split or file")
    parser.add_argument("out", type=Path, help="folder for the files")
    parser.add_argument("--most", type=int, default=None, help="only the first so many crystals")
    parser.add_argument("--known", help="data set, split or file whose crystals may be taken with other elements")
    settings = parser.parse_args()
    settings.out.mkdir(parents=True, exist_ok=True)
    crystals = [c.replace(properties={}) for c in islice(open_structures(settings.spec), settings.most)]
    copies: dict[str, Callable[[list[Structure]], list[Structure]]] = {"real": list, **CONTROLS, "moved": moved}
    if settings.known is not None:
        copies["substituted"] = partial(substituted, known=settings.known)
    for name, copy in copies.items():
        path, made = settings.out / f"{name}.extxyz", copy(crystals)
        io.write(path, made)
        print(f"{path}: {len(made):,} crystals")


if __name__ == "__main__":
    main()
