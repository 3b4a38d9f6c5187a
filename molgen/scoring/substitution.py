"""Prediction of crystals without a model: a known crystal of the same stoichiometry with the elements exchanged.

A baseline that a model of crystals should beat. Crystal structure prediction by substitution is old; ranking by
Pettifor's scale of elements is as in Glawe et al. 2016 (New J. Phys. 18, 093011).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from molgen.elements import COVALENT_RADII
from molgen.structure import Structure


class Prototypes:
    """Known crystals by their stoichiometry and size.

    Args:
        known: Structures with a lattice.
    """

    def __init__(self, known: Iterable[Structure]) -> None:
        self.crystals: list[Structure] = list(known)
        rows: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for row, crystal in enumerate(self.crystals):
            rows[_ordered(crystal.numbers)[1]].append(row)
        self._rows = dict(rows)
        self._scales = {
            counts: np.array([_scales(_ordered(self.crystals[row].numbers)[0]) for row in members])
            for counts, members in rows.items()
        }

    def predict(self, numbers: Sequence[int] | NDArray[np.integer]) -> Structure | None:
        """The most similar known crystal with the elements exchanged, None where no stoichiometry fits.

        Elements of equal count pair up along Pettifor's scale, which makes the sum of differences least; the known
        crystal with the least mean difference per atom is taken (the first of them), its volume scaled with the cubed
        covalent radii.

        Args:
            numbers: Atomic numbers of one cell.
        """
        wanted, counts = _ordered(np.asarray(numbers))
        if counts not in self._rows:
            return None
        differences = np.abs(self._scales[counts] - np.array(_scales(wanted))) @ np.array(counts)
        found = self.crystals[self._rows[counts][int(differences.argmin())]]
        present = _ordered(found.numbers)[0]
        exchanged = np.array([dict(zip(present, wanted, strict=True))[int(number)] for number in found.numbers])
        stretch = (_volume(exchanged) / _volume(found.numbers)) ** (1 / 3)
        assert found.lattice is not None
        return Structure(numbers=exchanged, positions=found.positions * stretch, lattice=found.lattice * stretch)


def _ordered(numbers: NDArray[np.integer]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Elements by count, the rarest first, then along Pettifor's scale; and their counts."""
    elements, counts = np.unique(numbers, return_counts=True)
    order = sorted(range(len(elements)), key=lambda i: (counts[i], _scale(int(elements[i]))))
    return tuple(int(elements[i]) for i in order), tuple(int(counts[i]) for i in order)


def _scales(elements: Sequence[int]) -> list[float]:
    return [_scale(element) for element in elements]


@cache
def _scale(number: int) -> float:
    """Place of an element on Pettifor's scale (Mendeleev number)."""
    from pymatgen.core.periodic_table import Element

    return float(Element.from_Z(number).mendeleev_no)


def _volume(numbers: NDArray[np.integer]) -> float:
    return sum(COVALENT_RADII[int(number)] ** 3 for number in numbers)
