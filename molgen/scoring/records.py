"""What scoring streams: structures and, in their place, records that could not be read; packed in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from molgen.errors import InputError
from molgen.io.records import BadRecord
from molgen.structure import Structure

CHUNK_STRUCTURES = 1000
CHUNK_ATOMS = 50_000
T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """One record of an input, with the file or data set it came from."""

    item: Structure | BadRecord
    source: str = ""


@dataclass(frozen=True)
class Chunk:
    """Consecutive records as flat arrays; the records with a problem have no atoms here.

    Attributes:
        start: Index of the first record in the whole stream.
        sources: File or data set of each record.
        names: Title of each record.
        problems: Why a record cannot be scored at all; empty for the others.
        num_atoms: Atoms that each record states, shape ``(B,)``; zero where the record could not be read.
        sizes: Atoms of each record in the arrays below, shape ``(B,)``.
        numbers: Atomic numbers, shape ``(A,)``.
        positions: Coordinates in angstrom, shape ``(A, 3)``.
    """

    start: int
    sources: list[str]
    names: list[str]
    problems: list[str]
    num_atoms: NDArray[np.int64]
    sizes: NDArray[np.int64]
    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.sizes)


def read_records(specs: Sequence[str]) -> Iterator[Record]:
    """Records of files (``out.sdf``) and packed data sets (``qm9:test``), one source after another, in order.

    Raises:
        InputError: Nothing at all can be read from a source. A source that breaks off later ends with an `BadRecord`.
        MissingError: A file or data set is not there.
    """
    from molgen.datasets.find import open_structures

    for spec in specs:
        failed: list[Record] = []

        def note(index: int, reason: str, failed: list[Record] = failed, spec: str = spec) -> None:
            failed.append(Record(BadRecord(f"record {index + 1}: {reason}"), spec))

        any_read = False
        try:
            for structure in open_structures(spec, on_error=note):
                yield from failed
                failed.clear()
                yield Record(structure, spec)
                any_read = True
        except InputError as error:
            if not any_read and not failed:
                raise
            failed.append(Record(BadRecord(str(error)), spec))
        yield from failed


def in_chunks(records: Iterable[Record]) -> Iterator[Chunk]:
    """Group records until a chunk has ``CHUNK_STRUCTURES`` records or ``CHUNK_ATOMS`` atoms."""
    waiting: list[Record] = []
    start = atoms = 0
    for record in records:
        waiting.append(record)
        atoms += len(record.item) if isinstance(record.item, Structure) else 0
        if len(waiting) >= CHUNK_STRUCTURES or atoms >= CHUNK_ATOMS:
            yield _chunk(start, waiting)
            start, atoms, waiting = start + len(waiting), 0, []
    if waiting:
        yield _chunk(start, waiting)


def _chunk(start: int, records: list[Record]) -> Chunk:
    problems = [_problem(record.item) for record in records]
    structures = [record.item if isinstance(record.item, Structure) else None for record in records]
    usable = [s for s, problem in zip(structures, problems, strict=True) if s is not None and not problem]
    num_atoms = np.array([0 if s is None else len(s) for s in structures], np.int64)
    return Chunk(
        start=start,
        sources=[record.source for record in records],
        names=["" if s is None else s.name for s in structures],
        problems=problems,
        num_atoms=num_atoms,
        sizes=np.where([not problem for problem in problems], num_atoms, 0),
        numbers=np.concatenate([np.zeros(0, np.int64), *(s.numbers for s in usable)]),
        positions=np.concatenate([np.zeros((0, 3)), *(s.positions for s in usable)]),
    )


def _problem(item: Structure | BadRecord) -> str:
    if isinstance(item, BadRecord):
        return f"unreadable: {item.reason}"
    if len(item) == 0:
        return "has no atoms"
    finite = np.isfinite(item.positions).all(axis=1)
    if not finite.all():
        return f"atom {int(np.argmin(finite))} has coordinates that are not finite"
    return ""


def map_chunks(function: Callable[[Chunk], T], records: Iterable[Record], workers: int = 1) -> Iterator[T]:
    """``function`` of every chunk, in order, here or in ``workers`` processes; only a few chunks are in flight.

    Args:
        function: A function that joblib can send to another process.
        records: Read lazily.
        workers: Number of processes; -1 for one per core.
    """
    if workers == 1:
        yield from map(function, in_chunks(records))
        return
    from joblib import Parallel, delayed

    broken: list[BaseException] = []

    def chunks() -> Iterator[Chunk]:
        try:
            yield from in_chunks(records)
        except Exception as error:  # raised in joblib's own thread it would be lost; raised again below
            broken.append(error)

    pool = Parallel(n_jobs=workers, return_as="generator", pre_dispatch="2*n_jobs", max_nbytes=None)
    yield from pool(delayed(function)(chunk) for chunk in chunks())
    if broken:
        raise broken[0]
