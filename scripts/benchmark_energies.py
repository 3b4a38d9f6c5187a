"""Processor seconds for a static CHGNet energy: in batches, as for hulls, and through CHGNet's ASE interface.

OMP_NUM_THREADS=1 python scripts/benchmark_energies.py t400.extxyz -n 200

The ASE interface computes forces and stress, too, whether they are asked for or not.
"""

import argparse
import time
from itertools import islice

import torch

import molgen
from molgen import io
from molgen.chemistry.crystal_relaxation import static_energies
from molgen.scoring.hull_building import crystal_potential

WARM_UP = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crystals")
    parser.add_argument("-n", type=int, default=200, help="only the first so many crystals")
    given = parser.parse_args()
    from chgnet.model.dynamics import CHGNetCalculator

    torch.set_num_threads(1)
    crystals = list(islice(io.read(given.crystals), given.n))
    potential, calculator = crystal_potential("chgnet"), CHGNetCalculator(use_device="cpu")
    potential.load()

    def alone(crystal: molgen.Structure) -> float:
        atoms = molgen.to_ase([crystal])[0]
        atoms.calc = calculator
        return float(atoms.get_potential_energy()) / len(crystal)

    ways = {"in batches": lambda some: static_energies(some, potential), "ASE": lambda some: [*map(alone, some)]}
    made, costs = {}, {}
    for name, evaluate in ways.items():
        evaluate(crystals[:WARM_UP])
        began = time.process_time()
        made[name] = evaluate(crystals)
        costs[name] = (time.process_time() - began) / len(crystals)
        print(f"{name}: {costs[name]:.4f} CPU-seconds per crystal")
    apart = max(abs(a - b) for a, b in zip(*made.values(), strict=True))
    print(f"ratio {costs['ASE'] / costs['in batches']:.1f}; energies differ by {apart:.1e} eV/atom at most")


if __name__ == "__main__":
    main()
