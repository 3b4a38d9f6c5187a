"""The convex hull of three elements, seen from above: a triangle of compositions, divided by tie lines."""

from __future__ import annotations

from collections.abc import Sequence

from molgen.chemistry.hull import StablePhases
from molgen.report.chemical_system import Sample, System
from molgen.report.html import Html, el
from molgen.report.hull_marks import Point, entry_fractions, fractions, phase_labels, phase_marks, sample_mark, tie_line

SIZE = (560, 480)
CORNERS: tuple[Point, ...] = ((50.0, 430.0), (510.0, 430.0), (280.0, 31.6))
"""Of an equilateral triangle: where the pure elements are, left, right and top."""
NAMES: tuple[Point, ...] = ((30.0, 448.0), (530.0, 448.0), (280.0, 16.0))


def ternary_plot(phases: StablePhases, system: System, samples: Sequence[Sample], label: str) -> Html:
    """Compositions of known phases and samples; colours of samples say how far above the hull they are.

    Args:
        phases: Known ones on the hull.
        system: Three elements: left, right and top.
        samples: Of a known energy above that hull; the highest are drawn first, so that they hide no lower one.
        label: What is drawn, in words.
    """
    places = [at(entry_fractions(phase, system)) for phase in phases.entries]
    ordered = sorted(samples, key=lambda sample: -sample.above)
    outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in CORNERS)
    names = [
        el("text", symbol, x=x, y=y, text_anchor="middle", class_="phase-name")
        for symbol, (x, y) in zip(system, NAMES, strict=True)
    ]
    return el(
        "svg",
        el("polygon", points=outline, class_="outline"),
        [tie_line(places[i], places[j]) for i, j in phases.tie_lines],
        phase_marks(phases.entries, places),
        [sample_mark(sample, at(fractions(sample.atoms.items(), system))) for sample in ordered],
        phase_labels(phases.entries, places, SIZE[0]),
        names,
        viewBox=f"0 0 {SIZE[0]} {SIZE[1]}",
        role="img",
        aria_label=label,
        class_="plot hull",
    )


def at(shares: Sequence[float]) -> Point:
    """Point of a composition.

    Args:
        shares: Of the elements at the corners, of sum 1.
    """
    x, y = (sum(share * corner[axis] for share, corner in zip(shares, CORNERS, strict=True)) for axis in (0, 1))
    return x, y
