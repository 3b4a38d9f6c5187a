"""Numbers of atoms: drawn from the training set's histogram, and cut into chunks of similar size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
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

_SIZES, _ORDER, _NOISE, _ROUND = range(4)


@dataclass(frozen=True)
class Plan:
    """Which structures are made in which chunk; a pure function of histogram, count, seed and restriction.

    Attributes:
        seed: Of sizes, order and noise.
        chunks: Atom counts of each chunk's structures, ascending, each of shape ``(<= CHUNK,)``, in order of making.
        starts: Number of structures before each chunk, and in all at the end, shape ``(len(chunks) + 1,)``.
        condition: What every structure is given; None for nothing.
        items: Which of the condition's compositions each structure has, arranged as ``chunks``; None where there is
            nothing to choose from.
    """

    seed: int
    chunks: list[NDArray[np.int64]]
    starts: NDArray[np.int64]
    condition: Condition | None = None
    items: list[NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return int(self.starts[-1])

    def given(self, condition: Condition | None) -> Plan:
        """The same structures with something given."""
        return replace(self, condition=condition)

    def items_of(self, chunk: int) -> NDArray[np.int64]:
        """The chunk's items; zeros where there is nothing to choose from."""
        return np.zeros_like(self.chunks[chunk]) if self.items is None else self.items[chunk]

    def round_seed(self, number: int) -> int:
        """Seed of the plan that makes others for structures that were rejected, the first being round 1."""
        return _stream(self.seed, _ROUND, number)

    def noise_seed(self, chunk: int) -> int:
        """Seed of the chunk's own stream of random numbers."""
        return _stream(self.seed, _NOISE, chunk)


def parse_range(text: str, what: str, example: str) -> tuple[int, int]:
    """``"19"`` -> (19, 19), and ``"10-20"`` or ``"10..20"`` -> (10, 20).

    Args:
        text: What the user wrote.
        what: What it should be, for the message.
        example: How to write it, for the cure.

    Raises:
        ConfigError: It is neither, or not positive, or descending.
    """
    match = re.fullmatch(r"(\d{1,9})(?:(?:-|\.\.)(\d{1,9}))?", text.strip())
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not 1 <= low <= high:
        raise ConfigError(f"{text!r} is not {what}", hint=f"write {example}")
    return low, high


def parse_atoms(text: str) -> tuple[int, int]:
    """``"19"`` -> (19, 19) and ``"10-20"`` -> (10, 20); raises ConfigError for anything else."""
    return parse_range(text, "a number of atoms", "19, or a range such as 10-20")


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
    drawn = generator_of(seed, _SIZES).choice(len(weights), size=n, p=weights / weights.sum())
    chunks: list[NDArray[np.int64]] = []
    for start in range(0, n, WINDOW):
        ordered = np.sort(drawn[start : start + WINDOW])
        groups = [ordered[i : i + NEIGHBOURS * CHUNK] for i in range(0, len(ordered), NEIGHBOURS * CHUNK)]
        for group in generator_of(seed, _ORDER, start).permutation(len(groups)):
            chunks += [groups[group][i : i + CHUNK] for i in range(0, len(groups[group]), CHUNK)]
    return Plan(seed, chunks, np.cumsum([0, *map(len, chunks)]))


def plan_items(sizes: NDArray[np.int64], items: NDArray[np.int64], seed: int) -> Plan:
    """Arrange structures of known sizes in chunks: in windows as they come, and by size within.

    Args:
        sizes: Atoms of each structure, shape ``(n,)``.
        items: Which of a condition's compositions each has, shape ``(n,)``.
        seed: Of the noise.
    """
    order = [start + np.argsort(sizes[start : start + WINDOW], kind="stable") for start in range(0, len(sizes), WINDOW)]
    rows = [window[i : i + CHUNK] for window in order for i in range(0, len(window), CHUNK)]
    chunks = [sizes[chunk] for chunk in rows]
    return Plan(seed, chunks, np.cumsum([0, *map(len, chunks)]), items=[items[chunk] for chunk in rows])


def generator_of(seed: int, *key: int) -> np.random.Generator:
    """A stream of random numbers of its own for every key."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _stream(seed: int, *key: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0] >> np.uint64(1))
