"""What a model is told of its training set, computed from the packed arrays in pieces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from molgen.datasets.genes import GeneSet
from molgen.datasets.packed import PackedDataset
from molgen.geometry.lattice import symmetric_log
from molgen.models import DataSummary
from molgen.models.gene_features import cell_numbers
from molgen.models.gene_vocabulary import position_codes

_PIECE = 20_000
"""Structures whose arrays are in memory at once."""
PREDICTED = ("formation_energy_per_atom", "energy_above_hull", "band_gap")
"""Properties of a data set that a model of genes learns to predict (eV per atom, eV per atom, eV), with the cell."""
_LEAST_STD = 0.01


def summarise(dataset: PackedDataset) -> DataSummary:
    """Elements, sizes and, where the data set states them, charges, bonds and cells of the training split."""
    train = dataset.indices("train")
    elements = np.zeros(119, np.int64)
    charges, bonds = np.zeros(256, np.int64), np.zeros(256, np.int64)
    squared, coordinates, pairs = 0.0, 0, 0
    for start in range(0, len(train), _PIECE):
        rows = train[start : start + _PIECE]
        sizes = dataset.sizes[rows]
        atoms = _flat(dataset.arrays["offsets"], rows)
        elements += np.bincount(dataset.arrays["numbers"][atoms], minlength=119)
        positions = np.asarray(dataset.arrays["positions"][atoms], np.float64)
        firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        means = np.add.reduceat(positions, firsts) / sizes[:, None]
        squared += float(np.square(positions - np.repeat(means, sizes, axis=0)).sum())
        coordinates += 3 * int(sizes.sum())
        pairs += int((sizes * (sizes - 1) // 2).sum())
        if "charges" in dataset.arrays:
            charges += np.bincount(dataset.arrays["charges"][atoms].astype(np.int64) + 128, minlength=256)
        if "bonds" in dataset.arrays:
            found = dataset.arrays["bonds"][_flat(dataset.arrays["bond_offsets"], rows), 2]
            bonds += np.bincount(found, minlength=256)
    bonds[0] = pairs - int(bonds.sum()) if "bonds" in dataset.arrays else 0
    orders = np.flatnonzero(bonds[1:]) + 1
    if "bonds" in dataset.arrays:
        orders = np.concatenate([[0], orders])  # class 0 is no bond, even if all pairs have one
    kinds = np.array(dataset.elements)
    mean, std = _lattice_moments(dataset, train) if "lattice" in dataset.arrays else ((), ())
    return DataSummary(
        elements=tuple(dataset.elements),
        size_histogram=tuple(dataset.size_histogram("train").tolist()),
        element_counts=tuple(elements[kinds].tolist()),
        charges=tuple((np.flatnonzero(charges) - 128).tolist()),
        charge_counts=tuple(charges[charges > 0].tolist()),
        bond_orders=tuple(orders.tolist()),
        bond_counts=tuple(bonds[orders].tolist()),
        position_std=float(np.sqrt(squared / max(coordinates, 1))),
        lattice_mean=mean,
        lattice_std=std,
    )


def _lattice_moments(dataset: PackedDataset, rows: NDArray[np.int64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the coefficients that :class:`DataSummary` names, over the given crystals."""
    coefficients = symmetric_log(torch.from_numpy(np.asarray(dataset.arrays["lattice"][rows], np.float64)))
    coefficients[:, 5] -= torch.from_numpy(dataset.sizes[rows]).log() / 3
    std, mean = torch.std_mean(coefficients, dim=0, correction=0)
    return tuple(mean.tolist()), tuple(std.tolist())


def _flat(offsets: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of all entries of the given rows, one row after the other."""
    first, counts = offsets[rows], offsets[rows + 1] - offsets[rows]
    return np.repeat(first - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(counts.sum())


def with_genes(summary: DataSummary, genes: GeneSet) -> DataSummary:
    """The summary of a data set of crystals, with what a model of their genes needs to know."""
    train = genes.indices("train")
    batch = genes.batch(train)
    numbers = cell_numbers(batch.cells.double(), batch.num_atoms, batch.groups)
    values = {**{key: batch.properties[key].double() for key in PREDICTED if key in batch.properties}, **numbers}
    finite = {key: value[torch.isfinite(value)] for key, value in values.items()}
    finite = {key: value for key, value in finite.items() if len(value) > 1}
    return replace(
        summary,
        space_groups=tuple(np.bincount(genes.groups[train], minlength=231).tolist()),
        orbit_histogram=tuple(np.bincount(genes.sizes[train]).tolist()),
        wyckoff_positions=position_codes(),
        property_names=tuple(finite),
        property_mean=tuple(float(value.mean()) for value in finite.values()),
        property_std=tuple(max(float(value.std()), _LEAST_STD) for value in finite.values()),
    )
