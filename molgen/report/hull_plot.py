"""The convex hull of a chemical system with the samples of it, as a part of the section on stability."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from molgen.chemistry.hull import StablePhases
from molgen.elements import NUMBERS
from molgen.errors import ConfigError
from molgen.report.binary_plot import binary_plot
from molgen.report.chemical_system import Sample, System, parse_system, samples_of
from molgen.report.html import Html, el
from molgen.report.hull_marks import LEVELS
from molgen.report.ternary_plot import ternary_plot
from molgen.scoring.hull_file import HullReference, read_hull
from molgen.scoring.protocol import Row

MOST_SAMPLES = 2000
"""In a plot: more are a blot."""
FINGERPRINT = 12
"""Digits of a hull's fingerprint in the version of protocol ``sun``."""


@dataclass(frozen=True)
class HullRequest:
    """What is to be drawn.

    Attributes:
        known: The hull that the rows were scored with.
        system: None for that of most samples.
    """

    known: HullReference
    system: System | None

    @classmethod
    def of(cls, hull: str, system: str, summary: dict[str, Any]) -> HullRequest:
        """Read the hull.

        Args:
            hull: What :func:`read_hull` takes.
            system: Such as ``Li-O``; empty for that of most samples.
            summary: Of the scoring, with protocol ``sun``.

        Raises:
            ConfigError: The rows were scored with another hull; the system is not two or three elements of this one.
            InputError, MissingError: The file cannot be read.
        """
        known = read_hull(hull)
        version = str(summary["protocols"]["sun"]["version"])
        if known.fingerprint[:FINGERPRINT] not in version:
            raise ConfigError(
                f"--hull {hull}: the rows were scored with another one: {version}",
                hint="give the file that molgen score had as --hull",
            )
        wanted = parse_system(system) if system else None
        if unknown := [symbol for symbol in wanted or () if NUMBERS[symbol] not in known.hull.elements]:
            raise ConfigError(
                f"--system {system}: no compound of {', '.join(unknown)} is in {hull}", hint="choose other elements"
            )
        return cls(known, wanted)


def hull_plot(request: HullRequest, usual: System | None, rows: Iterable[Row]) -> Html:
    """The plot with what it shows in words.

    Args:
        request: What to draw.
        usual: Chemical system of most samples, which is drawn if the request names none.
        rows: All of them.
    """
    system = request.system or usual
    if system is None:
        return el("p", "No hull is drawn: no crystal of two or three elements has a known energy above it.")
    samples: list[Sample] = []
    counted: Counter[bool] = Counter()
    for sample in samples_of(system, rows):
        counted[len(sample.atoms) == len(system)] += 1
        if len(samples) < MOST_SAMPLES:
            samples.append(sample)
    phases = request.known.hull.stable(NUMBERS[symbol] for symbol in system)
    name = "-".join(system)
    if not phases.entries:
        return el("p", f"No hull of {name} is drawn: {request.known.name} knows none of its phases.")
    label = f"Convex hull of {name}: {len(phases.entries)} known phases, {len(samples)} samples"
    draw = binary_plot if len(system) == 2 else ternary_plot
    return el(
        "figure",
        el("figcaption", el("b", f"Convex hull of {name}"), el("span", request.known.name, class_="meaning")),
        draw(phases, system, samples, label),
        _legend(),
        [el("p", text, class_="small") for text in _remarks(system, phases, counted)],
        class_="hull",
    )


def _legend() -> Html:
    levels = [
        el("span", el("span", class_=f"key level {name}"), f" {words}", class_="nowrap")
        for name, (_, words) in LEVELS.items()
    ]
    phase = el("span", el("span", class_="key phase"), " known phase on the hull", class_="nowrap")
    return el("p", phase, el("span", "samples, eV/atom above the hull:"), levels, class_="legend small")


def _remarks(system: System, phases: StablePhases, counted: Counter[bool]) -> list[str]:
    """What the plot cannot say."""
    samples, of_all = counted.total(), counted[True]
    remarks = [
        f"Samples of a known energy made of these elements: {samples:,}; of all {len(system)} of them: {of_all:,}. "
        "Lines join known phases that coexist."
    ]
    if len(system) == 3:
        remarks.append("Of samples of one composition the lowest is on top.")
    if samples > MOST_SAMPLES:
        remarks.append(f"The first {MOST_SAMPLES:,} are drawn.")
    pure = {phase.composition[0][0] for phase in phases.entries if len(phase.composition) == 1}
    if lacking := [symbol for symbol in system if NUMBERS[symbol] not in pure]:
        end = "energies are relative to the phases at the ends" if len(system) == 2 else "the hull ends at compounds"
        remarks.append(f"The hull has no energy of pure {', '.join(lacking)}: {end}.")
    return remarks
