"""Compositions that no molecule in one piece has, whatever its structure: too few valences for so many atoms."""

from __future__ import annotations

from collections.abc import Sequence

from molgen.elements import VALENCES, hill_formula


def too_saturated(numbers: Sequence[int], charges: Sequence[int]) -> str:
    """Why the atoms cannot be one molecule; empty where they can, or where an element has no table of valences.

    n atoms in one piece have at least n - 1 bonds, and each bond takes a valence of both ends. Every atom is allowed
    the charge that gives it most (N+ takes 4), so that no ion and no radical is excluded.

    Args:
        numbers: Atomic numbers.
        charges: Formal charges that an atom may have.
    """
    total = 0
    for number in numbers:
        most = most_bonds(number, charges)
        if most is None:
            return ""
        total += most
    bonds, needed = total // 2, len(numbers) - 1
    if bonds >= needed:
        return ""
    return (
        f"no molecule in one piece is {hill_formula(numbers)}: its {len(numbers)} atoms need {needed} bonds or more, "
        f"and have valences for {bonds}"
    )


def most_bonds(number: int, charges: Sequence[int]) -> int | None:
    """Largest valence of an element at any of the charges (that of the isoelectronic atom); None where none is known.

    Args:
        number: Atomic number.
        charges: Formal charges; 0 is always among them.
    """
    known = [VALENCES[number - charge][-1] for charge in {0, *charges} if number - charge in VALENCES]
    return max(known) if number in VALENCES else None
