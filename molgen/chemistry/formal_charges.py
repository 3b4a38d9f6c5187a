"""Total charge of a structure, and formal charges for a molecule whose bond orders are known and charges are not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molgen.elements import VALENCES
from molgen.structure import Structure

CHARGE_PROPERTIES = ("total_charge", "charge")
"""Properties that state the total charge, the first one found counts."""

_CHARGED_BY_VALENCE = {
    (5, 4): -1,
    **{(pnictogen, 4): 1 for pnictogen in (7, 15)},
    **{(chalcogen, 3): 1 for chalcogen in (8, 16, 34)},
    **{(halogen, 2): 1 for halogen in (9, 17, 35, 53)},
    **{(alkali, 0): 1 for alkali in (3, 11, 19, 37, 55)},
    **{(earth, 0): 2 for earth in (12, 20, 38, 56)},
}
"""(element, sum of bond orders) that only an ion has: borate, ammonium, oxonium and the like, bare metal ions."""
_ANIONS = (9, 8, 17, 35, 53, 16, 34, 7, 15, 6)
"""Elements that take a negative charge where a bond is missing, the readiest first; positive charges likewise."""
_CATIONS = (1, 6)


def stated_charge(structure: Structure) -> int | None:
    """Total charge in elementary charges, or None where the structure states none.

    The sum of formal charges, unless they are all zero and no bonds are stated (an SDF without bonds cannot leave
    charges out); else a whole number in one of ``CHARGE_PROPERTIES``.
    """
    charges = structure.charges
    if charges is not None and (structure.bonds is not None or charges.any()):
        return int(charges.sum())
    for name in CHARGE_PROPERTIES:
        value = structure.properties.get(name)
        if isinstance(value, int | float | np.number) and np.isfinite(value) and value == round(float(value)):
            return round(float(value))
    return None


@dataclass
class Charged:
    """A molecule on the way to its formal charges.

    Attributes:
        bonds: Rows ``(i, j, order)``, shape ``(M, 3)``; a carbocation beside nitrogen becomes C=N+.
        charges: Formal charges, shape ``(N,)``.
    """

    bonds: NDArray[np.int64]
    charges: NDArray[np.int64]


def assign_charges(numbers: NDArray[np.int64], bonds: NDArray[np.int64], total: int | None) -> Charged:
    """Formal charges that bond orders imply.

    First the atoms that only an ion can explain (N with four bonds is +1, B with four is -1). What is then missing to
    the total charge goes to atoms that lack a bond: negative to the most electronegative, positive to hydrogen and
    carbon. Atoms still lacking a bond afterwards are radicals and stay so.

    Args:
        numbers: Atomic numbers, shape ``(N,)``.
        bonds: Rows ``(i, j, order)``, order 1 to 3, shape ``(M, 3)``.
        total: Total charge; None aims at 0.

    Returns:
        Charges that add up to ``total`` where the bonds allow it; otherwise they do not.
    """
    made = Charged(bonds.copy(), np.zeros(len(numbers), np.int64))
    valences = np.bincount(bonds[:, :2].ravel(), np.repeat(bonds[:, 2], 2), len(numbers)).astype(int)
    for atom, key in enumerate(zip(numbers.tolist(), valences.tolist(), strict=True)):
        made.charges[atom] = _CHARGED_BY_VALENCE.get(key, 0)
    rest = (total or 0) - int(made.charges.sum())
    missing = {
        atom: VALENCES[z][0] - int(valences[atom])
        for atom, z in enumerate(numbers.tolist())
        if not made.charges[atom] and z in VALENCES and valences[atom] < VALENCES[z][0]
    }
    sign = 1 if rest > 0 else -1
    order = _CATIONS if rest > 0 else _ANIONS
    takers = sorted((atom for atom in missing if numbers[atom] in order), key=lambda atom: order.index(numbers[atom]))
    for atom in takers:
        taken = min(missing[atom], abs(rest)) if sign < 0 else min(1, rest)
        made.charges[atom] = sign * taken
        rest -= sign * taken
        if sign > 0 and numbers[atom] == 6 and taken:
            _to_iminium(numbers, valences, made, atom)
    return made


def _to_iminium(numbers: NDArray[np.int64], valences: NDArray[np.int64], made: Charged, carbon: int) -> None:
    """Move the charge of a carbocation to a neighbour with a lone pair, C+-N to C=N+ (or C=O+ without nitrogen)."""
    for donor, full in ((7, 3), (8, 2)):
        for row, (i, j, _) in enumerate(made.bonds.tolist()):
            other = j if i == carbon else i if j == carbon else None
            if other is None or numbers[other] != donor or valences[other] != full or made.charges[other]:
                continue
            made.bonds[row, 2] += 1
            made.charges[[carbon, other]] = 0, 1
            valences[[carbon, other]] += 1
            return
