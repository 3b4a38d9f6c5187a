"""What scoring streams: structures and, in their place, records that could not be read; handed out in chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from molgen.errors import ConfigError, InputError
from molgen.io.records import BadRecord
from molgen.scoring.gene_records import GeneItem, InvalidGene, gene_items
from molgen.structure import Structure
from molgen.symmetry.gene import Gene
from molgen.symmetry.lines import is_gene_file

CHUNK_STRUCTURES = 1000
CHUNK_ATOMS = 50_000


@dataclass(frozen=True)
class Record:
    """One record of an input, with the file or data set it came from."""

    item: Structure | GeneItem
    source: str = ""

    @cached_property
    def problem(self) -> str:
        """``"kind: detail"`` why it cannot be scored at all; empty if it can."""
        if isinstance(self.item, Gene | InvalidGene):
            return ""
        if isinstance(self.item, BadRecord):
            return f"unreadable: {self.item.reason}"
        if len(self.item) == 0:
            return "no atoms: the record has none"
        finite = np.isfinite(self.item.positions).all(axis=1)
        return "" if finite.all() else f"not finite: coordinates of atom {int(np.argmin(finite))}"


@dataclass(frozen=True)
class Chunk:
    """Consecutive records, and their readable structures as flat arrays.

    Attributes:
        start: Index of the first record in the whole stream.
        records: In order.
    """

    start: int
    records: list[Record]

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def structures(self) -> list[Structure | None]:
        """Structure of each record that can be scored, None for the others."""
        return [r.item if isinstance(r.item, Structure) and not r.problem else None for r in self.records]

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Atoms of each record in ``numbers``, shape ``(B,)``; zero for a record with a problem."""
        return np.array([0 if s is None else len(s) for s in self.structures], np.int64)

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic numbers, shape ``(A,)``."""
        return np.concatenate([np.zeros(0, np.int64), *(s.numbers for s in self.structures if s is not None)])

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Coordinates in angstrom, shape ``(A, 3)``."""
        return np.concatenate([np.zeros((0, 3)), *(s.positions for s in self.structures if s is not None)])


def read_records(specs: Sequence[str]) -> Iterator[Record]:
    """Records of files (``out.sdf``) and packed data sets (``qm9:test``), one source after another, in order.

    Raises:
        InputError: Nothing at all can be read from the first source. One that breaks off, or a later source of which
            nothing can be read, is a `BadRecord`.
        MissingError: A file or data set is not there.
    """
    from molgen.datasets.find import open_structures

    any_read = False
    for spec in specs:
        failed: list[Record] = []

        def note(index: int, reason: str, failed: list[Record] = failed, spec: str = spec) -> None:
            failed.append(Record(BadRecord(f"record {index + 1}: {reason}"), spec))

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


def scored_records(specs: Sequence[str]) -> Iterator[Record]:
    """Records of files of genes (``genes.jsonl``), or of structures as :func:`read_records` gives them.

    Raises:
        ConfigError: Some are genes and some are structures.
        InputError: Nothing at all can be read from a file.
        MissingError: A file or data set is not there.
    """
    genes = [spec for spec in specs if is_gene_file(spec)]
    if not genes:
        yield from read_records(specs)
    elif len(genes) < len(specs):
        raise ConfigError(f"{genes[0]} holds genes, other files hold structures", hint="score them one after the other")
    for spec in genes:
        for item in gene_items(spec):
            yield Record(item, spec)


def first_structure(records: Iterable[Record]) -> Structure | None:
    """The first structure that can be scored; None if there is none."""
    return next((r.item for r in records if isinstance(r.item, Structure) and not r.problem), None)


def first_scored(records: Iterable[Record]) -> Structure | Gene | InvalidGene | None:
    """The first structure that can be scored, or the first line of a file of genes; None if there is none."""
    return next((r.item for r in records if isinstance(r.item, Structure | Gene | InvalidGene) and not r.problem), None)


def in_chunks(records: Iterable[Record], structures: int | None = None, start: int = 0) -> Iterator[Chunk]:
    """Group records until a chunk has ``structures`` records or ``CHUNK_ATOMS`` atoms.

    Args:
        records: Read lazily.
        structures: Records of a chunk; ``CHUNK_STRUCTURES`` if None.
        start: Index of the first record in the whole stream.
    """
    waiting: list[Record] = []
    atoms, most = 0, structures or CHUNK_STRUCTURES
    for record in records:
        waiting.append(record)
        atoms += len(record.item) if isinstance(record.item, Structure) else 0
        if len(waiting) >= most or atoms >= CHUNK_ATOMS:
            yield Chunk(start, waiting)
            start, atoms, waiting = start + len(waiting), 0, []
    if waiting:
        yield Chunk(start, waiting)
