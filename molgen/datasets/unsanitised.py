"""Molecules whose stated bonds RDKit does not sanitise: packed as they are, counted by reason, with examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from molgen.structure import Structure

EXAMPLES = 3
"""Molecules that are named for each reason."""


class Unsanitised:
    """Lets every structure pass, and counts those that cannot be sanitised; a ``Select`` of ``prepare``."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def __call__(self, structure: Structure) -> Structure:
        """The structure itself; counted where it is a molecule with bonds that RDKit refuses."""
        if structure.bonds is None or structure.lattice is not None:
            return structure
        from molgen.chemistry.labels import labelled

        if error := labelled(structure).properties.get("sanitise_error"):
            kind, _, detail = str(error).partition(": ")
            self._counts[kind] += 1
            named = self._examples.setdefault(kind, [])
            if len(named) < EXAMPLES:
                named.append(f"{structure.name or 'without a name'}: {detail}")
        return structure

    def meta(self) -> dict[str, Any]:
        """The entry "unsanitised" of meta.json: total, counts and examples by reason."""
        return {"total": self._counts.total(), "reasons": dict(self._counts), "examples": self._examples}


def unsanitised_lines(meta: Mapping[str, Any]) -> Iterator[str]:
    """The entry "unsanitised" of meta.json as lines of text; none where there are none or the entry is absent."""
    found = meta.get("unsanitised", {"total": 0})
    if not found["total"]:
        return
    yield f"unsanitised  {found['total']:,} molecules, packed as they are, whose bonds RDKit does not sanitise"
    for kind, count in found["reasons"].items():
        yield f"             {count:,} x {kind}"
        yield from (f"               {example}" for example in found["examples"].get(kind, []))
