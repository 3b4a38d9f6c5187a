"""What a data set leaves out on purpose: counted by reason and split, with examples, for meta.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from molgen.datasets.layout import SPLITS

EXAMPLES = 3
"""Molecules or crystals that are named for each reason."""
NO_SPLIT = "no split"
"""Stands for the split of what is left out before it has one."""


def noun(meta: Mapping[str, Any]) -> str:
    """What a data set consists of: its entry "kind", molecules where it has none."""
    return str(meta.get("kind", "molecules"))


class LeftOut:
    """Counts molecules or crystals that are left out."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._examples: dict[str, list[str]] = {}

    def add(self, split: str, name: str, reason: str) -> None:
        """Count one.

        Args:
            split: Where it would have gone, or ``NO_SPLIT``.
            name: What identifies it.
            reason: ``"kind: detail"``; the kind is what is counted.
        """
        kind, _, detail = reason.partition(": ")
        self._counts.setdefault(kind, Counter())[split] += 1
        named = self._examples.setdefault(kind, [])
        if len(named) < EXAMPLES:
            named.append(f"{name}: {detail}" if detail else name)

    @property
    def total(self) -> int:
        """How many were left out."""
        return sum(count.total() for count in self._counts.values())

    def in_split(self, split: str) -> int:
        """How many of a split were left out."""
        return sum(count[split] for count in self._counts.values())

    def meta(self) -> dict[str, Any]:
        """The entry "left_out" of meta.json: total, counts by reason and split, examples by reason."""
        reasons = {kind: {s: count[s] for s in (*SPLITS, NO_SPLIT) if count[s]} for kind, count in self._counts.items()}
        return {"total": self.total, "reasons": reasons, "examples": self._examples}


def left_out_lines(meta: Mapping[str, Any]) -> Iterator[str]:
    """The entry "left_out" of meta.json as lines of text; none where nothing was left out or the entry is absent."""
    left_out = meta.get("left_out", {"total": 0})
    if not left_out["total"]:
        return
    yield f"left out     {left_out['total']:,} {noun(meta)}"
    for kind, counts in left_out["reasons"].items():
        parts = ", ".join(f"{key} {count:,}" for key, count in counts.items())
        yield f"             {sum(counts.values()):,} x {kind} ({parts})"
        yield from (f"               {example}" for example in left_out["examples"].get(kind, []))


def repeated_lines(meta: Mapping[str, Any]) -> Iterator[str]:
    """The entry "repeated" of meta.json as lines of text; none where no molecule occurred again."""
    repeated = meta.get("repeated", {"total": 0})
    if repeated["total"]:
        yield (
            f"repeated     {repeated['total']:,} molecules that occurred before, packed once; "
            f"{repeated['in_another_split']:,} of them in another split"
        )
        yield from (f"             {example}" for example in repeated["examples"])
