"""Which crystals of a stream are the same as one before them, found as the stream goes by."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial

from molgen.chemistry.crystal_matching import SAME, CrystalMatcher
from molgen.guard import Guard
from molgen.structure import Structure

Question = tuple[Structure, list[Structure]]


class Twins:
    """Keeps one crystal of each kind, about 1 kB each, by what crystals must share to be the same.

    Args:
        timeout: Seconds for comparing one crystal with all that share it; beyond that it counts as different.
    """

    def __init__(self, timeout: float) -> None:
        self._guard = Guard(_matcher, timeout)
        self._seen: dict[Hashable, list[tuple[int, Structure]]] = {}

    def close(self) -> None:
        """End the child process that compares; it starts again when it is needed."""
        self._guard.close()

    def keep(self, index: int, crystal: Structure, shared: Hashable) -> None:
        """Remember a crystal as the first of its kind."""
        self._seen.setdefault(shared, []).append((index, crystal))

    def first_of_kind(self, index: int, crystal: Structure, shared: Hashable) -> int | None:
        """Index of the first crystal that is the same; None, after remembering this one, if there is none.

        Args:
            index: Of the crystal in the stream.
            crystal: It is compared with those that share something with it.
            shared: Its composition, or its gene.
        """
        kept = self._seen.get(shared, [])
        if kept:
            question: Question = (crystal, [other for _, other in kept])
            answer = next(iter(self._guard.map([question])))
            if isinstance(answer, int):
                return kept[answer][0]
        self.keep(index, crystal, shared)
        return None


def _matcher() -> partial[int | None]:
    """What the guarded child calls: place of the first of several crystals that is the same as one."""
    return partial(_first_same, CrystalMatcher(SAME))


def _first_same(matcher: CrystalMatcher, question: Question) -> int | None:
    crystal, others = question
    return next((place for place, other in enumerate(others) if matcher.same(crystal, other)), None)
