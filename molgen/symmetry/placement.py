"""From a gene to the atoms of a reduced primitive cell, as affine functions of the free parameters of its orbits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from molgen.symmetry.cell import conventional_cell
from molgen.symmetry.gene import Gene
from molgen.symmetry.grid import GRID, on_grid
from molgen.symmetry.groups import SpaceGroup
from molgen.symmetry.niggli import niggli_change


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """``N`` atoms of a gene in a primitive cell, orbit after orbit. Use :func:`place`.

    Fractional coordinates are of the primitive cell. Operation g is f' = R f + t; atoms are f = M u + w, with the free
    parameters u of their orbit, of which those that M has no column for play no part.

    Attributes:
        gene: What was placed.
        lattice: The cell that was expected, vectors as rows in angstrom, right-handed, shape ``(3, 3)``. In it the
            basis is that of the Niggli cell.
        basis: Vectors of the primitive cell in units of the conventional ones, as rows, shape ``(3, 3)``.
        rotations: One operation of each coset of the translations, shape ``(G, 3, 3)``, int64; the first is the
            identity.
        translations: Shape ``(G, 3)``, in [0, 1).
        orbits: Which of the gene's orbits each atom is on, shape ``(N,)``.
        matrices: M of each atom, shape ``(N, 3, 3)``, int64.
        vectors: w of each atom, shape ``(N, 3)``, in [0, 1).
        sources: Which atom each operation brings to each atom, shape ``(G, N)``.
    """

    gene: Gene
    lattice: NDArray[np.float64]
    basis: NDArray[np.float64]
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    orbits: NDArray[np.int64]
    matrices: NDArray[np.int64]
    vectors: NDArray[np.float64]
    sources: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.orbits)

    @property
    def firsts(self) -> NDArray[np.int64]:
        """For each atom the first one of its orbit, shape ``(N,)``."""
        return np.searchsorted(self.orbits, self.orbits)

    def fractional(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates of all atoms, shape ``(N, 3)``, not wrapped.

        Args:
            parameters: Of each orbit, shape ``(orbits, 3)``; uniform in [0, 1) they give uniform orbits.
        """
        moved: NDArray[np.float64] = np.einsum("nij,nj->ni", self.matrices, parameters[self.orbits])
        return moved + self.vectors


def place(gene: Gene, cell: NDArray[np.float64] | None = None) -> Placement:
    """The atoms of a gene in the Niggli cell that belongs to a conventional cell.

    Args:
        gene: One that a crystal can have (:meth:`Gene.problem`).
        cell: Vectors of the conventional cell as rows in angstrom, right-handed, shape ``(3, 3)``; None for
            :func:`molgen.symmetry.cell.conventional_cell`.

    Raises:
        InputError: The cell cannot be reduced, or is not one; "kind: detail".
    """
    group = gene.group
    expected = conventional_cell(gene) if cell is None else cell
    basis = primitive_basis(group)
    basis = niggli_change(basis @ expected) @ basis
    into = np.linalg.inv(basis).T  # of columns of conventional coordinates
    rotations = np.rint(into @ group.rotations @ basis.T).astype(np.int64)
    translations = on_grid(group.translations @ into.T)
    orbits, matrices, vectors, sources = [], [], [], []
    before = 0
    for orbit, (_, k) in enumerate(gene.orbits):
        position = group.positions[k]
        matrix, vector = np.rint(into @ position.matrix).astype(np.int64), into @ position.vector
        ms, ws = rotations @ matrix, on_grid(rotations @ vector + translations)
        codes = np.concatenate([ms.reshape(-1, 9), np.rint(ws * GRID).astype(np.int64)], axis=1)
        # The points that the operations make of the representative, each once, by the first operation that does.
        first = np.sort(np.unique(codes, axis=0, return_index=True)[1])
        orbits.append(np.full(len(first), orbit))
        matrices.append(ms[first])
        vectors.append(ws[first])
        sources.append(before + _sources(rotations, translations, ms[first], ws[first], codes[first]))
        before += len(first)
    return Placement(
        gene=gene,
        lattice=basis @ expected,
        basis=basis,
        rotations=rotations,
        translations=translations,
        orbits=np.concatenate(orbits),
        matrices=np.concatenate(matrices),
        vectors=np.concatenate(vectors),
        sources=np.concatenate(sources, axis=1),
    )


def primitive_basis(group: SpaceGroup) -> NDArray[np.float64]:
    """Some right-handed primitive vectors in units of the conventional ones, as rows, shape ``(3, 3)``."""
    candidates = np.concatenate([group.centrings[1:], np.eye(3)])
    for three in combinations(range(len(candidates)), 3):
        basis = candidates[list(three)]
        volume = float(np.linalg.det(basis))
        if abs(abs(volume) * len(group.centrings) - 1) < 1e-6:
            return basis if volume > 0 else basis[[1, 0, 2]]
    raise AssertionError(f"space group {group.number} has no primitive basis among its centrings")


def _sources(
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
    matrices: NDArray[np.int64],
    vectors: NDArray[np.float64],
    codes: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Which point of an orbit each operation brings to each, shape ``(G, m)``."""
    moved = np.einsum("gij,mjk->gmik", rotations, matrices)
    shifted = on_grid(np.einsum("gij,mj->gmi", rotations, vectors) + translations[:, None])
    images = np.concatenate([moved.reshape(*moved.shape[:2], 9), np.rint(shifted * GRID).astype(np.int64)], axis=-1)
    onto = (images[:, :, None] == codes).all(-1).argmax(-1)  # operation g brings i to onto[g, i]
    back: NDArray[np.int64] = onto.argsort(axis=1)
    return back
