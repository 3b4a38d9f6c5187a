"""What a worker does with a chunk of records: every protocol's values for every structure, and distribution sums."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from molgen.guard import Lost, thread_guard
from molgen.scoring.protocol import ChunkProtocol, Given, Protocol, Row
from molgen.scoring.protocols import NOTHING, make_protocol
from molgen.scoring.record_columns import common_columns
from molgen.scoring.records import Chunk
from molgen.scoring.subject import Subject
from molgen.structure import Structure

SLOW_CHUNK = 50
"""Records of a chunk when structures are checked one by one; small, so that order costs little waiting."""
FEATURES = "distributions"
"""Stands for the features in place of a protocol's name."""


@dataclass(frozen=True)
class Work:
    """What to do with every structure.

    Attributes:
        protocols: Names.
        bonds: Bond source for the protocols that need bonds and do not say themselves.
        timeout: Seconds per structure and protocol.
        distributions: Bond source of the features to add up, that of the reference; empty for none.
        given: What protocols may be measured against.
    """

    protocols: tuple[str, ...]
    bonds: str = "auto"
    timeout: float = 60.0
    distributions: str = ""
    given: Given = NOTHING

    @property
    def chunk_structures(self) -> int | None:
        """Records of a chunk; None for as many as suit arrays."""
        return SLOW_CHUNK if self.distributions or _by_kind(self.protocols, self.given)[1] else None


@dataclass(frozen=True)
class ScoredChunk:
    """What a worker sends back.

    Attributes:
        rows: One per record: the common columns, and ``protocol.column`` of every protocol; absent columns are None.
        sums: Features of the chunk's structures, or None when nobody asked.
    """

    rows: list[Row]
    sums: Any = None


@dataclass
class Checker:
    """The child's function: one protocol, or the features, of one structure.

    The protocols of a structure come one after another, so that its bonds are perceived once.
    """

    work: Work
    protocols: dict[str, Protocol] = field(default_factory=dict)
    _structure: Structure | None = None
    _subject: Subject | None = None

    def __call__(self, item: tuple[Structure, str]) -> tuple[Any, str | None]:
        """(columns or features, bond source used so far)."""
        structure, name = item
        if self._subject is None or structure is not self._structure:
            self._structure, self._subject = structure, Subject(structure, self.work.bonds)
        subject = self._subject
        answer = (
            _features(subject, self.work.distributions) if name == FEATURES else self.protocols[name].check(subject)
        )
        return answer, subject.perceived.source if "perceived" in vars(subject) else None


@dataclass(frozen=True)
class _Factory:
    work: Work

    def __call__(self) -> Checker:
        from rdkit import RDLogger

        RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
        return Checker(self.work, {name: make_protocol(name, self.work.given) for name in self.work.protocols})


class ScoreChunk:
    """The worker's function of a chunk."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def __call__(self, chunk: Chunk) -> ScoredChunk:
        """Rows and sums of the chunk."""
        rows = [common_columns(index, record) for index, record in enumerate(chunk.records, chunk.start)]
        at_once, one_by_one = _by_kind(self.work.protocols, self.work.given)
        for protocol in at_once:
            for row, values in zip(rows, protocol.check_chunk(chunk), strict=True):
                row |= {f"{protocol.name}.{column}": value for column, value in values.items()}
        names = [protocol.name for protocol in one_by_one] + ([FEATURES] if self.work.distributions else [])
        sums = _empty_sums() if self.work.distributions else None
        readable = [(k, s) for k, s in enumerate(chunk.structures) if s is not None]
        steps = [(k, s, name) for k, s in readable for name in names]
        answers = (
            thread_guard(_Factory(self.work), self.work.timeout).map([(s, name) for _, s, name in steps])
            if steps
            else iter(())
        )
        for (k, _, name), answer in zip(steps, answers, strict=True):
            if name == FEATURES:
                _add_features(sums, answer)
            else:
                rows[k] |= _columns(name, answer)
            if isinstance(answer, tuple) and answer[1]:
                rows[k]["bonds"] = answer[1]
        return ScoredChunk(rows, sums)


@cache
def _by_kind(names: tuple[str, ...], given: Given) -> tuple[list[ChunkProtocol], list[Protocol]]:
    """The protocols that take a chunk at once, and the others; made once per process, as they are stateless."""
    made = [make_protocol(name, given) for name in names]
    return [p for p in made if isinstance(p, ChunkProtocol)], [p for p in made if not isinstance(p, ChunkProtocol)]


def _columns(name: str, answer: Any) -> Row:
    if isinstance(answer, Lost):
        return {f"{name}.reason": answer.reason}
    if isinstance(answer, Exception):
        return {f"{name}.reason": f"error: {answer}"}
    return {f"{name}.{column}": value for column, value in answer[0].items()}


def _features(subject: Subject, bonds: str) -> Any:
    from molgen.scoring.distributions.features import features

    return features(subject, bonds)


def _empty_sums() -> Any:
    from molgen.scoring.distributions.histograms import Sums

    return Sums()


def _add_features(sums: Any, answer: Any) -> None:
    if isinstance(answer, tuple):
        sums.add(answer[0])
    else:
        sums.add_lost()
