"""The scoring protocols by name. A protocol is frozen: another table or denominator gets another name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import Protocol

from molgen.errors import ConfigError
from molgen.scoring.novelty import Reference
from molgen.scoring.records import Record
from molgen.scoring.summary import Row, Summary


class Scorer(Protocol):
    """One run of a protocol over a stream of records."""

    def rows(
        self, records: Iterable[Record], *, workers: int = 1, progress: Callable[[int, int | None], None] | None = None
    ) -> Iterator[Row]:
        """One row per record, in order."""
        ...

    def summary(self) -> Summary:
        """The rates over all rows that were consumed."""
        ...


def _edm(reference: Reference | None) -> Scorer:
    from molgen.scoring.edm import EdmScorer

    return EdmScorer(reference)


PROTOCOLS: dict[str, Callable[[Reference | None], Scorer]] = {"edm": _edm}


def check_protocol(name: str) -> None:
    """Raise ConfigError, with the nearest name, when there is no such protocol."""
    if name not in PROTOCOLS:
        near = get_close_matches(name.lower(), PROTOCOLS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(PROTOCOLS)}"
        raise ConfigError(f"unknown scoring protocol {name!r}", hint=hint)


def make_scorer(name: str, reference: Reference | None = None) -> Scorer:
    """A fresh scorer of the named protocol.

    Raises:
        ConfigError: There is no such protocol.
    """
    check_protocol(name)
    return PROTOCOLS[name](reference)
