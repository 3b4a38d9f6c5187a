"""Features of many structures in worker processes, and of their spoilt copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from molgen.guard import thread_guard
from molgen.scoring.controls import shuffled_elements, uniform_coordinates
from molgen.scoring.distributions.features import Features, features
from molgen.scoring.distributions.metrics import CRYSTALS
from molgen.scoring.distributions.pools import SEED, is_scorable
from molgen.scoring.subject import Subject
from molgen.structure import Structure
from molgen.workers import ordered_map

JITTER = 0.1
"""Standard deviation in angstrom of the normal noise on every coordinate of the bad control."""
TIMEOUT = 60.0
"""Seconds for one structure where a bond source searches."""
BATCH = 200
_DIRECT_SOURCES = ("file", "lookup")
"""Sources that cannot hang; the others are called in a guarded child process."""

Answer = Features | None
"""None where the features could not be computed."""


def measured(
    structures: Iterable[Structure],
    bonds: str,
    jittered: bool,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[Answer, Answer]]:
    """(features, features of the spoilt copy or None) of every structure, in order.

    Args:
        structures: Read lazily.
        bonds: Bond source; on the jittered copy it is applied anew, and bonds that were stated are kept.
        jittered: Whether to measure jittered copies; the noise depends on the place in the sequence only.
        workers: Processes; -1 for one per core.
        progress: Called with the number of structures measured so far.
    """
    done = 0
    for answers in ordered_map(_Measure(bonds, jittered), _batches(structures), workers):
        yield from answers
        done += len(answers)
        if progress is not None:
            progress(done)


@dataclass(frozen=True)
class _Measure:
    """The worker's function of (number of the first structure, structures)."""

    bonds: str
    jittered: bool

    def __call__(self, batch: tuple[int, list[Structure]]) -> list[tuple[Answer, Answer]]:
        start, structures = batch
        plain = self._features(structures)
        if not self.jittered:
            return [(answer, None) for answer in plain]
        moved = self._features(spoilt(structures, start, self.bonds))
        return list(zip(plain, moved, strict=True))

    def _features(self, structures: list[Structure]) -> list[Answer]:
        if self.bonds in _DIRECT_SOURCES:
            return [_features(self.bonds, structure) for structure in structures]
        answers = thread_guard(_Factory(self.bonds), TIMEOUT).map(structures)
        return [answer if isinstance(answer, Features) else None for answer in answers]


def spoilt(structures: list[Structure], start: int, bonds: str) -> list[Structure]:
    """Bad copies: molecules with jittered atoms; crystals with atoms anywhere and elements shuffled among all of them.

    Args:
        structures: What is copied.
        start: Number of the first of them in the whole sequence.
        bonds: Bond source, or ``CRYSTALS``.
    """
    if bonds == CRYSTALS:
        return shuffled_elements(uniform_coordinates(structures, start), start)
    return [jitter(structure, start + k) for k, structure in enumerate(structures)]


def jitter(structure: Structure, number: int) -> Structure:
    """The structure with normal noise of ``JITTER`` angstrom on every coordinate, seeded by ``number``."""
    noise = np.random.default_rng([SEED, number]).normal(0.0, JITTER, structure.positions.shape)
    return structure.replace(positions=structure.positions + noise)


def _features(bonds: str, structure: Structure) -> Answer:
    if not is_scorable(structure):
        return None
    try:
        return features(Subject(structure, bonds))
    except Exception:  # one structure that RDKit cannot take must not cost the other 30,000
        return None


@dataclass(frozen=True)
class _Factory:
    bonds: str

    def __call__(self) -> Callable[[Structure], Answer]:
        return partial(_features, self.bonds)


def _batches(structures: Iterable[Structure]) -> Iterator[tuple[int, list[Structure]]]:
    iterator, start = iter(structures), 0
    while batch := list(islice(iterator, BATCH)):
        yield start, batch
        start += len(batch)
