"""Crystals of a gene with random free parameters, no two atoms too near: to be relaxed, or to compare a model with."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from molgen.elements import COVALENT_RADII, UNKNOWN_RADIUS
from molgen.errors import InputError
from molgen.structure import Structure
from molgen.symmetry.cell import states_cell
from molgen.symmetry.gene import Gene
from molgen.symmetry.placement import Placement, place

SEPARATION = 0.7
"""Least distance of two atoms over the sum of their covalent radii, where no other is asked for."""
_DRAWS = 32
"""Of an orbit's free parameters, tried together."""
_ATTEMPTS = 20
"""Beginnings with other first orbits."""
_IMAGES = np.array(list(product((-1, 0, 1), repeat=3)), np.float64)


def random_crystal(gene: Gene, rng: np.random.Generator, separation: float = SEPARATION) -> Structure:
    """A crystal of the gene's space group and orbits, exactly symmetric, in its stated cell or a plausible one, which
    grows by 2 % with each attempt that fails.

    Orbits are drawn one after the other, those of fewest free parameters first; each takes the first of ``_DRAWS``
    draws that lies far enough from those before it and from itself. Where none does, all begins anew.

    Args:
        gene: One that a crystal can have.
        rng: Of the draws.
        separation: Least distance of two atoms, images included, over the sum of their covalent radii.

    Returns:
        The primitive cell, with the gene's name and properties.

    Raises:
        InputError: ``_ATTEMPTS`` attempts failed, or there is no cell; "kind: detail".
    """
    placed = place(gene)
    radii = np.array([COVALENT_RADII.get(z, UNKNOWN_RADIUS) for z in gene.numbers])
    vectors = _IMAGES[_IMAGES.any(axis=1)] @ placed.lattice
    # Images of one atom are as far apart as the cell says, wherever it lies.
    nearest, growth = np.linalg.norm(vectors, axis=1).min() / (2 * radii.max()), 1.0 if states_cell(gene) else 1.02
    if nearest * growth ** ((_ATTEMPTS - 1) / 3) < separation:
        raise InputError(f"small cell: an atom's own image is at {nearest:.2f} of the sum of radii, not {separation:g}")
    freedom = np.array([gene.group.positions[k].freedom for _, k in gene.orbits])
    for attempt in range(_ATTEMPTS):
        scale = growth ** (attempt / 3)
        lattice = placed.lattice * scale
        parameters = _attempt(placed, lattice, radii, freedom, rng, separation)
        if parameters is not None and nearest * scale >= separation:
            return Structure(
                numbers=np.array(gene.numbers),
                positions=np.mod(placed.fractional(parameters), 1.0) @ lattice,
                lattice=lattice,
                name=gene.name,
                properties=dict(gene.properties),
            )
    raise InputError(f"no room: after {_ATTEMPTS} attempts some atoms are nearer than {separation:g} of their radii")


def _attempt(
    placed: Placement,
    lattice: NDArray[np.float64],
    radii: NDArray[np.float64],
    freedom: NDArray[np.int64],
    rng: np.random.Generator,
    separation: float,
) -> NDArray[np.float64] | None:
    """Free parameters of every orbit, shape ``(orbits, 3)``; None where an orbit found no room."""
    parameters, done = np.zeros((len(freedom), 3)), np.empty(0, np.int64)
    where = np.zeros((len(placed), 3))
    order = rng.permutation(len(freedom))
    for orbit in order[np.argsort(freedom[order], kind="stable")]:
        atoms = np.flatnonzero(placed.orbits == orbit)
        draws = rng.random((_DRAWS if freedom[orbit] else 1, 3))
        tried = np.einsum("nij,dj->dni", placed.matrices[atoms], draws) + placed.vectors[atoms]
        others = np.broadcast_to(where[done], (len(draws), len(done), 3))
        rows = np.concatenate([done, atoms])
        apart = _distances(tried, np.concatenate([others, tried], axis=1), lattice)
        apart /= radii[atoms][:, None] + radii[rows]
        apart[:, np.arange(len(atoms)), len(done) + np.arange(len(atoms))] = np.inf
        fits = np.flatnonzero(apart.min((1, 2)) >= separation)
        if not len(fits):
            return None
        parameters[orbit], where[atoms] = draws[fits[0]], tried[fits[0]]
        done = rows
    return parameters


def _distances(
    ones: NDArray[np.float64], others: NDArray[np.float64], lattice: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shortest over all images in a Niggli cell, shape ``(D, n, m)`` of fractional ``(D, n, 3)``, ``(D, m, 3)``."""
    apart = ones[:, :, None] - others[:, None]
    apart -= np.round(apart)
    squared = np.min([np.square((apart + image) @ lattice).sum(-1) for image in _IMAGES], axis=0)
    distances: NDArray[np.float64] = np.sqrt(squared)
    return distances
