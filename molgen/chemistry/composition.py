"""Compositions of crystals, the same for every choice of cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import gcd

Composition = tuple[tuple[int, int], ...]
"""Pairs of atomic number and count, ascending, without a common factor: NaCl is ``((11, 1), (17, 1))``."""


def reduced_composition(numbers: Sequence[int]) -> Composition:
    """Of a cell's atomic numbers, shape ``(N,)``, at least one, in any order."""
    counts = Counter(numbers)
    common = gcd(*counts.values())
    return tuple((number, counts[number] // common) for number in sorted(counts))
