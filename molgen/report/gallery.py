"""The gallery: best and worst molecules as flat drawings with their reasons, and their 3D views."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from molgen.report.charts import number
from molgen.report.collect import Collected
from molgen.report.depict import Drawn, Sketch, draw_all
from molgen.report.html import Html, el
from molgen.report.picks import Pick
from molgen.report.sections import notes, section
from molgen.report.structures import find_structures
from molgen.report.views import View, origin_of, reasons_of, title_of, view

if TYPE_CHECKING:
    from molgen.structure import Structure


def gallery(summary: dict[str, Any], found: Collected, files: Sequence[str]) -> tuple[Html, list[View]] | None:
    """The section and its 3D views; None without a molecule to show.

    Args:
        summary: Of the scoring.
        found: With the best and worst molecules.
        files: In place of the sources that the rows name; see ``find_structures``.
    """
    picks = [*found.best, *found.worst]
    if not picks:
        return None
    structures, remarks = find_structures(picks, files)
    sketches = [_sketch(pick, structures.get(pick.index)) for pick in picks]
    drawings = {pick.index: drawn for pick, drawn in zip(picks, draw_all(sketches), strict=True)}
    views = [view(p, s) for p in picks if (s := drawings[p.index].structure) is not None]
    no_worst = el("p", "No molecule that could be read failed a check.")
    shown = section(
        "molecules",
        "Best and worst molecules",
        el("p", _order(summary, found)),
        _checks(found),
        notes(remarks),
        _cards("Best", found.best, found, drawings),
        _cards("Worst", found.worst, found, drawings) if found.worst else no_worst,
    )
    return shown, views


def _order(summary: dict[str, Any], found: Collected) -> str:
    then = ""
    if found.energy:
        protocol, _, column = found.energy.rpartition(".")
        meaning = summary["protocols"][protocol]["columns"][column]["meaning"]
        then = f", then those of the smallest {protocol} {column.replace('_', ' ')} ({meaning})"
    return (
        f"Best: molecules that pass most of the {len(found.checks)} checks{then}, then by place in the file. Worst: "
        "those that pass fewest, in the opposite order. A check that is not applicable is not passed. Copies of a "
        "molecule (not unique) and records that could not be read are left out. Small numbers in a drawing are atoms "
        "that a reason names."
    )


def _checks(found: Collected) -> Html:
    by_protocol: dict[str, list[str]] = {}
    for check in found.checks:
        protocol, _, name = check.rpartition(".")
        by_protocol.setdefault(protocol, []).append(name.replace("_", " "))
    items = [el("li", el("b", protocol), f": {', '.join(names)}") for protocol, names in by_protocol.items()]
    return el("details", el("summary", f"The {len(found.checks)} checks"), el("ul", items))


def _cards(title: str, picks: Sequence[Pick], found: Collected, drawings: Mapping[int, Drawn]) -> Html:
    cards = [_card(pick, found, drawings[pick.index]) for pick in picks]
    return el("div", el("h3", title), el("div", cards, class_="grid cards"))


def _card(pick: Pick, found: Collected, drawn: Drawn) -> Html:
    smiles, total = _smiles(pick), len(found.checks)
    failed = f"; {pick.failed} failed" if pick.failed else ""
    unknown = f"; {pick.open} not applicable" if pick.open else ""
    state = "good" if pick.passed == total else "bad" if pick.failed else "fair"
    facts = [
        el("p", el("span", f"{pick.passed} of {total} checks passed", class_=f"verdict {state}"), f"{failed}{unknown}"),
        el("p", _energy(pick, found)) if pick.energy is not None else None,
        [el("p", el("b", protocol), f": {reason}", class_="reason") for protocol, reason in reasons_of(pick)],
        el("p", el("code", smiles), class_="smiles", title=smiles) if smiles else None,
    ]
    undrawn = el("p", "No drawing: too large, too tangled, or nothing to draw.", class_="undrawn")
    link = el("a", "View in 3D", href=f"#molecule={pick.index}", class_="view") if drawn.structure is not None else None
    head = el("header", el("b", title_of(pick)), el("span", origin_of(pick), class_="meaning"))
    return el("article", head, Html(drawn.svg) or undrawn, facts, link, class_="card", id=f"record-{pick.index}")


def _energy(pick: Pick, found: Collected) -> str:
    protocol, _, column = found.energy.rpartition(".")
    return f"{protocol}: {column.replace('_', ' ')} {number(pick.energy)} {found.energy_unit}".rstrip()


def _smiles(pick: Pick) -> str:
    """The shortest, that is the one with implicit hydrogens where there are several."""
    return min(
        (str(value) for key, value in pick.row.items() if key.endswith(".smiles") and value), key=len, default=""
    )


def _sketch(pick: Pick, structure: Structure | None) -> Sketch:
    reasons = " ".join(reason for _, reason in reasons_of(pick))
    noted = tuple(int(digits) for digits in re.findall(r"\batoms? #? ?(\d{1,6})\b", reasons))
    return Sketch(structure, str(pick.row["bonds"] or "auto"), _smiles(pick), f"Drawing of {title_of(pick)}", noted)
