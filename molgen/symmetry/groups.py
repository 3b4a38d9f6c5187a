"""The 230 space groups with their Wyckoff positions, in the standard settings of the International Tables (volume A).

Unique axis b, cell choice 1, hexagonal axes, origin choice 2. ``scripts/make_wyckoff_tables.py`` made the tables.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, cached_property
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from molgen.errors import InputError
from molgen.symmetry.affine import parse_affine

GROUPS = range(1, 231)
"""Numbers of the space groups."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WyckoffPosition:
    """One Wyckoff position.

    Attributes:
        letter: ``a`` to ``z``, and ``A`` for the 27th.
        multiplicity: Points of an orbit in the conventional cell.
        site_symmetry: Oriented symbol, such as ``m.m2``.
        enumeration: Number among the group's positions of the same site symmetry, by letter, from 0.
        matrix: With ``vector``, the representative point W u + w of free parameters u, shape ``(3, 3)``.
        vector: Shape ``(3,)``.
        freedom: Free coordinates, 0 to 3.
    """

    letter: str
    multiplicity: int
    site_symmetry: str
    enumeration: int
    matrix: NDArray[np.int64]
    vector: NDArray[np.float64]
    freedom: int


@dataclass(frozen=True, kw_only=True, eq=False)
class SpaceGroup:
    """One space group. Use :func:`space_group`.

    Attributes:
        number: 1 to 230.
        symbol: Short Hermann-Mauguin symbol.
        centrings: Translations of the conventional cell, zero among them, shape ``(C, 3)``.
        rotations: Of one operation of each coset of the translations, f' = W f + w, shape ``(G, 3, 3)``, int64.
        translations: Shape ``(G, 3)``.
        positions: By letter.
        relabellings: Where each position goes when the same crystal is described from another origin or in other axes
            (the affine normaliser), shape ``(R, positions)``; the first leaves all in place.
        shifts: How many of them, the first ones, keep the axes and change the origin alone.
    """

    number: int
    symbol: str
    centrings: NDArray[np.float64]
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    positions: tuple[WyckoffPosition, ...]
    relabellings: NDArray[np.int64]
    shifts: int

    @property
    def letters(self) -> str:
        """Letters of the positions, in order."""
        return "".join(position.letter for position in self.positions)

    @property
    def multiplicities(self) -> NDArray[np.int64]:
        """Points of each position's orbits in the primitive cell, shape ``(positions,)``."""
        return np.array([position.multiplicity // len(self.centrings) for position in self.positions])

    @property
    def lattice_freedom(self) -> int:
        """Free parameters of the cell, 1 (cubic) to 6 (triclinic)."""
        # Metric tensors that every operation leaves: the trace of the projection on them.
        turned = self.metric_average.reshape(3, 3, 3, 3)
        return round(float(np.einsum("klkl->", turned) + np.einsum("kllk->", turned)) / 2)

    @cached_property
    def metric_average(self) -> NDArray[np.float64]:
        """Of a metric tensor, row after row, over the point group: symmetric ones are left, shape ``(9, 9)``."""
        turned = np.einsum("gki,glj->ijkl", self.rotations, self.rotations, dtype=np.float64)
        average: NDArray[np.float64] = turned.reshape(9, 9) / len(self.rotations)
        return average


@cache
def space_group(number: int) -> SpaceGroup:
    """The space group of a number.

    Raises:
        InputError: It is not between 1 and 230.
    """
    if number not in GROUPS:
        raise InputError(f"{number} is not the number of a space group", hint="1 to 230")
    row = _table("space_groups")[number - 1]
    operations = [parse_affine(text) for text in row["operations"].split(";")]
    positions = tuple(_positions()[number])
    index = {position.letter: k for k, position in enumerate(positions)}
    sets = _table("wyckoff_sets")[number - 1]
    relabelled = sets["relabellings"].split()
    return SpaceGroup(
        number=number,
        symbol=row["symbol"],
        centrings=np.array([parse_affine(text)[1] for text in row["centrings"].split(";")]),
        rotations=np.array([matrix for matrix, _ in operations]),
        translations=np.array([vector for _, vector in operations]),
        positions=positions,
        relabellings=np.array([[index[letter] for letter in letters] for letters in relabelled]),
        shifts=int(sets["shifts"]),
    )


def group_number(text: str) -> int:
    """``"225"``, ``"Fm-3m"`` or ``"F m -3 m"`` -> 225.

    Raises:
        InputError: There is no such space group.
    """
    wanted = text.strip()
    if wanted.isdecimal():
        return space_group(int(wanted)).number
    symbols = {row["symbol"]: int(row["number"]) for row in _table("space_groups")}
    compact = wanted.replace(" ", "").replace("_", "")
    if compact not in symbols:
        near = get_close_matches(compact.capitalize(), symbols, n=1, cutoff=0.75) if compact else []
        guess = f"did you mean {near[0]}? " if near else ""
        raise InputError(
            f"{text!r} is not a space group", hint=f"{guess}its number, 1 to 230, or its symbol, such as Fm-3m"
        )
    return symbols[compact]


@cache
def site_symmetries() -> tuple[str, ...]:
    """All symbols of site symmetries, sorted."""
    return tuple(sorted({position.site_symmetry for listed in _positions().values() for position in listed}))


@cache
def _positions() -> dict[int, list[WyckoffPosition]]:
    found: dict[int, list[WyckoffPosition]] = {number: [] for number in GROUPS}
    counts: Counter[tuple[int, str]] = Counter()
    for row in _table("wyckoff_positions"):
        number, symbol = int(row["number"]), row["site_symmetry"]
        matrix, vector = parse_affine(row["representative"])
        position = WyckoffPosition(
            letter=row["letter"],
            multiplicity=int(row["multiplicity"]),
            site_symmetry=symbol,
            enumeration=counts[number, symbol],
            matrix=matrix,
            vector=vector,
            freedom=int(np.linalg.matrix_rank(matrix)),
        )
        counts[number, symbol] += 1
        found[number].append(position)
    return found


@cache
def _table(name: str) -> list[dict[str, str]]:
    text = files("molgen").joinpath("symmetry", f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
