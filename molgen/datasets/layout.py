"""What a packed folder consists of: names, versions, agreement of lengths, the fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "molgen-packed-1"
SPLITS = ("train", "valid", "test")
"""Split names; split.npy holds their positions in this tuple."""
REQUIRED = ("numbers", "positions", "offsets", "split")
"""Arrays that every packed data set has."""


def fingerprint_of(arrays: Mapping[str, NDArray]) -> str:
    """SHA-256 over the arrays' names, types, shapes and bytes, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()


def wrong_lengths(meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> str:
    """A sentence naming every array whose length disagrees with the others; empty when all agree."""
    n, atoms = len(arrays["offsets"]) - 1, len(arrays["numbers"])
    wanted = {"positions": atoms, "charges": atoms, "bond_offsets": n + 1, "name_offsets": n + 1}
    wanted |= dict.fromkeys(("split", "lattice", "properties"), n)
    wrong = [
        f"{k} has {len(arrays[k])} rows, not {w}" for k, w in wanted.items() if k in arrays and len(arrays[k]) != w
    ]
    for offsets, rows in (("offsets", "numbers"), ("bond_offsets", "bonds"), ("name_offsets", "names")):
        if (offsets in arrays) != (rows in arrays):
            wrong.append(f"{offsets} and {rows} must come together")
        elif offsets in arrays and (not len(arrays[offsets]) or arrays[offsets][-1] != len(arrays[rows])):
            wrong.append(f"{offsets} does not end at the {len(arrays[rows])} rows of {rows}")
    columns = arrays["properties"].shape[1] if "properties" in arrays else 0
    if columns != len(meta.get("property_names", [])):
        wrong.append(f"{columns} columns of properties for {len(meta.get('property_names', []))} names")
    return "; ".join(wrong)
