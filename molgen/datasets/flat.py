"""Flat NumPy arrays as a source: ``n_atoms`` (n,), ``z`` (atoms,), ``pos`` (atoms, 3) in one .npz file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from math import isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molgen.errors import InputError, MissingError
from molgen.structure import Structure

REQUIRED = ("n_atoms", "z", "pos")


def read_flat(path: Path) -> dict[str, NDArray]:
    """Load and check the arrays of ``path``.

    Optional arrays of length n: numbers become properties, ``id`` the name, ``edm_split`` is QM9's split; ``props``
    (n, P) with ``prop_names`` (P,) is a table of properties.

    Raises:
        MissingError: No such file.
        InputError: Not an .npz file, an array is missing, or lengths disagree.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except FileNotFoundError as error:
        raise MissingError(f"no file {path}") from error
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise InputError(f"{path} is not a readable .npz file of plain arrays: {error}") from error
    if absent := [key for key in REQUIRED if key not in arrays]:
        raise InputError(f"{path} lacks the array {', '.join(absent)}; it has {', '.join(arrays)}")
    counts = arrays["n_atoms"]
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise InputError(f"{path}: n_atoms must be a list of counts; it is {counts.dtype} {counts.shape}")
    arrays["n_atoms"] = counts.astype(np.int64)
    n, atoms = len(counts), int(arrays["n_atoms"].sum())
    if arrays["z"].shape != (atoms,) or arrays["pos"].shape != (atoms, 3):
        shapes = f"z {arrays['z'].shape} and pos {arrays['pos'].shape}"
        raise InputError(f"{path}: n_atoms adds up to {atoms} atoms, but {shapes}")
    if "props" in arrays and arrays["props"].shape != (n, len(arrays.get("prop_names", ()))):
        raise InputError(f"{path}: props {arrays['props'].shape} does not fit {n} molecules and prop_names")
    return arrays


def flat_structures(arrays: dict[str, NDArray]) -> Iterator[Structure]:
    """The structures of arrays from :func:`read_flat`, in order; a property that is NaN is left out."""
    n = len(arrays["n_atoms"])
    ends = np.cumsum(arrays["n_atoms"].astype(np.int64))
    numbers, positions = arrays["z"].astype(np.int64), arrays["pos"].astype(np.float64)
    columns = _columns(arrays, n)
    names = arrays["id"].astype(str) if "id" in arrays and arrays["id"].shape == (n,) else None
    for i, (start, end) in enumerate(zip(ends - arrays["n_atoms"], ends, strict=True)):
        values = {key: column[i] for key, column in columns.items()}
        yield Structure(
            numbers=numbers[start:end],
            positions=positions[start:end],
            name="" if names is None else str(names[i]),
            properties={key: value for key, value in values.items() if not isnan(value)},
        )


def _columns(arrays: dict[str, NDArray], n: int) -> dict[str, list[float]]:
    """Numeric values of whole structures, with NaN where unknown."""
    skipped = {*REQUIRED, "props", "prop_names", "edm_split"}
    columns = {
        k: v.tolist() for k, v in arrays.items() if k not in skipped and v.shape == (n,) and v.dtype.kind in "iufb"
    }
    for index, key in enumerate(arrays.get("prop_names", ())):
        columns[str(key)] = arrays["props"][:, index].astype(np.float64).tolist()
    return columns
