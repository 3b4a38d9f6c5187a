"""Names by which the structures of a set are told apart, the same for sampling and for scoring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def distinct_labels(names: Sequence[str]) -> list[str]:
    """One label without spaces for each name, all different: where names are equal or empty, the place is added.

    ``["a b", "c", "c", ""] -> ["a_b", "c#1", "c#2", "#3"]``
    """
    labels = ["_".join(name.split()) for name in names]
    counts = Counter(labels)
    return [label if label and counts[label] == 1 else f"{label}#{place}" for place, label in enumerate(labels)]
