"""A stream of records relaxed in worker processes, in order; one that hangs or crashes does not stop the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from molgen.chemistry.crystal_relaxation import CellSettings, CrystalRelaxation, relax_crystal
from molgen.chemistry.perception import check_source
from molgen.chemistry.potentials import Potential, Settings, make_potential
from molgen.chemistry.relaxation import Relaxation, relax
from molgen.guard import Lost, thread_guard
from molgen.scoring.records import Chunk, Record, in_chunks
from molgen.structure import Structure
from molgen.workers import ordered_map

CHUNK = 1
"""Records that a worker takes at once: one may take minutes, for which the others of its chunk would wait."""
Relaxed = Relaxation | CrystalRelaxation


@dataclass(frozen=True)
class RelaxWork:
    """What to do with every structure; small, and sent to the workers.

    Attributes:
        calculator: Name of the potential.
        settings: When a relaxation ends.
        bonds: Bond source of molecules.
        timeout: Processor seconds per structure.
        cell: What may change of a crystal.
        trajectories: Folder for a file of every crystal's steps, ``INDEX.extxyz``; None for none.
    """

    calculator: str
    settings: Settings = field(default_factory=Settings)
    bonds: str = "auto"
    timeout: float = 600.0
    cell: CellSettings = field(default_factory=CellSettings)
    trajectories: Path | None = None

    def __call__(self) -> Relaxer:
        """What the child process calls."""
        from rdkit import RDLogger

        RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
        potential = make_potential(self.calculator)
        potential.load()
        return Relaxer(potential, self)


@dataclass(frozen=True)
class Relaxer:
    """Relaxes one structure, in the child process."""

    potential: Potential
    work: RelaxWork

    def __call__(self, item: tuple[int, Structure]) -> Relaxed:
        """What became of a structure, given with its index."""
        index, structure = item
        if structure.lattice is None:
            return relax(structure, self.potential, self.work.settings, bonds=self.work.bonds)
        steps = None if self.work.trajectories is None else self.work.trajectories / f"{index}.extxyz"
        return relax_crystal(structure, self.potential, self.work.settings, self.work.cell, steps)


def relaxations(
    records: Iterable[Record], work: RelaxWork, workers: int = 1, start: int = 0
) -> Iterator[list[tuple[int, Relaxed | str]]]:
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

    def __call__(self, chunk: Chunk) -> list[tuple[int, Relaxed | str]]:
        items = [(index, s) for index, s in enumerate(chunk.structures, chunk.start) if s is not None]
        answers = thread_guard(self.work, self.work.timeout).map(items)
        done: list[tuple[int, Relaxed | str]] = []
        for index, (record, structure) in enumerate(zip(chunk.records, chunk.structures, strict=True), chunk.start):
            if structure is None:
                done.append((index, record.problem))
                continue
            answer = next(answers)
            if isinstance(answer, Lost | Exception):
                reason = answer.reason if isinstance(answer, Lost) else f"error: {answer}"
                answer = failed(structure, reason)
            done.append((index, answer))
        return done


def failed(structure: Structure, reason: str) -> Relaxed:
    """What stands for a structure of which nothing came back."""
    return (Relaxation if structure.lattice is None else CrystalRelaxation)(structure, reason)
