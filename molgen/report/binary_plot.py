"""The convex hull of two elements: energy against composition."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from molgen.chemistry.hull import StablePhases
from molgen.report.charts import number, ticks
from molgen.report.chemical_system import Sample, System
from molgen.report.html import Html, el
from molgen.report.hull_marks import Point, entry_fractions, fractions, phase_labels, phase_marks, sample_mark, tie_line

SIZE = (560, 380)
LEFT, RIGHT, TOP, BOTTOM = 58, 20, 16, 46
ROOM = (0.12, 0.06)
"""Shares of the energies' range left free at the bottom, for a label, and at the top."""
HIGHEST = (0.25, 1.0)
"""Energies up to this many eV/atom, or this many depths of the hull, above zero are drawn to scale."""


def binary_plot(phases: StablePhases, system: System, samples: Sequence[Sample], label: str) -> Html:
    """Energies relative to the ends of the hull, which are the elements where these are known, and the hull below them.

    Args:
        phases: Known ones on the hull, at least one.
        system: Two elements; the first is on the left.
        samples: Of a known energy above that hull; what is far above it stands at the upper edge, as a triangle.
        label: What is drawn, in words.
    """
    relative = relative_energy(phases, system)
    shares = [entry_fractions(phase, system)[1] for phase in phases.entries]
    heights = [relative(x, phase.energy) for x, phase in zip(shares, phases.entries, strict=True)]
    own = [(fractions(sample.atoms.items(), system)[1], sample) for sample in samples]
    energies = [relative(x, sample.energy) for x, sample in own]
    low, high = _range(heights, energies)

    def point(x: float, energy: float) -> Point:
        inner = SIZE[1] - TOP - BOTTOM
        return LEFT + (SIZE[0] - LEFT - RIGHT) * x, TOP + inner * (high - energy) / (high - low)

    places = [point(x, y) for x, y in zip(shares, heights, strict=True)]
    marks = [
        sample_mark(sample, point(x, min(energy, high)), beyond=energy > high)
        for (x, sample), energy in zip(own, energies, strict=True)
    ]
    return el(
        "svg",
        _axes(system, (low, high), point, "formation energy" if _has_ends(phases) else "relative energy"),
        [tie_line(places[i], places[j]) for i, j in phases.tie_lines],
        phase_marks(phases.entries, places),
        marks,
        phase_labels(phases.entries, places, SIZE[0]),
        viewBox=f"0 0 {SIZE[0]} {SIZE[1]}",
        role="img",
        aria_label=label,
        class_="plot hull",
    )


def relative_energy(phases: StablePhases, system: System) -> Callable[[float, float], float]:
    """Energy in eV/atom, at a share of the second element, relative to the two ends of the hull.

    These are the elements, which makes it the formation energy, or the phases that are richest in them.
    """
    known = sorted((entry_fractions(phase, system)[1], phase.energy) for phase in phases.entries)
    (left, first), (right, last) = known[0], known[-1]
    slope = (last - first) / (right - left) if right > left else 0.0
    return lambda x, energy: energy - first - slope * (x - left)


def _has_ends(phases: StablePhases) -> bool:
    return sum(len(phase.composition) == 1 for phase in phases.entries) == 2


def _range(heights: Sequence[float], energies: Sequence[float]) -> tuple[float, float]:
    """Lowest and highest energy of the axis."""
    low = min([*heights, *energies, 0.0])
    most = max(HIGHEST[0], -HIGHEST[1] * min(heights))
    high = max([0.0, *(min(energy, most) for energy in energies)])
    width = (high - low) or 1.0
    return low - ROOM[0] * width, high + ROOM[1] * width


def _axes(system: System, bounds: tuple[float, float], point: Callable[[float, float], Point], name: str) -> list[Html]:
    low, high = bounds
    (left, top), (right, bottom) = point(0, high), point(1, low)
    middle = (top + bottom) / 2
    parts = [
        el("line", x1=left, x2=right, y1=bottom, y2=bottom, class_="axis"),
        el("line", x1=left, x2=left, y1=top, y2=bottom, class_="axis"),
        el("line", x1=left, x2=right, y1=round(point(0, 0)[1], 2), y2=round(point(0, 0)[1], 2), class_="limit"),
        el("text", f"{name}, eV/atom", transform=f"translate(12 {middle:.0f}) rotate(-90)", text_anchor="middle"),
        el("text", f"share of {system[1]} among the atoms", x=(left + right) / 2, y=bottom + 36, text_anchor="middle"),
    ]
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        text = {0.0: system[0], 1.0: system[1]}.get(share, number(share))
        x = round(point(share, 0)[0], 2)
        parts.append(el("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, class_="axis"))
        parts.append(el("text", text, x=x, y=bottom + 18, text_anchor="middle"))
    for tick in ticks(low, high):
        y = round(point(0, tick)[1], 2)
        parts.append(el("line", x1=left - 4, x2=left, y1=y, y2=y, class_="axis"))
        parts.append(el("text", number(tick), x=left - 8, y=y + 4, text_anchor="end"))
    return parts
