"""Packed data sets: a folder of plain .npy files and a meta.json, opened memory-mapped and without pickle.

    numbers.npy (A,) uint8          positions.npy (A, 3) float32, angstrom     offsets.npy (n + 1,) int64
    split.npy (n,) uint8            charges.npy (A,) int8 [optional]           lattice.npy (n, 3, 3) float64 [optional]
    bonds.npy (M, 3) uint16 [opt.]  bond_offsets.npy (n + 1,) int64 [opt.]     properties.npy (n, P) float64 [opt.]
    names.npy (bytes,) uint8 [opt.] name_offsets.npy (n + 1,) int64 [opt.]

Atoms of structure ``i`` are rows ``offsets[i]:offsets[i + 1]``; bonds are rows ``(i, j, order)`` counted from the
structure's own first atom. Columns of properties.npy are named by "property_names" in meta.json; NaN is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from molgen.batch import AtomBatch
from molgen.datasets.layout import FORMAT, REQUIRED, SPLITS, fingerprint_of, wrong_lengths
from molgen.datasets.packing import PackWriter
from molgen.errors import InputError, MissingError
from molgen.structure import Structure

__all__ = ["SPLITS", "PackWriter", "PackedDataset"]

AGAIN = "prepare the data set again with --overwrite"


class PackedDataset:
    """Read access to a packed folder. Use :meth:`open`.

    Attributes:
        folder: Where it lies.
        meta: Contents of meta.json.
        arrays: The memory-mapped arrays by name.
        sizes: Atoms of each structure, shape ``(n,)``, int64.
        properties: Values of whole structures by name, each of shape ``(n,)``, float64, NaN where unknown.
    """

    def __init__(self, folder: Path, meta: dict[str, Any], arrays: dict[str, NDArray]) -> None:
        self.folder, self.meta, self.arrays = folder, meta, arrays
        self._offsets = np.asarray(arrays["offsets"])
        self.sizes: NDArray[np.int64] = np.diff(self._offsets)
        columns = meta.get("property_names", [])
        self.properties: dict[str, NDArray] = {
            key: arrays["properties"][:, column] for column, key in enumerate(columns)
        }

    @classmethod
    def open(cls, folder: str | Path) -> PackedDataset:
        """Open a packed folder; nothing but the headers and the offsets is read.

        Raises:
            MissingError: There is no packed data set in ``folder``.
            InputError: A file is missing, truncated, not what meta.json says, or meta.json is not readable.
        """
        folder = Path(folder)
        meta = read_meta(folder)
        arrays = {name: _load(folder, name, expected) for name, expected in meta["arrays"].items()}
        if wrong := wrong_lengths(meta, arrays):
            raise InputError(f"{folder}: {wrong}", hint=AGAIN)
        return cls(folder, meta, arrays)

    @property
    def name(self) -> str:
        return str(self.meta["name"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the contents, as recorded when the data set was made."""
        return str(self.meta["fingerprint"])

    @property
    def elements(self) -> list[int]:
        """Atomic numbers that occur, sorted."""
        return [int(z) for z in self.meta["elements"]]

    @property
    def has_hydrogens(self) -> bool:
        return 1 in self.elements

    def __len__(self) -> int:
        return len(self.sizes)

    def verify(self) -> None:
        """Read everything and compare with the recorded fingerprint; raises InputError when they differ."""
        actual = fingerprint_of(self.arrays)
        if actual != self.fingerprint:
            raise InputError(
                f"{self.folder}: contents have fingerprint {actual[:16]}..., meta.json says {self.fingerprint[:16]}...",
                hint="the files were changed or damaged; prepare the data set again with --overwrite",
            )

    def indices(self, split: str) -> NDArray[np.int64]:
        """Indices of the structures of ``split`` ("train", "valid" or "test"), ascending, int64."""
        if split not in SPLITS:
            raise InputError(f"unknown split {split!r}", hint=f"one of {', '.join(SPLITS)}")
        return np.flatnonzero(np.asarray(self.arrays["split"]) == SPLITS.index(split))

    def size_histogram(self, split: str) -> NDArray[np.int64]:
        """Number of structures with ``n`` atoms at index ``n``, int64."""
        return np.bincount(self.sizes[self.indices(split)])

    def structure(self, index: int) -> Structure:
        """One structure, with its finite properties."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"structure {index} of {len(self)}")
        index %= len(self)
        atoms = slice(*self._offsets[index : index + 2])
        charges, lattice = self.arrays.get("charges"), self.arrays.get("lattice")
        bonds = None
        if "bonds" in self.arrays:
            bonds = self.arrays["bonds"][slice(*self.arrays["bond_offsets"][index : index + 2])]
        values = {key: float(column[index]) for key, column in self.properties.items()}
        return Structure(
            numbers=self.arrays["numbers"][atoms],
            positions=self.arrays["positions"][atoms],
            charges=None if charges is None else charges[atoms],
            bonds=bonds,
            lattice=None if lattice is None else lattice[index],
            name=self.name_of(index),
            properties={key: value for key, value in values.items() if not np.isnan(value)},
        )

    def name_of(self, index: int) -> str:
        """Name of one structure, counted from 0; empty where the data set has none."""
        if "names" not in self.arrays:
            return ""
        return self.arrays["names"][slice(*self.arrays["name_offsets"][index : index + 2])].tobytes().decode()

    def structures(self, split: str | None = None) -> Iterator[Structure]:
        """All structures, or those of one split, in order."""
        for index in range(len(self)) if split is None else self.indices(split):
            yield self.structure(int(index))

    def batch(self, indices: NDArray[np.int64] | Sequence[int]) -> AtomBatch:
        """Structures as one batch, padded to the largest of them.

        Args:
            indices: Which structures, shape ``(B,)``.

        Returns:
            Batch in the given order; positions and properties are float32.
        """
        rows = np.asarray(indices, dtype=np.int64)
        sizes = self.sizes[rows]
        n = int(sizes.max(initial=0))
        mask = np.arange(n) < sizes[:, None]
        atoms = (self._offsets[rows][:, None] + np.arange(n))[mask]
        elements, charges = np.zeros(mask.shape, np.int64), None
        positions = np.zeros((*mask.shape, 3), np.float32)
        elements[mask], positions[mask] = self.arrays["numbers"][atoms], self.arrays["positions"][atoms]
        if "charges" in self.arrays:
            charges = np.zeros(mask.shape, np.int64)
            charges[mask] = self.arrays["charges"][atoms]
        bonds = self._bond_orders(rows, n) if "bonds" in self.arrays else None
        lattice = self.arrays["lattice"][rows].astype(np.float32) if "lattice" in self.arrays else None
        return AtomBatch(
            mask=torch.from_numpy(mask),
            elements=torch.from_numpy(elements),
            positions=torch.from_numpy(positions),
            charges=None if charges is None else torch.from_numpy(charges),
            bonds=None if bonds is None else torch.from_numpy(bonds),
            lattice=None if lattice is None else torch.from_numpy(lattice),
            properties={k: torch.from_numpy(v[rows].astype(np.float32)) for k, v in self.properties.items()},
        )

    def _bond_orders(self, rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        """Symmetric bond orders, shape ``(B, n, n)``."""
        offsets = self.arrays["bond_offsets"]
        first, counts = offsets[rows], offsets[rows + 1] - offsets[rows]
        structure = np.repeat(np.arange(len(rows)), counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        i, j, order = self.arrays["bonds"][np.repeat(first, counts) + within].astype(np.int64).T
        orders = np.zeros((len(rows), n, n), np.int64)
        orders[structure, i, j] = orders[structure, j, i] = order
        return orders


def read_meta(folder: Path) -> dict[str, Any]:
    """Contents of ``folder/meta.json``, checked to be a packed data set's."""
    path = folder / "meta.json"
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingError(f"{folder} holds no packed data set (no meta.json)", hint="molgen data list") from error
    except (ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint=AGAIN) from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise InputError(f"{path} does not describe a {FORMAT} data set", hint=AGAIN)
    absent = [key for key in ("name", "fingerprint", "elements", "arrays") if key not in meta]
    absent += [name for name in REQUIRED if name not in meta.get("arrays", {})]
    if absent:
        raise InputError(f"{path} lacks {', '.join(absent)}", hint=AGAIN)
    return meta


def _load(folder: Path, name: str, expected: Mapping[str, Any]) -> NDArray:
    path = folder / f"{name}.npy"
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing", hint=AGAIN) from error
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} is damaged: {error}", hint=AGAIN) from error
    if array.dtype.str != expected["dtype"] or list(array.shape) != expected["shape"]:
        raise InputError(
            f"{path} holds {array.dtype.str} {array.shape}, meta.json says {expected['dtype']} {expected['shape']}",
            hint=AGAIN,
        )
    return array  # type: ignore[no-any-return]
