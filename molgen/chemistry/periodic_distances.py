"""Distances between the atoms of a crystal and to their own images, exact for any shape of cell, and its densities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from molgen.chemistry.unit_cell import canonical_cell
from molgen.elements import COVALENT_RADII, UNKNOWN_RADIUS
from molgen.structure import Structure

_IMAGES = np.array(list(product((-1, 0, 1), repeat=3)), np.float64)
GRAMS_PER_CM3 = 1.66053906660
"""Of one dalton per cubic angstrom (CODATA 2018)."""


@dataclass(frozen=True)
class CellDistances:
    """A crystal in its Niggli cell, in which the 26 neighbouring cells hold every nearest image.

    Attributes:
        structure: In its Niggli cell; see :func:`molgen.chemistry.unit_cell.canonical_cell`.
    """

    structure: Structure

    @classmethod
    def of(cls, structure: Structure) -> CellDistances:
        """Reduce the cell; raises InputError, "kind: detail", where the lattice is missing, flat or too skewed."""
        return cls(canonical_cell(structure))

    @property
    def lattice(self) -> NDArray[np.float64]:
        """Of the Niggli cell: rows in angstrom, shape ``(3, 3)``."""
        assert self.structure.lattice is not None
        return self.structure.lattice

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """Of every two atoms, the shortest over all images, in angstrom, shape ``(N, N)``; zero on the diagonal."""
        fractional = self.structure.positions @ np.linalg.inv(self.lattice)
        apart = fractional[:, None] - fractional
        apart -= np.round(apart)
        squared = np.min([np.square((apart + image) @ self.lattice).sum(-1) for image in _IMAGES], axis=0)
        distances: NDArray[np.float64] = np.sqrt(squared)
        np.fill_diagonal(distances, 0.0)
        return distances

    @cached_property
    def nearest_pair(self) -> float:
        """Distance in angstrom of the two nearest atoms, own images left out; infinite for one atom."""
        others = ~np.eye(len(self.structure), dtype=np.bool_)
        return float(self.distances[others].min(initial=np.inf))

    @cached_property
    def translation(self) -> float:
        """Length in angstrom of the shortest lattice vector, which is how far an atom is from its nearest own image."""
        vectors = _IMAGES[_IMAGES.any(axis=1)] @ self.lattice
        return float(np.linalg.norm(vectors, axis=1).min())

    @property
    def volume(self) -> float:
        """Of the cell, cubic angstrom."""
        return float(np.linalg.det(self.lattice))

    @property
    def atomic_density(self) -> float:
        """Atoms per cubic angstrom."""
        return len(self.structure) / self.volume

    @property
    def mass_density(self) -> float:
        """Grams per cubic centimetre, with pymatgen's standard atomic masses."""
        mass = sum(_mass(number) for number in self.structure.numbers.tolist())
        return GRAMS_PER_CM3 * mass / self.volume

    @property
    def elongation(self) -> float:
        """Longest edge over the smallest distance between opposite faces; 1 for a cube."""
        edges = np.linalg.norm(self.lattice, axis=1)
        heights = 1 / np.linalg.norm(np.linalg.inv(self.lattice), axis=0)
        return float(edges.max() / heights.min())

    def closeness(self) -> tuple[float, tuple[int, int]]:
        """Smallest distance over the sum of the two covalent radii (Cordero 2008), and the two atoms, from 0.

        An atom's own image counts with twice its radius; then the two are the same.
        """
        radii = np.array([COVALENT_RADII.get(z, UNKNOWN_RADIUS) for z in self.structure.numbers.tolist()])
        ratios = self.distances / (radii[:, None] + radii)
        np.fill_diagonal(ratios, self.translation / (2 * radii))
        i, j = np.unravel_index(np.argmin(ratios), ratios.shape)
        return float(ratios[i, j]), (int(min(i, j)), int(max(i, j)))


@cache
def _mass(number: int) -> float:
    from pymatgen.core.periodic_table import Element

    return float(Element.from_Z(number).atomic_mass)
