"""Reference energies of known crystals by one potential, in worker processes; what cannot be evaluated has a reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from molgen.chemistry.ase_potentials import AsePotential
from molgen.chemistry.crystal_relaxation import relax_crystal, static_energies
from molgen.chemistry.potentials import Settings, make_potential
from molgen.elements import hill_formula
from molgen.errors import ConfigError
from molgen.guard import Lost, thread_guard
from molgen.scoring.protocol import Row
from molgen.scoring.records import Chunk, Record, in_chunks
from molgen.structure import Structure
from molgen.workers import ordered_map

CHUNK = 64
"""Crystals that a worker takes at once."""
KINDS = {"index": "int", "id": "str", "formula": "str", "energy_per_atom": "float", "problem": "str"}
"""Columns of the rows."""


@dataclass(frozen=True)
class HullWork:
    """What to do with every crystal; small, and sent to the workers.

    Attributes:
        calculator: Name of the potential.
        relax: When a relaxation of atoms and cell ends; None for the energy of the crystal as it is.
        timeout: Processor seconds per crystal.
    """

    calculator: str
    relax: Settings | None = None
    timeout: float = 600.0

    def __call__(self) -> Evaluator:
        """What the child process calls."""
        potential = crystal_potential(self.calculator)
        potential.load()
        return Evaluator(potential, self.relax)


@dataclass(frozen=True)
class Evaluator:
    """Evaluates some crystals, in the child process."""

    potential: AsePotential
    relax: Settings | None

    def __call__(self, crystals: list[Structure]) -> list[float | str]:
        """Energy of each in eV per atom, or why there is none."""
        if self.relax is None:
            return static_energies(crystals, self.potential)
        return [self._relaxed(crystal, self.relax) for crystal in crystals]

    def _relaxed(self, crystal: Structure, settings: Settings) -> float | str:
        if crystal.lattice is None:
            return "no lattice: the structure is not periodic"
        done = relax_crystal(crystal, self.potential, settings)
        return done.reason if done.minimum is None or done.reason else done.minimum.energy_after / len(crystal)


def crystal_potential(name: str) -> AsePotential:
    """The potential of a name, if it can treat crystals.

    Raises:
        ConfigError: There is none, or it treats molecules only.
        MissingError: A package is not installed.
    """
    potential = make_potential(name)
    if not isinstance(potential, AsePotential):
        raise ConfigError(f"{name} treats molecules only", hint="chgnet, or module:factory for an ASE calculator")
    return potential


def evaluated(records: Iterable[Record], work: HullWork, workers: int = 1, start: int = 0) -> Iterator[list[Row]]:
    """Evaluate a stream of crystals; yields a few rows at a time, in order.

    Args:
        records: From the first one on, read lazily.
        work: What to do.
        workers: Processes; -1 for one per core.
        start: Records at the beginning that are done already.
    """
    stream = iter(records)
    for _ in zip(range(start), stream, strict=False):
        pass
    yield from ordered_map(_HullChunk(work), in_chunks(stream, CHUNK, start), workers)


@dataclass(frozen=True)
class _HullChunk:
    work: HullWork

    def __call__(self, chunk: Chunk) -> list[Row]:
        crystals = [structure for structure in chunk.structures if structure is not None]
        answers = iter(self._energies(crystals))
        rows = []
        for index, (record, structure) in enumerate(zip(chunk.records, chunk.structures, strict=True), chunk.start):
            answer = record.problem if structure is None else next(answers)
            row: Row = {"index": index, "id": "", "formula": ""}
            if structure is not None:
                row |= {"id": structure.name, "formula": hill_formula(structure.numbers.tolist())}
            rows.append(row | {"problem" if isinstance(answer, str) else "energy_per_atom": answer})
        return rows

    def _energies(self, crystals: list[Structure]) -> list[float | str]:
        """All together if that works; where a process is lost, one by one, so that one costs no other's energy."""
        together = 1 if self.work.relax is not None else len(crystals)
        guard = thread_guard(self.work, self.work.timeout)
        parts = [crystals[k : k + together] for k in range(0, len(crystals), max(1, together))]
        energies: list[float | str] = []
        for part, answer in zip(parts, guard.map(parts), strict=True):
            if not isinstance(answer, Lost | Exception):
                energies += answer
            elif len(part) > 1:
                return [energy for crystal in crystals for energy in self._energies([crystal])]
            else:
                energies.append(answer.reason if isinstance(answer, Lost) else f"error: {answer}")
        return energies
