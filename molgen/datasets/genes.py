"""The genes of a packed data set of crystals: found once, in parallel, and kept beside the data as plain arrays."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from molgen.chemistry.unit_cell import TIGHT, TOLERANCE, space_group, symmetry
from molgen.datasets.packed import PackedDataset
from molgen.errors import InputError
from molgen.structure import Structure
from molgen.symmetry.batch import GeneBatch
from molgen.symmetry.gene import CELL, Gene
from molgen.workers import ordered_map

_VERSION = 2
_PIECE = 200


class GeneSet:
    """Genes of the crystals of a data set that have one. Use :meth:`open`.

    It serves the training loop as a :class:`PackedDataset` does; a gene's size is its number of orbits.

    Attributes:
        dataset: The crystals.
        rows: Place of each gene's crystal in the data set, shape ``(n,)``.
        groups: Number of each space group, shape ``(n,)``.
        tight: The same at 0.01 angstrom, 0 where none is found, shape ``(n,)``.
        sizes: Orbits of each gene, shape ``(n,)``.
        elements: Atomic number of every orbit, gene after gene.
        places: Index of every orbit's Wyckoff position.
        cells: Conventional cells, lengths in angstrom and angles in degrees, shape ``(n, 6)``.
        parameters: Free parameters of every orbit (:mod:`molgen.chemistry.orbit_parameters`), shape ``(orbits, 3)``;
            NaN where they were not found.
        failed: Crystals without a gene, by kind of reason.
        properties: Values of whole crystals by name, each of shape ``(n,)``, NaN where unknown.
    """

    def __init__(self, dataset: PackedDataset, arrays: dict[str, NDArray], failed: dict[str, int]) -> None:
        self.dataset, self.failed = dataset, failed
        self.rows, self.groups, self.tight = arrays["rows"], arrays["groups"], arrays["tight"]
        self.sizes: NDArray[np.int64] = arrays["sizes"].astype(np.int64)
        self.elements, self.places, self.cells = arrays["elements"], arrays["places"], arrays["cells"]
        self.parameters = arrays["parameters"]
        self._offsets = np.concatenate([[0], np.cumsum(self.sizes)])
        self.properties = {key: np.asarray(column)[self.rows] for key, column in dataset.properties.items()}

    @classmethod
    def open(
        cls, dataset: PackedDataset, *, workers: int = 1, progress: Callable[[int, int | None], None] = lambda *_: None
    ) -> GeneSet:
        """The genes, from ``genes.npz`` in the data set's folder where it fits the data, else found and written there.

        Args:
            dataset: Crystals.
            workers: Processes; -1 for one per core.
            progress: Called with (done, all) while genes are found.

        Raises:
            InputError: The data set holds molecules.
        """
        if "lattice" not in dataset.arrays:
            raise InputError(f"data set {dataset.name} holds molecules, which have no space group")
        file = dataset.folder / "genes.npz"
        found = _read(file, dataset.fingerprint)
        if found is None:
            found = _find(dataset, workers, progress)
            _write(file, dataset.fingerprint, *found)
        return cls(dataset, *found)

    @property
    def name(self) -> str:
        return self.dataset.name

    @property
    def fingerprint(self) -> str:
        """Of the crystals and the genes."""
        digest = hashlib.sha256(self.dataset.fingerprint.encode())
        for array in (self.rows, self.groups, self.sizes, self.elements, self.places):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.rows)

    def indices(self, split: str) -> NDArray[np.int64]:
        """Genes of the crystals of a split, ascending."""
        wanted = np.zeros(len(self.dataset), bool)
        wanted[self.dataset.indices(split)] = True
        return np.flatnonzero(wanted[self.rows])

    def gene(self, index: int) -> Gene:
        """One gene, named as its crystal, with its conventional cell."""
        orbits = slice(*self._offsets[index : index + 2])
        pairs = zip(self.elements[orbits].tolist(), self.places[orbits].tolist(), strict=True)
        cell = dict(zip(CELL, self.cells[index].tolist(), strict=True))
        return Gene(int(self.groups[index]), tuple(pairs), self.dataset.name_of(int(self.rows[index])), cell)

    def parameters_of(self, index: int) -> NDArray[np.float64]:
        """Free parameters of one gene's orbits, shape ``(orbits, 3)``."""
        parameters: NDArray[np.float64] = self.parameters[slice(*self._offsets[index : index + 2])]
        return parameters

    def genes(self, split: str | None = None) -> Iterator[Gene]:
        """All genes, or those of a split, in order."""
        for index in range(len(self)) if split is None else self.indices(split):
            yield self.gene(int(index))

    def batch(self, indices: NDArray[np.int64] | Sequence[int]) -> GeneBatch:
        """Genes as one batch, padded to the one with most orbits."""
        rows = np.asarray(indices, np.int64)
        sizes = self.sizes[rows]
        mask = np.arange(int(sizes.max(initial=0))) < sizes[:, None]
        flat = (self._offsets[rows][:, None] + np.arange(mask.shape[1]))[mask]
        elements, places = np.zeros(mask.shape, np.int64), np.zeros(mask.shape, np.int64)
        elements[mask], places[mask] = self.elements[flat], self.places[flat]
        properties = {key: column[rows] for key, column in self.properties.items()}
        return GeneBatch(
            mask=torch.from_numpy(mask),
            groups=torch.from_numpy(self.groups[rows].astype(np.int64)),
            elements=torch.from_numpy(elements),
            places=torch.from_numpy(places),
            cells=torch.from_numpy(self.cells[rows].astype(np.float32)),
            properties={key: torch.from_numpy(value.astype(np.float32)) for key, value in properties.items()},
        )


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What is found of one crystal: its gene, free parameters, and the number of its group at the tight tolerance."""

    gene: Gene
    parameters: NDArray[np.float64]
    tight: int


def _found(structure: Structure) -> _Found | str:
    """What is found of a crystal, or why it has no gene."""
    from molgen.chemistry.genes import gene_of_symmetry
    from molgen.chemistry.orbit_parameters import parameters_of

    found = symmetry(structure, TOLERANCE)
    try:
        gene = gene_of_symmetry(structure, found, TOLERANCE)
    except InputError as error:
        return str(error).partition(": ")[0]
    parameters = np.full((len(gene), 3), np.nan)
    with suppress(InputError):
        parameters = parameters_of(found, gene)
    return _Found(gene=gene, parameters=parameters, tight=space_group(structure, TIGHT) or 0)


def _find_all(structures: list[Structure]) -> list[_Found | str]:
    return [_found(structure) for structure in structures]


def _find(
    dataset: PackedDataset, workers: int, progress: Callable[[int, int | None], None]
) -> tuple[dict[str, NDArray], dict[str, int]]:
    starts = range(0, len(dataset), _PIECE)
    pieces = ([dataset.structure(i) for i in range(at, min(at + _PIECE, len(dataset)))] for at in starts)
    results = chain.from_iterable(ordered_map(_find_all, pieces, workers))
    failed: Counter[str] = Counter()
    kept: list[tuple[int, _Found]] = []
    for row, found in enumerate(results):
        progress(row + 1, len(dataset))
        if isinstance(found, str):
            failed[found] += 1
        else:
            kept.append((row, found))
    genes = [found.gene for _, found in kept]
    orbits = np.array([orbit for gene in genes for orbit in gene.orbits], np.int64).reshape(-1, 2)
    arrays: dict[str, NDArray] = {
        "rows": np.array([row for row, _ in kept], np.int64),
        "groups": np.array([gene.number for gene in genes], np.int16),
        "tight": np.array([found.tight for _, found in kept], np.int16),
        "sizes": np.array([len(gene) for gene in genes], np.int32),
        "elements": orbits[:, 0].astype(np.int16),
        "places": orbits[:, 1].astype(np.int8),
        "cells": np.array([[gene.properties[key] for key in CELL] for gene in genes]).reshape(-1, 6),
        "parameters": np.concatenate([np.empty((0, 3)), *(found.parameters for _, found in kept)]),
    }
    return arrays, dict(failed)


def _write(file: Path, fingerprint: str, arrays: dict[str, NDArray], failed: dict[str, int]) -> None:
    facts = json.dumps({"version": _VERSION, "fingerprint": fingerprint, "tolerance": TOLERANCE, "failed": failed})
    temporary = file.with_name(f".{os.getpid()}.{file.name}")
    with suppress(OSError):  # a folder that cannot be written to: the genes are found again next time
        with temporary.open("wb") as opened:
            np.savez_compressed(opened, facts=np.array(facts), **arrays)  # type: ignore[arg-type]
        temporary.replace(file)


def _read(file: Path, fingerprint: str) -> tuple[dict[str, NDArray], dict[str, int]] | None:
    """What :func:`_write` wrote for the same data; None where there is nothing that fits."""
    try:
        with np.load(file, allow_pickle=False) as opened:
            facts: dict[str, Any] = json.loads(str(opened["facts"]))
            arrays = {key: opened[key] for key in opened.files if key != "facts"}
    except Exception:  # numpy's reader fails in many ways on damaged bytes
        return None
    wanted = {"version": _VERSION, "fingerprint": fingerprint, "tolerance": TOLERANCE}
    return (arrays, facts["failed"]) if all(facts.get(key) == value for key, value in wanted.items()) else None
