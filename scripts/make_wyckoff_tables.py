"""Writes the tables of molgen/symmetry: space groups, Wyckoff positions, and which positions an origin may exchange.

    pip install --target /tmp/tables pyxtal moyopy --no-deps
    PYTHONPATH=/tmp/tables python scripts/make_wyckoff_tables.py

Settings are those of the International Tables' standard: unique axis b, cell choice 1, hexagonal axes, origin choice 2.
pyxtal gives the positions with their site symmetries; the relabellings are found here, from the affine normaliser, and
must hold those that pyxtal lists (Euclidean normalisers, Bilbao server). moyopy's operations must be the same.
"""

from __future__ import annotations

import csv
import itertools
import json
import string
from collections import Counter
from fractions import Fraction
from importlib import resources
from pathlib import Path

import moyopy
import numpy as np
import pyxtal
from pyxtal.symmetry import Group

FOLDER = Path(__file__).parents[1] / "molgen" / "symmetry"
LETTERS = string.ascii_lowercase + "A"
GRID = 24
"""Origin shifts are tried in steps of 1/24 of a cell vector."""
SHIFTS_TRIED = 120
"""Origin shifts of each linear part whose relabellings are computed; their products give the others."""
rng = np.random.default_rng(0)


def affine(text: str) -> tuple[np.ndarray, np.ndarray]:
    """``"-x+1/2, y, 0"`` as a matrix and a vector of Fractions over 24."""
    matrix, vector = np.zeros((3, 3), int), np.zeros(3, int)
    for row, part in enumerate(text.replace(" ", "").split(",")):
        for term in part.replace("-", "+-").split("+"):
            if not term:
                continue
            if term[-1] in "xyz":
                factor = term[:-1]
                matrix[row, "xyz".index(term[-1])] += {"": 1, "-": -1}.get(factor) or int(factor)
            else:
                vector[row] += int(Fraction(term) * GRID)
    return matrix, vector


def text_of(matrix: np.ndarray, vector: np.ndarray) -> str:
    parts = []
    for row in range(3):
        terms = [{1: "+", -1: "-"}.get(int(c), f"{c:+d}") + "xyz"[k] for k, c in enumerate(matrix[row]) if c]
        shift = Fraction(int(vector[row]) % GRID, GRID)
        if shift or not terms:
            terms.append(f"+{shift}")
        parts.append("".join(terms).removeprefix("+"))
    return ",".join(parts)


UNIMODULAR = np.array(
    [m for m in itertools.product((-1, 0, 1), repeat=9) if abs(round(np.linalg.det(np.reshape(m, (3, 3))))) == 1]
).reshape(-1, 3, 3)


