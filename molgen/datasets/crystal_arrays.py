"""Flat arrays of crystals in one .npz file: ``num_atoms``, ``lattice``, ``atomic_numbers``, ``frac_coords``."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molgen.datasets.crystal_cleaning import RawCrystal
from molgen.datasets.flat import load_arrays
from molgen.errors import InputError
from molgen.io.records import Scalar
from molgen.structure import Structure

REQUIRED = ("num_atoms", "lattice", "atomic_numbers", "frac_coords")
NAME_KEYS = ("material_id", "id")
BOOKKEEPING = frozenset({"num_atoms", "csv_row", "volume_per_atom_mp20", "density_mp20", "spacegroup_spglib_0p01"})
"""Arrays of ../shared/data that follow from others, or number the rows of another file."""
_KINDS = {"num_atoms": "iu", "lattice": "f", "atomic_numbers": "iu", "frac_coords": "f"}
_KINDS |= dict.fromkeys(NAME_KEYS, "USiu")


def holds_crystal_arrays(path: Path) -> bool:
    """Whether an .npz file has the arrays of crystals, by their names alone."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {f"{key}.npy" for key in REQUIRED} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def array_records(path: Path, code: int | None) -> Iterator[RawCrystal]:
    """One record for each crystal; arrays with one number each become properties.

    Args:
        path: File with ``num_atoms`` (n,), ``lattice`` (n, 3, 3) in angstrom, ``atomic_numbers`` and ``frac_coords``
            of all atoms one after the other.
        code: Split of all.

    Raises:
        MissingError: No such file.
        InputError: It is damaged, an array is missing or of the wrong kind, or lengths disagree.
    """
    arrays = load_arrays(path, REQUIRED, _KINDS)
    counts = _counts(path, arrays)
    n, ends = len(counts), np.cumsum(counts)
    lattices = arrays["lattice"].astype(np.float64)
    fractional, numbers = arrays["frac_coords"].astype(np.float64), arrays["atomic_numbers"].astype(np.int64)
    names = next((arrays[key].astype(str) for key in NAME_KEYS if key in arrays and arrays[key].shape == (n,)), None)
    columns = {
        key: values.tolist()
        for key, values in arrays.items()
        if values.shape == (n,) and values.dtype.kind in "iufb" and key not in BOOKKEEPING
    }
    for i, (start, end) in enumerate(zip(ends - counts, ends, strict=True)):
        name = "" if names is None else str(names[i])
        values: dict[str, Scalar] = {key: column[i] for key, column in columns.items()}
        with np.errstate(invalid="ignore", over="ignore"):
            positions = fractional[start:end] @ lattices[i]
        structure = Structure(numbers=numbers[start:end], positions=positions, lattice=lattices[i])
        yield RawCrystal(structure, f"{path.name}, crystal {i} {name}".strip(), name, code, values)


def _counts(path: Path, arrays: dict[str, NDArray]) -> NDArray[np.int64]:
    """Atoms of each crystal; raises InputError where the lengths of the arrays disagree."""
    counts, total = arrays["num_atoms"], len(arrays["atomic_numbers"])
    if counts.ndim != 1 or ((counts < 0) | (counts > total)).any():
        raise InputError(f"{path}: num_atoms {counts.shape} must list the counts of {total} atoms in all")
    counts = counts.astype(np.int64)
    atoms = int(counts.sum())
    wanted = {"lattice": (len(counts), 3, 3), "atomic_numbers": (atoms,), "frac_coords": (atoms, 3)}
    for key, shape in wanted.items():
        if arrays[key].shape != shape:
            raise InputError(f"{path}: {key} is {arrays[key].shape}, and num_atoms asks for {shape}")
    return np.asarray(counts)
