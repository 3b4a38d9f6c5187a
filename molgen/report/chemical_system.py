"""Chemical systems that can be drawn, and the crystals of one among the rows of protocol ``sun``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from molgen.elements import SYMBOLS, atomic_number
from molgen.errors import ConfigError
from molgen.report.formulas import atoms_of
from molgen.scoring.protocol import Row

System = tuple[str, ...]
"""Symbols of the elements, in the order in which they are drawn."""
SIZES = (2, 3)
"""Numbers of elements of systems that can be drawn."""


def parse_system(text: str) -> System:
    """``"Li-O" -> ("Li", "O")``.

    Raises:
        ConfigError: It is not two or three elements.
    """
    hint = "two or three symbols with hyphens: Li-O, Li-Fe-O"
    words = [word.strip() for word in text.split("-")]
    try:
        system = tuple(dict.fromkeys(SYMBOLS[atomic_number(word)] for word in words))
    except ValueError as error:
        raise ConfigError(f"--system {text}: {error}", hint=hint) from error
    if len(system) not in SIZES:
        raise ConfigError(f"--system {text}: has {len(system)} elements, and two or three can be drawn", hint=hint)
    return system


@dataclass(frozen=True)
class Sample:
    """A crystal of a chemical system.

    Attributes:
        index: Place in the whole input.
        atoms: Symbol -> count.
        formula: As the row states it.
        energy: eV per atom.
        above: Energy above the hull, eV per atom.
    """

    index: int
    atoms: Counter[str]
    formula: str
    energy: float
    above: float


def samples_of(system: System, rows: Iterable[Row]) -> Iterator[Sample]:
    """Crystals of a known energy above the hull that consist of these elements, or of some of them."""
    for row in rows:
        formula, energy, above = str(row["formula"] or ""), row["sun.energy_per_atom"], row["sun.e_above_hull"]
        atoms = atoms_of(formula)
        if atoms and atoms.keys() <= set(system) and isinstance(energy, int | float) and isinstance(above, int | float):
            yield Sample(int(row["index"] or 0), atoms, formula, float(energy), float(above))