class Positions:
    """The Wyckoff positions of one group, whose letters a change of origin or axes exchanges."""

    def __init__(self, number: int) -> None:
        group = Group(number)
        self.number, self.symbol = number, group.symbol
        listed = list(group.Wyckoff_positions)[::-1]  # a first
        for one in listed:
            one.get_site_symmetry()
        self.site = [one.site_symm for one in listed]
        self.multiplicity = [one.multiplicity for one in listed]
        self.representative = [affine(one.ops[0].as_xyz_str()) for one in listed]
        operations = [affine(op.as_xyz_str()) for op in listed[-1].ops]
        self.operations = [(w, v % GRID) for w, v in operations]
        self.centrings = [v for w, v in self.operations if (w == np.eye(3)).all()]
        seen: dict[tuple, tuple] = {}
        for w, v in self.operations:
            seen.setdefault(tuple(w.ravel()), (w, v))
        self.cosets = list(seen.values())
        self.free = [int(np.linalg.matrix_rank(m)) for m, _ in self.representative]
        self.orders = Counter(zip(self.multiplicity, self.free, strict=True))

    def point(self, k: int) -> np.ndarray:
        matrix, vector = self.representative[k]
        return matrix @ rng.uniform(0.1, 0.9, 3) + vector / GRID

    def holds(self, k: int, points: np.ndarray) -> bool:
        """Whether one of the points lies at the k-th representative."""
        matrix, vector = self.representative[k]
        off = np.eye(3) - matrix @ np.linalg.pinv(matrix)
        cells = np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=3)))
        delta = (points - vector / GRID)[:, None] - np.round(points - vector / GRID)[:, None] + cells
        return bool((np.abs(delta @ off.T).max(-1) < 1e-6).any())

    def relabelled(self, linear: np.ndarray, shift: np.ndarray) -> tuple[int, ...]:
        """Where each position goes."""
        result = []
        for k in range(len(self.site)):
            key = self.multiplicity[k], self.free[k]
            if self.orders[key] == 1:
                result.append(k)
                continue
            p = linear @ self.point(k) + shift / GRID
            images = np.array([w @ p + v / GRID for w, v in self.operations])
            found = [j for j in range(len(self.site)) if (self.multiplicity[j], self.free[j]) == key]
            result.append(next(j for j in found if self.holds(j, images)))
        assert sorted(result) == list(range(len(result)))
        return tuple(result)

    def normaliser(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Linear parts, one of each coset of the point group, with some of their origin shifts."""
        point = {tuple(w.ravel()): v for w, v in self.cosets}
        centrings = {tuple(v) for v in self.centrings}
        shifts = np.array(list(itertools.product(range(GRID), repeat=3)))
        lattice = np.array(sorted(centrings))
        done: set[tuple] = set()
        result = []
        for linear in self.candidates():
            if tuple(linear.ravel()) in done:
                continue
            done |= {tuple((np.reshape(w, (3, 3)) @ linear).ravel()) for w in point}
            inverse = np.round(np.linalg.inv(linear)).astype(int)
            if any(tuple((linear @ w @ inverse).ravel()) not in point for w, _ in self.cosets):
                continue
            if any(tuple((linear @ c) % GRID) not in centrings for c in self.centrings):
                continue
            fits = np.ones(len(shifts), bool)
            for w, v in self.cosets:
                turned = linear @ w @ inverse
                moved = (linear @ v + shifts - shifts @ turned.T - point[tuple(turned.ravel())]) % GRID
                fits &= (moved[:, None] == lattice).all(-1).any(1)
                if not fits.any():
                    break
            allowed = shifts[fits]
            chosen = allowed if len(allowed) <= SHIFTS_TRIED else rng.permutation(allowed)[:SHIFTS_TRIED]
            result += [(linear, shift) for shift in chosen]
        return result

    def candidates(self) -> np.ndarray:
        if self.number > 2:
            return np.concatenate([np.eye(3, dtype=int)[None], UNIMODULAR])
        steps = [np.eye(3, dtype=int)]  # of all changes of axes these are generators
        for i, j in itertools.permutations(range(3), 2):
            step = np.eye(3, dtype=int)
            step[i, j] = 1
            steps.append(step)
        return np.array(steps)

    def relabellings(self) -> tuple[int, list[tuple[int, ...]]]:
        """All relabellings, the identity first, then those by a shift alone; how many these are with the identity."""
        identity = tuple(range(len(self.site)))
        if len(self.orders) == len(self.site):
            return 1, [identity]
        made = [(linear, self.relabelled(linear, shift)) for linear, shift in self.normaliser()]
        shifted = closure({one for linear, one in made if (linear == np.eye(3)).all()}, identity)
        found = closure({one for _, one in made}, identity)
        return len(shifted), [identity, *sorted(shifted - {identity}), *sorted(found - shifted)]


def closure(generators: set[tuple[int, ...]], identity: tuple[int, ...]) -> set[tuple[int, ...]]:
    found, fresh = {identity}, [identity]
    while fresh:
        products = {tuple(g[k] for k in one) for one in fresh for g in generators}
        fresh = list(products - found)
        found |= products
    return found


def check(group: Positions, found: list[tuple[int, ...]]) -> None:
    """Against moyopy's operations and pyxtal's relabellings."""
    other = moyopy.operations_from_number(group.number, setting=moyopy.Setting.standard())
    theirs = {
        (*np.ravel(w), *(np.round(np.array(v) * GRID).astype(int) % GRID))
        for w, v in zip(other.rotations, other.translations, strict=True)
    }
    assert theirs == {(*w.ravel(), *v) for w, v in group.operations}, group.number
    listed = json.loads((resources.files(pyxtal) / "database" / "wyckoff_sets.json").read_text())
    for line in listed[str(group.number)]["Transformed WP"]:
        places = [LETTERS.index("A" if x in ("alpha", "A") else x) for x in line.split()]
        inverse = tuple(places.index(k) for k in range(len(places)))
        assert tuple(places) in found or inverse in found, (group.number, line)
    for k, (matrix, vector) in enumerate(group.representative):
        p = group.point(k)
        images = np.array([w @ p + v / GRID for w, v in group.operations])
        delta = images[:, None] - images
        distinct = len(images) ** 2 / (np.abs(delta - np.round(delta)).max(-1) < 1e-6).sum()
        assert round(distinct) == group.multiplicity[k], (group.number, k, matrix, vector)


def main() -> None:
    groups, positions, sets = [], [], []
    for number in range(1, 231):
        group = Positions(number)
        shifts, found = group.relabellings()
        check(group, found)
        centrings = ";".join(text_of(np.zeros((3, 3), int), v) for v in group.centrings)
        operations = ";".join(text_of(w, v) for w, v in group.cosets)
        groups.append([number, group.symbol, centrings, operations])
        for k, (matrix, vector) in enumerate(group.representative):
            row = [number, LETTERS[k], group.multiplicity[k], group.site[k], text_of(matrix, vector)]
            positions.append(row)
        sets.append([number, shifts, " ".join("".join(LETTERS[k] for k in one) for one in found)])
        print(number, group.symbol, len(group.site), shifts, len(found), flush=True)
    for name, header, rows in (
        ("space_groups", ["number", "symbol", "centrings", "operations"], groups),
        ("wyckoff_positions", ["number", "letter", "multiplicity", "site_symmetry", "representative"], positions),
        ("wyckoff_sets", ["number", "shifts", "relabellings"], sets),
    ):
        with (FOLDER / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)


if __name__ == "__main__":
    main()
