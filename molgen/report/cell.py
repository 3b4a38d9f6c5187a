"""Flat drawings of crystals: the unit cell and its atoms, seen from a little above one side."""

from __future__ import annotations

from html import escape
from itertools import product

import numpy as np
from numpy.typing import NDArray

from molgen.elements import COVALENT_RADII, SYMBOLS
from molgen.report.html import Html
from molgen.structure import Structure

SIZE = (260, 200)
MARGIN = 18.0
MOST_ATOMS = 300
"""Atoms, with those repeated on faces, beyond which a flat drawing shows nothing."""
CLASSES = {"N": "n", "O": "o", "F": "f", "S": "s", "Cl": "cl", "Br": "br", "P": "p"}
"""Elements with a colour of their own in the style sheet."""
_ON_FACE = 1e-3
_VIEW = np.array([[0.93, 0.36], [-0.32, 0.78], [0.18, -0.52]])
"""Columns: what one angstrom along x, y and z is to the right and down; z points up, y away."""


def draw_cell(structure: Structure, label: str) -> str:
    """SVG of the cell's edges and of its atoms, those on faces, edges and corners repeated; empty if too many.

    Args:
        structure: With a lattice.
        label: Read aloud in place of the drawing.
    """
    lattice = structure.lattice
    if lattice is None or not np.isfinite(lattice).all() or not abs(np.linalg.det(lattice)) > 1e-6:
        return ""
    numbers, positions = _with_faces(structure, lattice)
    if len(numbers) > MOST_ATOMS:
        return ""
    corners = np.array(list(product((0, 1), repeat=3))) @ lattice
    flat, depth = np.concatenate([corners, positions]) @ _VIEW, positions @ np.cross(*_VIEW.T)
    low, high = flat.min(axis=0), flat.max(axis=0)
    scale = float(((np.array(SIZE) - 2 * MARGIN) / np.maximum(high - low, 1e-6)).min())
    places = (flat - (low + high) / 2) * scale + np.array(SIZE) / 2
    edges = [(i, j) for i in range(8) for j in (i | 1, i | 2, i | 4) if j != i]
    lines = [
        f"<line x1='{x:.1f}' y1='{y:.1f}' x2='{u:.1f}' y2='{v:.1f}' class='stroke-ink' stroke-width='0.8'/>"
        for (x, y), (u, v) in (places[[i, j]].tolist() for i, j in edges)
    ]
    drawn = [_atom(int(numbers[k]), places[8 + k], scale) for k in np.argsort(depth)]
    width, height = SIZE
    opening = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}" class="depiction">'
    return Html(f"{opening}{''.join([*lines, *drawn])}</svg>")


def _with_faces(structure: Structure, lattice: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Atoms in the cell, and their copies on the opposite faces."""
    fractional = structure.positions @ np.linalg.inv(lattice)
    fractional -= np.floor(fractional + _ON_FACE)
    numbers, places = [], []
    for number, place in zip(structure.numbers, fractional, strict=True):
        for shift in product(*((0, 1) if abs(x) < _ON_FACE else (0,) for x in place)):
            numbers.append(number)
            places.append(place + shift)
    return np.array(numbers, np.int64), np.array(places) @ lattice


def _atom(number: int, place: NDArray[np.float64], scale: float) -> str:
    symbol = SYMBOLS[number]
    x, y = place.tolist()
    radius = min(max(0.35 * COVALENT_RADII.get(number, 1.5) * scale, 3.0), 13.0)
    kind = CLASSES.get(symbol, "ink")
    circle = f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius:.1f}' class='stroke-{kind}' stroke-width='1.6'/>"
    text = f"<text x='{x:.1f}' y='{y + 3:.1f}' font-size='9' text-anchor='middle' class='fill-{kind}'>{symbol}</text>"
    return circle + text
