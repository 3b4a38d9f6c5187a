"""What a packed set of crystals holds: volumes, cells, numbers of elements, space groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.chemistry.crystal_systems import crystal_system
from molgen.datasets.crystal_cleaning import SPACE_GROUP
from molgen.datasets.layout import SPLITS
from molgen.datasets.packed import PackedDataset

QUANTILES = (0.0, 0.01, 0.5, 0.99, 1.0)
COMMONEST = 8
"""Space groups that are named."""


def crystal_facts(data: PackedDataset) -> dict[str, Any]:
    """Volume per atom (angstrom^3) and cell lengths (angstrom) at ``QUANTILES``, elements per crystal, space groups."""
    lattice = np.asarray(data.arrays["lattice"], np.float64)
    facts: dict[str, Any] = {
        "volume_per_atom": _quantiles(np.abs(np.linalg.det(lattice)) / data.sizes),
        "cell_length": _quantiles(np.linalg.norm(lattice, axis=-1)),
        "elements_per_crystal": _counted(_elements_per_crystal(data)),
    }
    if SPACE_GROUP in data.properties:
        groups = np.asarray(data.properties[SPACE_GROUP])
        known = groups[np.isfinite(groups)].astype(np.int64)
        systems = Counter(crystal_system(number) for number in known.tolist())
        facts |= {
            "space_groups": dict(Counter(map(str, known.tolist())).most_common()),
            "crystal_systems": dict(systems.most_common()),
            "share_of_P1": {key: _share_of_p1(groups[data.indices(key)]) for key in SPLITS},
        }
    return facts


def crystal_lines(facts: dict[str, Any]) -> Iterator[str]:
    """The facts of :func:`crystal_facts` as lines of text."""
    marks = "min, 1 %, median, 99 %, max"
    yield f"volume       {_joined(facts['volume_per_atom'])} A^3 per atom ({marks})"
    yield f"lengths      {_joined(facts['cell_length'])} A ({marks})"
    counts = "  ".join(f"{n}: {count:,}" for n, count in facts["elements_per_crystal"].items())
    yield f"elements in one crystal  {counts}"
    if "space_groups" not in facts:
        return
    total = max(sum(facts["space_groups"].values()), 1)
    systems = "  ".join(f"{name} {count / total:.1%}" for name, count in facts["crystal_systems"].items())
    yield f"systems      {systems}"
    named = list(facts["space_groups"].items())[:COMMONEST]
    groups = "  ".join(f"{number}: {count / total:.1%}" for number, count in named)
    yield f"space groups {len(facts['space_groups'])} occur; {groups}"
    shares = "  ".join(f"{key} {share:.2%}" for key, share in facts["share_of_P1"].items() if share is not None)
    yield f"P1           {shares}"


def _elements_per_crystal(data: PackedDataset) -> NDArray[np.int64]:
    """Number of different elements of each crystal, shape ``(n,)``."""
    crystal = np.repeat(np.arange(len(data)), data.sizes)
    pairs = np.unique(crystal * 128 + np.asarray(data.arrays["numbers"], np.int64))
    return np.bincount(pairs // 128, minlength=len(data))


def _counted(values: NDArray[np.int64]) -> dict[str, int]:
    return {str(n): int(count) for n, count in zip(*np.unique(values, return_counts=True), strict=True)}


def _quantiles(values: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in np.quantile(values, QUANTILES)]


def _share_of_p1(groups: NDArray[np.float64]) -> float | None:
    known = groups[np.isfinite(groups)]
    return float((known == 1).mean()) if len(known) else None


def _joined(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
