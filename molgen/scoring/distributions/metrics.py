"""What is compared: each metric's values, their fine bins, and the names of their types.

A value becomes one integer, its *cell*: type times ``STRIDE`` plus bin. Bin 0 holds what lies below the metric's range,
the last one what lies above it, so that nothing is lost and what was clipped can be counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molgen.chemistry.crystal_systems import SYSTEMS
from molgen.elements import SYMBOLS
from molgen.structure import AROMATIC

Cells = NDArray[np.int64]
STRIDE = 1 << 20
"""More than any metric has bins."""

_ORDER_SIGNS = {1: "-", 2: "=", 3: "#", AROMATIC: ":"}
_ORDER_CODES, _ELEMENT_CODES = 8, 128


def bond_types(first: NDArray, second: NDArray, order: NDArray) -> Cells:
    """One code per pair of elements, in either order, and bond order; ``bond_type_name`` reads it.

    Args:
        first: Atomic numbers, shape ``(M,)``.
        second: Atomic numbers, shape ``(M,)``.
        order: 1, 2, 3 or 4 (aromatic), shape ``(M,)``.
    """
    # Carbon comes first and hydrogen last in a name: C-N, N-H, C-H.
    rank_first, rank_second = _rank(first), _rank(second)
    low = np.where(rank_first <= rank_second, first, second)
    high = first + second - low
    types: Cells = (low * _ELEMENT_CODES + high) * _ORDER_CODES + order
    return types


def bond_type_name(code: int) -> str:
    """``"C-C"``, ``"C=O"``, ``"C#N"``, or ``"C:C"`` for an aromatic bond."""
    pair, order = divmod(code, _ORDER_CODES)
    low, high = divmod(pair, _ELEMENT_CODES)
    return f"{SYMBOLS[low]}{_ORDER_SIGNS.get(order, '~')}{SYMBOLS[high]}"


def element_name(code: int) -> str:
    """Symbol of an atomic number."""
    return SYMBOLS[code]


def _rank(numbers: NDArray) -> NDArray[np.int64]:
    return np.where(numbers == 1, _ELEMENT_CODES, np.where(numbers == 6, 0, numbers))


@dataclass(frozen=True)
class Metric:
    """One kind of value.

    Attributes:
        name: Key in the report.
        label: For tables and plots.
        unit: Of the values and of the Wasserstein distance; empty for a pure number or a category.
        meaning: One sentence.
        lower: Start of the first bin.
        upper: End of the last bin; the value ``upper`` itself belongs to it.
        width: Of the fine bins, on which the Wasserstein distance is taken.
        coarse: Fine bins that make one bin of the Jensen-Shannon distance.
        type_name: Name of a type's code where values are compared type by type.
        category_name: Name of a category's code where values are categories, without order; no Wasserstein distance.
    """

    name: str
    label: str
    unit: str
    meaning: str
    lower: float
    upper: float
    width: float
    coarse: int = 1
    type_name: Callable[[int], str] | None = None
    category_name: Callable[[int], str] | None = None

    @property
    def bins(self) -> int:
        """Number of fine bins inside the range."""
        return round((self.upper - self.lower) / self.width)

    def cells(self, values: NDArray, types: NDArray | int = 0) -> Cells:
        """Cell of each value.

        Args:
            values: Shape ``(n,)``; NaN, an undefined value, is left out.
            types: Code of each value's type, shape ``(n,)``.
        """
        defined = ~np.isnan(values)
        if not defined.all():
            values, types = values[defined], np.broadcast_to(types, defined.shape)[defined]
        clipped = np.clip(values, self.lower - self.width, self.upper + self.width)
        bins = np.floor((clipped - self.lower) / self.width).astype(np.int64)
        bins = np.where(values > self.upper, self.bins, np.where(values < self.lower, -1, bins.clip(0, self.bins - 1)))
        cells: Cells = np.asarray(types, np.int64) * STRIDE + bins + 1
        return cells

    def edge(self, bin_index: int) -> float:
        """Lower end of a bin, counted as in the cells."""
        return self.lower + (bin_index - 1) * self.width


def _integers(name: str, label: str, unit: str, meaning: str, first: int, last: int) -> Metric:
    return Metric(name, label, unit, meaning, first - 0.5, last + 0.5, 1.0)


def _categories(name: str, label: str, meaning: str, category_name: Callable[[int], str]) -> Metric:
    return Metric(name, label, "", meaning, -0.5, STRIDE / 2 - 0.5, 1.0, category_name=category_name)


_ALL = (
    Metric(
        "bond_length",
        "bond lengths",
        "angstrom",
        "length of every bond, by elements and order; a mean over types weighted by their frequency in the reference",
        lower=0.0,
        upper=4.0,
        width=0.001,
        coarse=10,
        type_name=bond_type_name,
    ),
    Metric(
        "angle",
        "bond angles",
        "degree",
        "angle between every two bonds of an atom, by its element; a mean over types weighted as for bond lengths",
        lower=0.0,
        upper=180.0,
        width=0.1,
        coarse=10,
        type_name=element_name,
    ),
    Metric(
        "torsion",
        "torsions",
        "degree",
        "absolute torsion angle, 0 to 180, of every chain of four heavy atoms, by its central bond; a mean over types "
        "weighted as for bond lengths",
        lower=0.0,
        upper=180.0,
        width=0.1,
        coarse=50,
        type_name=bond_type_name,
    ),
    _integers("n_atoms", "atoms per structure", "atoms", "number of atoms of a structure", 1, 2000),
    _categories("element", "elements", "element of every atom", element_name),
    _categories("bond_type", "bond types", "elements and order of every bond", bond_type_name),
    _integers("formal_charge", "formal charges", "e", "formal charge of every atom", -10, 10),
    _integers("ring_size", "ring sizes", "atoms", "atoms of every ring of RDKit's symmetrised smallest set", 3, 500),
    Metric("weight", "molecular weight", "g/mol", "average molecular weight", 0.0, 5000.0, 0.01, 500),
    Metric("logp", "logP", "", "Crippen's octanol-water partition coefficient", -50.0, 50.0, 0.001, 250),
    Metric("qed", "QED", "", "quantitative estimate of drug-likeness, 0 to 1", 0.0, 1.0, 0.0001, 200),
    Metric("sa", "SA score", "", "synthetic accessibility, 1 (easy) to 10 (hard)", 1.0, 10.0, 0.001, 250),
    Metric("tpsa", "TPSA", "square angstrom", "topological polar surface area", 0.0, 2000.0, 0.01, 500),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
"""Those of molecules by name, in the order of the report."""

CRYSTALS = "crystals"
"""Stands in place of a bond source where crystals are compared, whose metrics need no bonds."""
_CRYSTAL = (
    Metric("density", "density", "g/cm3", "mass density", 0.0, 40.0, 0.001, 250),
    _integers("n_elements", "elements per crystal", "elements", "number of different elements of a crystal", 1, 100),
    METRICS["n_atoms"],
    METRICS["element"],
    Metric(
        "atom_volume", "volume per atom", "cubic angstrom", "volume of the cell over its atoms", 0.0, 200.0, 0.01, 50
    ),
    Metric("closeness", "closeness", "", "smallest distance over the sum of covalent radii", 0.0, 5.0, 0.001, 20),
    _categories("space_group", "space groups", "number of the space group at 0.1 angstrom", str),
    _categories("crystal_system", "crystal systems", "crystal system of that space group", list(SYSTEMS).__getitem__),
)
CRYSTAL_METRICS: dict[str, Metric] = {metric.name: metric for metric in _CRYSTAL}
"""Those of crystals. CDVAE's Wasserstein distances are those of ``density`` and ``n_elements``."""
EVERY_METRIC = METRICS | CRYSTAL_METRICS


def metrics_of(bonds: str) -> dict[str, Metric]:
    """The metrics that are compared with a bond source, or with ``CRYSTALS`` in its place."""
    return CRYSTAL_METRICS if bonds == CRYSTALS else METRICS
