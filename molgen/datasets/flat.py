"""Flat NumPy arrays as a source: ``n_atoms`` (n,), ``z`` (atoms,), ``pos`` (atoms, 3) in one .npz file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molgen.errors import InputError, MissingError
from molgen.structure import Structure

REQUIRED = ("n_atoms", "z", "pos")

_UNREADABLE = (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, MemoryError, AttributeError)
"""What NumPy and zipfile raise for damaged files; a damaged header may ask for any amount of memory."""

_KINDS = {"n_atoms": "iu", "z": "iu", "pos": "fiu", "props": "fiu", "prop_names": "US", "id": "USiu"}
"""NumPy's kinds of each array's values: (un)signed integers, floats, texts."""


def read_flat(path: Path) -> dict[str, NDArray]:
    """Load and check the arrays of ``path``.

    Optional arrays of length n: numbers become properties, ``id`` the name, ``edm_split`` is QM9's split; ``props``
    (n, P) with ``prop_names`` (P,) is a table of properties.

    Raises:
        MissingError: No such file.
        InputError: Not an .npz file, an array is missing or of the wrong kind, or lengths disagree.
    """
    arrays = load_arrays(path, REQUIRED, _KINDS)
    counts = arrays["n_atoms"]
    if counts.ndim != 1 or ((counts < 0) | (counts > len(arrays["z"]))).any():
        raise InputError(f"{path}: n_atoms {counts.shape} must list the counts of {len(arrays['z'])} atoms in all")
    arrays["n_atoms"] = counts.astype(np.int64)
    n, atoms = len(counts), int(arrays["n_atoms"].sum())
    if arrays["z"].shape != (atoms,) or arrays["pos"].shape != (atoms, 3):
        shapes = f"z {arrays['z'].shape} and pos {arrays['pos'].shape}"
        raise InputError(f"{path}: n_atoms adds up to {atoms} atoms, but {shapes}")
    table, names = arrays.get("props", np.empty((n, 0))), arrays.get("prop_names", np.empty(0))
    if table.shape != (n, *names.shape):
        raise InputError(f"{path}: props {table.shape} does not fit {n} molecules and prop_names {names.shape}")
    return arrays


def load_arrays(path: Path, required: Sequence[str], kinds: Mapping[str, str]) -> dict[str, NDArray]:
    """All arrays of an .npz file.

    Args:
        path: The file.
        required: Arrays that it must have.
        kinds: NumPy's kinds that an array may have, for example ``"iu"``, by name.

    Raises:
        MissingError: No such file.
        InputError: Not an .npz file of plain arrays, or an array is missing or of the wrong kind.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except FileNotFoundError as error:
        raise MissingError(f"no file {path}") from error
    except _UNREADABLE as error:
        raise InputError(f"{path} is not a readable .npz file of plain arrays: {error}") from error
    if absent := [key for key in required if key not in arrays]:
        raise InputError(f"{path} lacks the array {', '.join(absent)}; it has {', '.join(arrays)}")
    for key, allowed in kinds.items():
        if key in arrays and (arrays[key].dtype.kind not in allowed or not arrays[key].ndim):
            array = f"{arrays[key].dtype} of shape {arrays[key].shape}"
            raise InputError(f"{path}: the array {key} cannot be used; it is {array}")
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
