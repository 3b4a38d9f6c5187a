"""The gallery: best and worst molecules as flat drawings with their reasons, and the data of their 3D views."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from molgen.elements import SYMBOLS
from molgen.report.charts import number
from molgen.report.collect import Collected, Pick
from molgen.report.depict import Drawn, Sketch, draw_all
from molgen.report.html import Html, el, json_script
from molgen.report.sections import notes, section
from molgen.report.structures import find_structures

if TYPE_CHECKING:
    from molgen.structure import Structure

REASON_LENGTH = 240
DECIMALS = 4
"""Of coordinates in angstrom, in the data of the 3D views."""


def gallery(summary: dict[str, Any], found: Collected, files: Sequence[str]) -> Html | None:
    """The section, with the data block that the page's script draws 3D views from.

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
    molecules = [_molecule(p, s) for p in picks if (s := drawings[p.index].structure) is not None]
    no_worst = el("p", "No molecule that could be read failed a check.")
    return section(
        "molecules",
        "Best and worst molecules",
        el("p", _order(summary, found)),
        _checks(found),
        notes(remarks),
        _cards("Best", found.best, found, drawings),
        _cards("Worst", found.worst, found, drawings) if found.worst else no_worst,
        json_script("molecules-data", molecules),
    )


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
        [el("p", el("b", protocol), f": {reason}", class_="reason") for protocol, reason in _reasons(pick)],
        el("p", el("code", smiles), class_="smiles", title=smiles) if smiles else None,
    ]
    undrawn = el("p", "No drawing: too large, too tangled, or nothing to draw.", class_="undrawn")
    view = el("a", "View in 3D", href=f"#molecule={pick.index}", class_="view") if drawn.structure is not None else None
    head = el("header", el("b", _title(pick)), el("span", _origin(pick), class_="meaning"))
    return el("article", head, Html(drawn.svg) or undrawn, facts, view, class_="card", id=f"record-{pick.index}")


def _energy(pick: Pick, found: Collected) -> str:
    protocol, _, column = found.energy.rpartition(".")
    return f"{protocol}: {column.replace('_', ' ')} {number(pick.energy)} {found.energy_unit}".rstrip()


def _title(pick: Pick) -> str:
    return f"Record {pick.index} {pick.row['formula'] or ''}".rstrip()


def _origin(pick: Pick) -> str:
    """Name and source; a name that is only the record's number says nothing more."""
    name = str(pick.row["name"] or "")
    return " in ".join(
        part for part in ("" if name == str(pick.index) else name, str(pick.row["source"] or "")) if part
    )


def _smiles(pick: Pick) -> str:
    """The shortest, that is the one with implicit hydrogens where there are several."""
    return min(
        (str(value) for key, value in pick.row.items() if key.endswith(".smiles") and value), key=len, default=""
    )


def _reasons(pick: Pick) -> list[tuple[str, str]]:
    """Protocol and what it found wrong, cut to a length that fits under a drawing."""
    found = [(key.rpartition(".")[0], str(value or "")) for key, value in pick.row.items() if key.endswith(".reason")]
    cut = [(name, r if len(r) <= REASON_LENGTH else f"{r[:REASON_LENGTH]}\u2026") for name, r in found]
    return [(name, reason) for name, reason in cut if reason]


def _sketch(pick: Pick, structure: Structure | None) -> Sketch:
    reasons = " ".join(reason for _, reason in _reasons(pick))
    noted = tuple(int(digits) for digits in re.findall(r"\batoms? #? ?(\d{1,6})\b", reasons))
    return Sketch(structure, str(pick.row["bonds"] or "auto"), _smiles(pick), f"Drawing of {_title(pick)}", noted)


def _molecule(pick: Pick, structure: Structure) -> dict[str, Any]:
    """What the page's script needs to show a molecule."""
    return {
        "index": pick.index,
        "title": _title(pick),
        "origin": _origin(pick),
        "reasons": [f"{protocol}: {reason}" for protocol, reason in _reasons(pick)],
        "elements": [SYMBOLS[z] for z in structure.numbers.tolist()],
        "positions": structure.positions.round(DECIMALS).tolist(),
        "charges": [] if structure.charges is None else structure.charges.tolist(),
        "bonds": [] if structure.bonds is None else structure.bonds.tolist(),
        "cell": [] if structure.lattice is None else structure.lattice.round(DECIMALS).tolist(),
    }
