"""Bad controls of crystals: real ones spoilt on purpose, which a metric worth printing tells from real ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from molgen.structure import Structure

SEED = 20211


def uniform_coordinates(crystals: Sequence[Structure], start: int = 0) -> list[Structure]:
    """The crystals with every atom at a place drawn uniformly in its cell.

    Args:
        crystals: Structures with a lattice.
        start: Number of the first of them in a longer sequence, so that parts give what the whole would.
    """
    moved = []
    for number, crystal in enumerate(crystals, start):
        fractional = np.random.default_rng([SEED, number]).uniform(size=crystal.positions.shape)
        assert crystal.lattice is not None
        moved.append(crystal.replace(positions=fractional @ crystal.lattice))
    return moved


def shuffled_elements(crystals: Sequence[Structure], start: int = 0) -> list[Structure]:
    """The crystals with the elements of all their atoms permuted among all of them.

    Args:
        crystals: Structures; what is permuted depends on which they are.
        start: Number of the first of them in a longer sequence; it seeds the permutation.
    """
    if not crystals:
        return []
    every = np.concatenate([crystal.numbers for crystal in crystals])
    np.random.default_rng([SEED, start, 1]).shuffle(every)
    parts = np.split(every, np.cumsum([len(crystal) for crystal in crystals])[:-1])
    return [crystal.replace(numbers=part) for crystal, part in zip(crystals, parts, strict=True)]


CONTROLS = {"uniform_coordinates": uniform_coordinates, "shuffled_elements": shuffled_elements}
"""Name -> what spoils several crystals at once."""
