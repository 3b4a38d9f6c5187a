"""Tables of the bonds that an atom of an element and formal charge may have, for stated or perceived bonds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from molgen.chemistry.tables import read_table
from molgen.elements import NUMBERS, SYMBOLS
from molgen.structure import AROMATIC, Structure

State = tuple[int, int]
"""Number of aromatic bonds, and sum of the orders of all other bonds."""

ATOMS_NAMED = 3
"""Unstable atoms that a sentence names before it says "and k more"."""


@dataclass(frozen=True)
class ValenceTable:
    """Which bonds make an atom stable.

    Attributes:
        name: Of the frozen table; part of every score made with it.
        allowed: States by atomic number and formal charge; charge None holds for those without an entry of their own.
        aromatic_is_single: Whether an aromatic bond adds 1 to the sum of orders instead of being counted apart.
        falls_back: Whether a charge without an entry is judged as charge 0; otherwise it is never stable.
    """

    name: str
    allowed: dict[tuple[int, int | None], frozenset[State]]
    aromatic_is_single: bool = False
    falls_back: bool = False

    def states(self, number: int, charge: int) -> frozenset[State]:
        """States in which an atom is stable; empty if there are none."""
        keys = ((number, charge), (number, None), *(((number, 0),) if self.falls_back else ()))
        return next((self.allowed[key] for key in keys if key in self.allowed), frozenset())

    def stable(self, structure: Structure) -> NDArray[np.bool_]:
        """Which atoms of a structure with bonds have allowed ones, shape ``(N,)``; charges that are unknown are 0."""
        atoms = zip(structure.numbers.tolist(), _charges(structure), self._atom_states(structure), strict=True)
        return np.array([state in self.states(number, charge) for number, charge, state in atoms], bool)

    def describe_unstable(self, structure: Structure, stable: NDArray[np.bool_]) -> str:
        """Names the first unstable atoms, counted from 0, with what they have and what is allowed."""
        charges, states = _charges(structure), self._atom_states(structure)
        atoms = np.flatnonzero(~stable).tolist()
        parts = []
        for atom in atoms[:ATOMS_NAMED]:
            number, charge = int(structure.numbers[atom]), charges[atom]
            name = (SYMBOLS[number] if 0 < number < len(SYMBOLS) else f"Z={number}") + (
                f"({charge:+d})" if charge else ""
            )
            allowed = " or ".join(map(self._words, sorted(self.states(number, charge)))) or "nothing"
            parts.append(f"atom {atom} {name} has {self._words(states[atom])}, allowed {allowed}")
        if len(atoms) > ATOMS_NAMED:
            parts.append(f"and {len(atoms) - ATOMS_NAMED} more unstable atoms")
        return ", ".join(parts)

    def _atom_states(self, structure: Structure) -> list[State]:
        if structure.bonds is None:
            raise ValueError("the structure states no bonds")
        ends, orders = structure.bonds[:, :2].ravel(), np.repeat(structure.bonds[:, 2], 2)
        is_aromatic = orders == AROMATIC
        aromatic = np.bincount(ends[is_aromatic], minlength=len(structure)).tolist()
        others = np.bincount(ends[~is_aromatic], orders[~is_aromatic], len(structure)).astype(int).tolist()
        if self.aromatic_is_single:
            return [(0, a + other) for a, other in zip(aromatic, others, strict=True)]
        return list(zip(aromatic, others, strict=True))

    def _words(self, state: State) -> str:
        if self.aromatic_is_single:
            return f"valence {state[1]}"
        return f"{state[0]} aromatic + {state[1]}" if state[0] else f"valence {state[1]}"


@cache
def geom_drugs_table() -> ValenceTable:
    """The table of "GEOM-Drugs Revisited" (Nikitin et al. 2025); an atom with an unlisted charge is unstable."""
    return ValenceTable("geom-drugs-revisited-1", _read_pairs("geom_drugs_valences.csv"))


@cache
def sulfoxide_table() -> ValenceTable:
    """The table of "GEOM-Drugs Revisited" and neutral sulfur with four bonds, as in DMSO drawn S=O."""
    allowed = geom_drugs_table().allowed
    more = _read_pairs("sulfoxide_valences.csv")
    merged = {**allowed, **{key: allowed.get(key, frozenset()) | states for key, states in more.items()}}
    return ValenceTable(f"{geom_drugs_table().name}+sulfoxide-1", merged)


@cache
def legacy_table() -> ValenceTable:
    """The integer table of MiDi (Vignac et al. 2023), by which most published explicit-bond rows were scored."""
    allowed: dict[tuple[int, int | None], frozenset[State]] = {}
    for row in read_table("legacy_valences.csv"):
        charge = int(row["charge"]) if row["charge"] else None
        allowed[NUMBERS[row["element"]], charge] = frozenset((0, int(valence)) for valence in row["allowed"].split())
    return ValenceTable("legacy-integer-1", allowed, aromatic_is_single=True, falls_back=True)


def _read_pairs(name: str) -> dict[tuple[int, int | None], frozenset[State]]:
    allowed: dict[tuple[int, int | None], frozenset[State]] = {}
    for row in read_table(name):
        pairs = (pair.split(":") for pair in row["allowed"].split())
        allowed[NUMBERS[row["element"]], int(row["charge"])] = frozenset((int(a), int(b)) for a, b in pairs)
    return allowed


def _charges(structure: Structure) -> list[int]:
    return [0] * len(structure) if structure.charges is None else structure.charges.tolist()
