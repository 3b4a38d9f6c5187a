"""Numbers of atoms: drawn from the training set's histogram, and cut into chunks of similar size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from molgen.errors import ConfigError

if TYPE_CHECKING:
    from molgen.sampling.conditions import Condition

CHUNK = 64
"""Structures that share one stream of random numbers and are written together."""
NEIGHBOURS = 4
"""Chunks of neighbouring sizes that stay beside each other, so that batches of up to 4 chunks need little padding."""
WINDOW = 32 * CHUNK
"""Structures that are sorted by size together."""

_SIZES, _ORDER, _NOISE = range(3)


@dataclass(frozen=True)
class Plan:
    """Which structures are made in which chunk; a pure function of histogram, count, seed and restriction.

    Attributes:
        seed: Of sizes, order and noise.
        chunks: Atom counts of each chunk's structures, ascending, each of shape ``(<= CHUNK,)``, in order of making.
        starts: Number of structures before each chunk, and in all at the end, shape ``(len(chunks) + 1,)``.
        condition: What every structure is given; None for nothing.
    """

    seed: int
    chunks: list[NDArray[np.int64]]
    starts: NDArray[np.int64]
    condition: Condition | None = None

    def __len__(self) -> int:
        return int(self.starts[-1])

    def noise_seed(self, chunk: int) -> int:
        """Seed of the chunk's own stream of random numbers."""
        return _stream(self.seed, _NOISE, chunk)


def parse_atoms(text: str) -> tuple[int, int]:
    """``"19"`` -> (19, 19) and ``"10-20"`` -> (10, 20).

    Raises:
        ConfigError: It is neither.
    """
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not 1 <= low <= high:
        raise ConfigError(f"{text!r} is not a number of atoms", hint="write 19, or a range such as 10-20")
    return low, high


def make_plan(histogram: Sequence[int], n: int, seed: int, atoms: tuple[int, int] | None = None) -> Plan:
    """Draw ``n`` atom counts and arrange them in chunks.

    Within windows of ``WINDOW`` the drawn counts are sorted and cut into chunks, and groups of ``NEIGHBOURS`` chunks
    are shuffled: a chunk is of nearly one size, while the order of making says nothing about size.

    Args:
        histogram: Number of training structures with k atoms at index k.
        n: Structures wanted.
        seed: Of the draw and the order.
        atoms: Smallest and largest count allowed; all that the histogram has if None.

    Raises:
        ConfigError: The histogram has nothing in the range.
    """
    weights = np.asarray(histogram, dtype=np.float64).copy()
    weights[:1] = 0
    present = np.flatnonzero(weights)
    if atoms is not None:
        index = np.arange(len(weights))
        weights[(index < atoms[0]) | (index > atoms[1])] = 0
    if not weights.any():
        wanted = "any atoms" if atoms is None else f"{atoms[0]} to {atoms[1]} atoms"
        has = f"{present[0]} to {present[-1]} atoms" if len(present) else "no structures"
        raise ConfigError(f"the model's training set has no structures with {wanted}", hint=f"it has {has}")
    drawn = _generator(seed, _SIZES).choice(len(weights), size=n, p=weights / weights.sum())
    chunks: list[NDArray[np.int64]] = []
    for start in range(0, n, WINDOW):
        ordered = np.sort(drawn[start : start + WINDOW])
        groups = [ordered[i : i + NEIGHBOURS * CHUNK] for i in range(0, len(ordered), NEIGHBOURS * CHUNK)]
        for group in _generator(seed, _ORDER, start).permutation(len(groups)):
            chunks += [groups[group][i : i + CHUNK] for i in range(0, len(groups[group]), CHUNK)]
    return Plan(seed, chunks, np.cumsum([0, *map(len, chunks)]))


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _stream(seed: int, *key: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0] >> np.uint64(1))
