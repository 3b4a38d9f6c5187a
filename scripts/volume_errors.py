"""How far the volumes of predicted crystals are from their targets', which StructureMatcher scales away.

python scripts/volume_errors.py targets.extxyz predicted.extxyz controls/substituted.extxyz
"""

import argparse

import numpy as np

from molgen import io
from molgen.sampling.targets import TARGET
from molgen.structure import Structure


def volume(crystal: Structure) -> float:
    """In cubic angstrom."""
    return abs(float(np.linalg.det(crystal.lattice)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", help="file with the known crystals")
    parser.add_argument("predicted", nargs="+", help="files whose crystals name their target, or are called like it")
    settings = parser.parse_args()
    known = {crystal.name: volume(crystal) for crystal in io.read(settings.targets)}
    for path in settings.predicted:
        ratios = [volume(one) / known[str(one.properties.get(TARGET, one.name))] for one in io.read(path)]
        median, tenth = np.quantile(np.abs(np.log(ratios)), [0.5, 0.9])
        print(f"{path}: {len(ratios):,} crystals, |log of the volumes' ratio| {median:.3f}, worst tenth {tenth:.3f}")


if __name__ == "__main__":
    main()
