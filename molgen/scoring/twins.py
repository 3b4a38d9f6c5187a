"""Which crystals of a stream are the same as one before them, found as the stream goes by."""

from __future__ import annotations

from functools import partial

from molgen.chemistry.composition import Composition, reduced_composition
from molgen.chemistry.crystal_matching import SAME, CrystalMatcher
from molgen.guard import Guard
from molgen.structure import Structure

Question = tuple[Structure, list[Structure]]


class Twins:
    """Keeps one crystal of each kind, about 1 kB each, by reduced composition.

    Args:
        timeout: Seconds for comparing one crystal with all of its composition; beyond that it counts as different.
    """

    def __init__(self, timeout: float) -> None:
        self._guard = Guard(_matcher, timeout)
        self._seen: dict[Composition, list[tuple[int, Structure]]] = {}

    def close(self) -> None:
        """End the child process that compares; it starts again when it is needed."""
        self._guard.close()

    def keep(self, index: int, crystal: Structure) -> None:
        """Remember a crystal as the first of its kind."""
        self._seen.setdefault(reduced_composition(crystal.numbers.tolist()), []).append((index, crystal))

    def first_of_kind(self, index: int, crystal: Structure) -> int | None:
        """Index of the first crystal that is the same; None, after remembering this one, if there is none."""
        kept = self._seen.get(reduced_composition(crystal.numbers.tolist()), [])
        if kept:
            question: Question = (crystal, [other for _, other in kept])
            answer = next(iter(self._guard.map([question])))
            if isinstance(answer, int):
                return kept[answer][0]
        self.keep(index, crystal)
        return None


def _matcher() -> partial[int | None]:
    """What the guarded child calls: place of the first of several crystals that is the same as one."""
    return partial(_first_same, CrystalMatcher(SAME))


def _first_same(matcher: CrystalMatcher, question: Question) -> int | None:
    crystal, others = question
    return next((place for place, other in enumerate(others) if matcher.same(crystal, other)), None)
