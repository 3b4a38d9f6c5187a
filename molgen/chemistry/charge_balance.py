"""Charge balance of a composition: CDVAE's compositional validity, with the oxidation states that papers used.

The states are those of SMACT's set of 2014, which SMACT gave by default before version 3 (its change, PR 346, moved the
scores of all papers that ran with another version); ``smact14.csv`` pins them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import combinations

from molgen.chemistry.composition import Composition, reduced_composition
from molgen.elements import NUMBERS

TABLE = "smact14"


@dataclass(frozen=True)
class Ion:
    """What is known of an element's ions.

    Attributes:
        states: Oxidation states, ascending; empty where none are known.
        electronegativity: On Pauling's scale, or None.
        metal: Whether SMACT counts it as one.
    """

    states: tuple[int, ...] = ()
    electronegativity: float | None = None
    metal: bool = False


@cache
def ions() -> dict[int, Ion]:
    """The table by atomic number."""
    text = files("molgen.chemistry").joinpath("smact14.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {
        NUMBERS[row["symbol"]]: Ion(
            tuple(sorted(int(state) for state in row["oxidation_states"].split(";") if state)),
            float(row["electronegativity"]) if row["electronegativity"] else None,
            row["metal"] == "1",
        )
        for row in rows
    }


def is_charge_balanced(numbers: Sequence[int]) -> bool:
    """Whether some choice of one oxidation state per element is neutral and gives anions the larger electronegativity.

    An element alone is balanced, and so is any alloy of metals. Fe3O4 is not: all atoms of an element have one state.
    This is the test of CDVAE (Xie et al., ICLR 2022), after SMACT (Davies et al. 2016); DiffCSP's gives up, and calls
    unbalanced, what has more than 10^7 choices.

    Args:
        numbers: Atomic number of each atom, shape ``(N,)``, in any order.
    """
    return _balanced(reduced_composition(numbers))


@lru_cache(maxsize=1 << 16)
def _balanced(formula: Composition) -> bool:
    table = [ions().get(z, Ion()) for z, _ in formula]
    if len(formula) == 1 or all(ion.metal for ion in table):
        return True
    charges = [[count * state for state in ion.states] for ion, (_, count) in zip(table, formula, strict=True)]
    if not all(charges):
        return False
    scale = [ion.electronegativity for ion in table]
    known = [value for value in scale if value is not None]
    if len(known) == len(scale):
        return any(_divided(charges, known, limit) for limit in sorted(set(known)))
    return any(_obeys_pauling(choice, scale) for choice in _neutral(charges))


def _divided(charges: list[list[int]], scale: list[float], limit: float) -> bool:
    """Whether the charges can be neutral with cations up to an electronegativity and anions beyond it.

    A choice obeys Pauling's rule for some such limit and for no other reason. Sums are added up element by element, so
    that the many choices of many elements are not gone through.
    """
    sums = {0}
    for options, value in zip(charges, scale, strict=True):
        allowed = [charge for charge in options if charge == 0 or (charge > 0) == (value <= limit)]
        sums = {total + charge for total in sums for charge in allowed}
    return 0 in sums


def _neutral(charges: list[list[int]]) -> Iterator[tuple[int, ...]]:
    """Choices of one charge per element that add up to zero; branches that no longer can are cut."""
    least, most = [0], [0]
    for options in reversed(charges):
        least.append(least[-1] + options[0])
        most.append(most[-1] + options[-1])
    least.reverse()
    most.reverse()

    def extend(chosen: tuple[int, ...], total: int) -> Iterator[tuple[int, ...]]:
        k = len(chosen)
        if k == len(charges):
            yield chosen
            return
        for charge in charges[k]:
            if least[k + 1] <= -(total + charge) <= most[k + 1]:
                yield from extend((*chosen, charge), total + charge)

    return extend((), 0)


def _obeys_pauling(charges: tuple[int, ...], scale: list[float | None]) -> bool:
    """Whether no cation is as electronegative as an anion; unknown values end the test with yes, as in CDVAE."""
    for (charge, value), (other_charge, other_value) in combinations(zip(charges, scale, strict=True), 2):
        if charge * other_charge < 0:
            if value is None or other_value is None:
                return True
            cation, anion = (value, other_value) if charge > 0 else (other_value, value)
            if cation >= anion:
                return False
    return True
