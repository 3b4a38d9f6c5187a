"""Others for structures that are not what was asked for, round after round, until there are enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from molgen.sampling.sizes import Plan

MOST = 10
"""At most this many times the structures that were asked for are made."""


def rounds(first: Plan, again: Callable[[int, int], Plan], rejected: Callable[[int], int]) -> Iterator[Plan]:
    """The first plan, then one for as many structures as a round's rejected ones, until none or too many were made.

    Args:
        first: Of what was asked for.
        again: Takes (structures, seed) and makes another plan of the same kind.
        rejected: Takes a round, counted from 0, whose plan was carried out; how many of its structures were rejected.
    """
    yield first
    made, number = len(first), 0
    while (missing := min(rejected(number), MOST * len(first) - made)) > 0:
        number += 1
        made += missing
        yield again(missing, first.round_seed(number))
