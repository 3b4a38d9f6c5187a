"""Known crystals as templates: of the same stoichiometry, with the elements exchanged for those that are wanted.

Prediction by substitution needs no model, and is a baseline that a model of crystals should beat (docs/results.md).
Elements are compared on the scale of Pettifor (J. Phys. C 1986, 19, 285).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from molgen.datasets.labels import distinct_labels
from molgen.elements import COVALENT_RADII, MENDELEEV_NUMBERS
from molgen.errors import InputError
from molgen.geometry.periodic import offsets
from molgen.structure import Structure

KEPT = 1000
"""Compositions whose templates are kept once found."""
SAME = 0.08
"""Largest difference of any distance, over the cube root of the volume per atom, between copies of one prototype."""
_OFFSETS = offsets(1, torch.empty(0, dtype=torch.float64)).numpy()


class Prototypes:
    """Known crystals by their stoichiometry and number of atoms.

    Args:
        known: Structures in reduced cells, as a model sees them in training (:func:`molgen.canonical_cell`); those
            without a lattice, or with elements beyond curium, are passed over.

    Raises:
        InputError: There is no crystal among them.
    """

    def __init__(self, known: Iterable[Structure]) -> None:
        crystals = [s for s in known if s.lattice is not None and COVALENT_RADII.keys() >= set(s.numbers.tolist())]
        names = distinct_labels([crystal.name for crystal in crystals])
        self.crystals = [crystal.replace(name=name) for crystal, name in zip(crystals, names, strict=True)]
        if not self.crystals:
            raise InputError("no crystal that could be a template")
        rows: dict[tuple[int, ...], list[int]] = defaultdict(list)
        scales: dict[tuple[int, ...], list[list[int]]] = defaultdict(list)
        for row, crystal in enumerate(self.crystals):
            elements, counts = _ordered(crystal.numbers)
            rows[counts].append(row)
            scales[counts].append([MENDELEEV_NUMBERS[z] for z in elements])
        self._rows = {counts: np.array(members) for counts, members in rows.items()}
        self._scales = {counts: np.array(places) for counts, places in scales.items()}
        self._found: dict[tuple[int, ...], tuple[list[Structure], Iterator[Structure]]] = {}

    def sha256(self) -> str:
        """Of the known crystals, in hexadecimal."""
        digest = hashlib.sha256()
        for crystal in self.crystals:
            digest.update(repr((crystal.name, crystal.numbers.tolist())).encode())
            digest.update(crystal.positions.tobytes() + np.asarray(crystal.lattice).tobytes())
        return digest.hexdigest()

    def template(self, numbers: Sequence[int], rank: int = 0) -> Structure | None:
        """A known crystal with the wanted elements: the likeliest, or the next ones, no two of one prototype.

        Elements that occur equally often pair up along Pettifor's scale, which makes the sum of differences least;
        known crystals come by the mean difference per atom, and among equals as they were given. Volumes are scaled
        with the cubed covalent radii. The name is the known crystal's, or its place where names are not distinct
        (:func:`molgen.datasets.labels.distinct_labels`).

        Args:
            numbers: Atomic numbers of one cell; the template has its atoms in this order.
            rank: How many better ones are passed over.

        Returns:
            None where there are not so many.
        """
        key = tuple(numbers)
        while len(self._found) > KEPT and key not in self._found:
            self._found.pop(next(iter(self._found)))
        found, further = self._found.setdefault(key, ([], self._different(np.array(key))))
        found += islice(further, max(0, rank + 1 - len(found)))
        return found[rank] if rank < len(found) else None

    def _different(self, numbers: NDArray[np.int64]) -> Iterator[Structure]:
        wanted, counts = _ordered(numbers)
        if counts not in self._rows or not COVALENT_RADII.keys() >= set(wanted):
            return
        place = [MENDELEEV_NUMBERS[z] for z in wanted]
        differences = np.abs(self._scales[counts] - place) @ np.array(counts)
        seen = np.empty((0, len(numbers) * len(numbers)))
        for row in self._rows[counts][differences.argsort(kind="stable")]:
            template = _exchanged(self.crystals[row], wanted, numbers)
            distances = _distances(template)
            if len(seen) and bool((np.abs(seen - distances).max(1) < SAME).any()):
                continue
            seen = np.vstack([seen, distances])
            yield template


def _ordered(numbers: NDArray[np.integer]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Elements, the rarest first, those of one count along Pettifor's scale; and their counts."""
    elements, counts = np.unique(numbers, return_counts=True)
    order = sorted(range(len(elements)), key=lambda i: (counts[i], MENDELEEV_NUMBERS.get(int(elements[i]), 0)))
    return tuple(int(elements[i]) for i in order), tuple(int(counts[i]) for i in order)


def _exchanged(known: Structure, wanted: tuple[int, ...], numbers: NDArray[np.int64]) -> Structure:
    """The crystal with other elements, atoms in the order of ``numbers``, in a cell that suits them."""
    present = _ordered(known.numbers)[0]
    exchange = dict(zip(present, wanted, strict=True))
    exchanged = np.array([exchange[z] for z in known.numbers.tolist()])
    stretch = (_volume(exchanged) / _volume(known.numbers)) ** (1 / 3)
    rows = np.empty(len(numbers), np.int64)
    rows[numbers.argsort(kind="stable")] = exchanged.argsort(kind="stable")
    assert known.lattice is not None
    return Structure(
        numbers=numbers, positions=known.positions[rows] * stretch, lattice=known.lattice * stretch, name=known.name
    )


def _volume(numbers: NDArray[np.integer]) -> float:
    return sum(COVALENT_RADII[z] ** 3 for z in numbers.tolist())


def _distances(crystal: Structure) -> NDArray[np.float64]:
    """Shortest distances between the elements' atoms, and the edges, over the cube root of the volume per atom.

    Sorted for each pair of elements, so that the order of atoms of one element plays no part; flat, shape ``(N^2,)``,
    an atom's distance to itself being the shortest to its own images.
    """
    assert crystal.lattice is not None
    fractional = crystal.positions @ np.linalg.inv(crystal.lattice)
    difference = fractional[:, None] - fractional
    images = (difference - difference.round())[:, :, None] + _OFFSETS
    lengths = np.linalg.norm(images @ crystal.lattice, axis=-1)
    lengths[lengths < 1e-6] = np.inf
    nearest = lengths.min(-1) / np.cbrt(abs(np.linalg.det(crystal.lattice)) / len(crystal))
    z = crystal.numbers
    pairs = 1000 * np.minimum.outer(z, z) + np.maximum.outer(z, z)
    ordered: NDArray[np.float64] = nearest.ravel()[np.lexsort((nearest.ravel(), pairs.ravel()))]
    return ordered
