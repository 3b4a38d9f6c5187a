"""Relaxed crystals beside what they were before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from molgen.report.charts import number
from molgen.report.depict import Sketch, draw_all
from molgen.report.html import Html, el
from molgen.report.picks import Pick
from molgen.report.sections import notes, section
from molgen.report.stability_rows import ABOVE, MOVED, RMSD
from molgen.report.structures import find_structures, take_records
from molgen.report.views import View, origin_of, title_of, view
from molgen.scoring.relaxed_properties import INDEX

if TYPE_CHECKING:
    from molgen.structure import Structure

CHANGE = "sun.volume_change"
GROUPS = ("sun.space_group_before", "sun.space_group_after")
EXPLANATION = (
    f"The {MOVED} crystals, relaxed to convergence, whose atoms moved furthest (RMSD of fractional coordinates in the "
    "final cell). The first drawing is the structure as generated, the second the relaxed one."
)


def before_after(picks: Sequence[Pick], files: Sequence[str], before: str) -> tuple[Html, list[View]]:
    """The section and its 3D views.

    Args:
        picks: Relaxed crystals, in the order in which they are shown.
        files: In place of the sources that the rows name; see ``find_structures``.
        before: What ``molgen relax`` was given.
    """
    relaxed, remarks = find_structures(picks, files)
    given = _given(picks, relaxed, before, remarks)
    there = [pick for pick in picks if pick.index in given]
    cards = _cards(there, relaxed, given)
    shown = section(
        "relaxed",
        "Before and after relaxing",
        el("p", EXPLANATION if picks else "No crystal was relaxed to convergence."),
        notes(remarks),
        el("div", cards, class_="grid cards wide"),
    )
    return shown, [view(pick, relaxed[pick.index], given[pick.index]) for pick in there]


def _given(
    picks: Sequence[Pick], relaxed: Mapping[int, Structure], before: str, remarks: list[str]
) -> dict[int, Structure]:
    """Structures before relaxing by index: those at the places in ``before`` that the relaxed ones name."""
    found: dict[int, Structure] = {}
    wanted: dict[int, Pick] = {}
    for pick in picks:
        if pick.index in relaxed:
            place = relaxed[pick.index].properties.get(INDEX)
            if isinstance(place, int | float):
                wanted[int(place)] = pick
            else:
                remarks.append(f"Record {pick.index} does not say which record it was before: it has no {INDEX}.")
    if wanted:
        take_records([before], wanted, found, remarks)
    return found


def _cards(there: Sequence[Pick], relaxed: Mapping[int, Structure], given: Mapping[int, Structure]) -> list[Html]:
    states = {"as generated": given, "relaxed": relaxed}
    sketches = [
        Sketch(structures[pick.index], "auto", "", f"{title_of(pick)}, {state}")
        for pick in there
        for state, structures in states.items()
    ]
    svgs = [drawn.svg for drawn in draw_all(sketches)]
    return [_card(pick, dict(zip(states, svgs[2 * k : 2 * k + 2], strict=True))) for k, pick in enumerate(there)]


def _card(pick: Pick, drawings: Mapping[str, str]) -> Html:
    undrawn = el("p", "No drawing: too large.", class_="undrawn")
    sides = [el("div", Html(svg) or undrawn, el("p", state, class_="small")) for state, svg in drawings.items()]
    return el(
        "article",
        el("header", el("b", title_of(pick)), el("span", origin_of(pick), class_="meaning")),
        el("div", sides, class_="sides"),
        [el("p", fact) for fact in _facts(pick)],
        el("a", "View in 3D", href=f"#molecule={pick.index}", class_="view"),
        class_="card",
    )


def _facts(pick: Pick) -> list[str]:
    row = pick.row
    groups = " to ".join("unknown" if row[group] is None else str(row[group]) for group in GROUPS)
    rmsd, volume, above = (
        value if isinstance(value := row[key], int | float) else None for key in (RMSD, CHANGE, ABOVE)
    )
    return [
        f"RMSD {number(rmsd, 3)} angstrom, volume change {number(volume, 3)} %",
        f"space group {groups}",
        f"{'no known energy' if above is None else f'{number(above, 3)} eV/atom'} above the hull",
    ]
