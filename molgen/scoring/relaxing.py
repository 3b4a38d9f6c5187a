"""A stream of records relaxed in worker processes, in order; one that hangs or crashes does not stop the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from molgen.chemistry.perception import check_source
from molgen.chemistry.potentials import Potential, Settings, make_potential
from molgen.chemistry.relaxation import Relaxation, relax
from molgen.guard import Lost, thread_guard
from molgen.scoring.records import Chunk, Record, in_chunks
from molgen.structure import Structure
from molgen.workers import ordered_map

CHUNK = 5
"""Records that a worker takes at once; few, because one may take minutes."""


@dataclass(frozen=True)
class RelaxWork:
    """What to do with every structure; small, and sent to the workers.

    Attributes:
        calculator: Name of the potential.
        settings: When a relaxation ends.
        bonds: Bond source.
        timeout: Processor seconds per structure.
    """

    calculator: str
    settings: Settings = field(default_factory=Settings)
    bonds: str = "auto"
    timeout: float = 600.0

    def __call__(self) -> Relaxer:
        """What the child process calls."""
        from rdkit import RDLogger

        RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
        return Relaxer(make_potential(self.calculator), self)


@dataclass(frozen=True)
class Relaxer:
    """Relaxes one structure, in the child process."""

    potential: Potential
    work: RelaxWork

    def __call__(self, structure: Structure) -> Relaxation:
        """What became of it."""
        return relax(structure, self.potential, self.work.settings, bonds=self.work.bonds)


def relaxations(
    records: Iterable[Record], work: RelaxWork, workers: int = 1, start: int = 0
) -> Iterator[list[tuple[int, Relaxation | str]]]:
    """Relax a stream of records; yields a few at a time, as soon as they and all before them are done.

    Args:
        records: Read lazily.
        work: What to do.
        workers: Processes; -1 for one per core.
        start: Records at the beginning that are done already: only those of them that cannot be read are handed out.

    Yields:
        Index of each record, and its relaxation or ``"kind: detail"`` why it could not be read.

    Raises:
        ConfigError: Unknown bond source or calculator.
        MissingError: A package is not installed.
    """
    check_source(work.bonds)
    make_potential(work.calculator)
    stream = iter(records)
    yield [(k, r.problem) for k, r in zip(range(start), stream) if r.problem]  # noqa: B905  stops after ``start``
    yield from ordered_map(_RelaxChunk(work), in_chunks(stream, CHUNK, start), workers)


@dataclass(frozen=True)
class _RelaxChunk:
    work: RelaxWork

    def __call__(self, chunk: Chunk) -> list[tuple[int, Relaxation | str]]:
        answers = thread_guard(self.work, self.work.timeout).map([s for s in chunk.structures if s is not None])
        done: list[tuple[int, Relaxation | str]] = []
        for index, (record, structure) in enumerate(zip(chunk.records, chunk.structures, strict=True), chunk.start):
            if structure is None:
                done.append((index, record.problem))
                continue
            answer = next(answers)
            if isinstance(answer, Lost):
                answer = Relaxation(structure, answer.reason)
            elif isinstance(answer, Exception):
                answer = Relaxation(structure, f"error: {answer}")
            done.append((index, answer))
        return done
