"""What the plots of binary and ternary hulls have in common: marks of known phases and of samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from molgen.chemistry.hull import METASTABLE, ROUNDING, Entry
from molgen.elements import SYMBOLS
from molgen.report.charts import number
from molgen.report.chemical_system import Sample, System
from molgen.report.formulas import subscripted
from molgen.report.html import Html, el
from molgen.report.labels import place_labels

Point = tuple[float, float]
LEVELS = {
    "stable": (0.0, "0 or less"),
    "metastable": (METASTABLE, f"up to {METASTABLE:g}"),
    "unstable": (0.25, "up to 0.25"),
    "very-unstable": (float("inf"), "more"),
}
"""Class of a sample's mark -> largest energy above the hull in eV/atom, and the same in words."""


def level(above: float) -> str:
    """Class of the mark of a sample this far above the hull, eV/atom."""
    return next(name for name, (most, _) in LEVELS.items() if above <= most + ROUNDING)


def sample_mark(sample: Sample, point: Point, *, beyond: bool = False) -> Html:
    """A disc of the colour of its energy above the hull, that says which record it is.

    Args:
        sample: To be marked.
        point: Where it is drawn.
        beyond: Its true place is above this point, outside the plot; a triangle says so.
    """
    x, y = point
    said = el("title", f"Record {sample.index} {sample.formula}: {number(sample.above, 3)} eV/atom above the hull")
    class_ = f"level {level(sample.above)}"
    if beyond:
        corners = ((x - 5, y + 8), (x + 5, y + 8), (x, y))
        return el("polygon", said, points=" ".join(f"{u:.1f},{v:.1f}" for u, v in corners), class_=class_)
    return el("circle", said, cx=round(x, 2), cy=round(y, 2), r=4, class_=class_)


def phase_marks(phases: Sequence[Entry], points: Sequence[Point]) -> list[Html]:
    """Squares, larger than the discs of samples, which may lie on them."""
    return [
        el("rect", el("title", _said(phase)), x=round(x - 5, 2), y=round(y - 5, 2), width=10, height=10, class_="phase")
        for phase, (x, y) in zip(phases, points, strict=True)
    ]


def phase_labels(phases: Sequence[Entry], points: Sequence[Point], width: float) -> list[Html]:
    """Formulas of compounds; elements are named at the ends of the axes.

    Args:
        phases: All that are drawn.
        points: Where.
        width: Of the plot.
    """
    compounds = [(phase, point) for phase, point in zip(phases, points, strict=True) if len(phase.composition) > 1]
    texts = [subscripted(phase.formula) for phase, _ in compounds]
    places = place_labels([point for _, point in compounds], texts, width)
    return [
        el("text", text, x=round(x, 2), y=round(y + 4, 2), text_anchor="middle", class_="phase-name")
        for text, (x, y) in zip(texts, places, strict=True)
    ]


def tie_line(one: Point, other: Point) -> Html:
    """Between two phases that coexist."""
    (x, y), (u, v) = one, other
    return el("line", x1=round(x, 2), y1=round(y, 2), x2=round(u, 2), y2=round(v, 2), class_="tie")


def fractions(atoms: Iterable[tuple[str, int]], system: System) -> list[float]:
    """Share of each element of the system.

    Args:
        atoms: Pairs of symbol and count.
        system: Holds all of these symbols.
    """
    counts = dict(atoms)
    total = sum(counts.values())
    return [counts.get(symbol, 0) / total for symbol in system]


def entry_fractions(entry: Entry, system: System) -> list[float]:
    """The same of a known phase."""
    return fractions(((SYMBOLS[z], count) for z, count in entry.composition), system)


def _said(phase: Entry) -> str:
    return f"{phase.name} {phase.formula}: {number(phase.energy)} eV/atom"
