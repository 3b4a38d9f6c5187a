"""Bond lengths, angles and torsions of a molecule, and how much they differ between two of its geometries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

TORSION_BOND = "[!$(*#*)&!D1]~[!$(*#*)&!D1]"
"""Middle bond of a torsion: no end is terminal or takes part in a triple bond."""
LINEAR = 175.0
"""Degrees from which on a bond angle leaves the torsions through it undefined."""

Indices = NDArray[np.int64]
Positions = NDArray[np.float64]


@dataclass(frozen=True)
class InternalCoordinates:
    """Atoms of each internal coordinate of one molecule.

    Attributes:
        bonds: Shape ``(B, 2)``.
        angles: The centre in the middle, shape ``(A, 3)``.
        torsions: Along the chain, every chain of four over each middle bond, shape ``(T, 4)``.
    """

    bonds: Indices
    angles: Indices
    torsions: Indices


@dataclass(frozen=True)
class Changes:
    """Mean absolute changes; None where the molecule has no such coordinate.

    Attributes:
        bonds: In angstrom.
        angles: In degree.
        torsions: In degree, at most 180.
    """

    bonds: float | None
    angles: float | None
    torsions: float | None


def internal_coordinates(mol: Chem.Mol) -> InternalCoordinates:
    """All bonds, all angles between bonds, and the torsions over the bonds that match ``TORSION_BOND``.

    Args:
        mol: Sanitised, hydrogens as atoms.
    """
    neighbours = [[n.GetIdx() for n in atom.GetNeighbors()] for atom in mol.GetAtoms()]
    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    angles = [(i, centre, k) for centre, around in enumerate(neighbours) for i, k in combinations(around, 2)]
    torsions = [
        (i, j, k, l)
        for j, k in mol.GetSubstructMatches(_torsion_bond(), maxMatches=len(bonds) + 1)
        for i in neighbours[j]
        for l in neighbours[k]  # noqa: E741  atoms i, j, k, l are the field's names
        if i != k and l != j and i != l  # the last: a ring of three has no torsion
    ]
    return InternalCoordinates(_rows(bonds, 2), _rows(angles, 3), _rows(torsions, 4))


def bond_lengths(positions: Positions, bonds: Indices) -> NDArray[np.float64]:
    """Lengths in angstrom, shape ``(B,)``."""
    lengths: NDArray[np.float64] = np.linalg.norm(positions[bonds[:, 0]] - positions[bonds[:, 1]], axis=1)
    return lengths


def bond_angles(positions: Positions, angles: Indices) -> NDArray[np.float64]:
    """Angles in degree, 0 to 180, shape ``(A,)``."""
    to_first = positions[angles[:, 0]] - positions[angles[:, 1]]
    to_last = positions[angles[:, 2]] - positions[angles[:, 1]]
    # The arctangent is accurate near 0 and 180 degrees, where the arccosine is not.
    sine, cosine = np.linalg.norm(np.cross(to_first, to_last), axis=1), (to_first * to_last).sum(axis=1)
    return np.asarray(np.degrees(np.arctan2(sine, cosine)))


def torsion_angles(positions: Positions, torsions: Indices) -> NDArray[np.float64]:
    """Angles in degree, -180 to 180, zero for cis (IUPAC), shape ``(T,)``."""
    first, middle, last = (positions[torsions[:, k + 1]] - positions[torsions[:, k]] for k in range(3))
    one, other = np.cross(first, middle), np.cross(middle, last)
    sine = (first * other).sum(axis=1) * np.linalg.norm(middle, axis=1)
    return np.asarray(np.degrees(np.arctan2(sine, (one * other).sum(axis=1))))


def changes(coordinates: InternalCoordinates, before: Positions, after: Positions) -> Changes:
    """Mean absolute changes between two geometries.

    Torsions through an angle of ``LINEAR`` degrees or more in either geometry are left out: they are not defined.

    Args:
        coordinates: Of the molecule.
        before: Coordinates in angstrom, shape ``(N, 3)``.
        after: The same.
    """
    defined = _defined(before, coordinates.torsions) & _defined(after, coordinates.torsions)
    torsions = coordinates.torsions[defined]
    turned = torsion_angles(after, torsions) - torsion_angles(before, torsions)
    return Changes(
        bonds=_mean(bond_lengths(after, coordinates.bonds) - bond_lengths(before, coordinates.bonds)),
        angles=_mean(bond_angles(after, coordinates.angles) - bond_angles(before, coordinates.angles)),
        torsions=_mean((turned + 180.0) % 360.0 - 180.0),
    )


def _defined(positions: Positions, torsions: Indices) -> NDArray[np.bool_]:
    bent = [bond_angles(positions, torsions[:, k : k + 3]) < LINEAR for k in (0, 1)]
    return np.asarray(bent[0] & bent[1])


def _mean(differences: NDArray[np.float64]) -> float | None:
    return float(np.abs(differences).mean()) if len(differences) else None


def _rows(indices: Sequence[tuple[int, ...]], width: int) -> Indices:
    return np.array(indices, np.int64).reshape(-1, width)


@cache
def _torsion_bond() -> Chem.Mol:
    return Chem.MolFromSmarts(TORSION_BOND)
