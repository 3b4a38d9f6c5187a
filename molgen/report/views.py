"""What the page's script needs to show structures in 3D, and the words that go with a record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from molgen.elements import SYMBOLS
from molgen.report.html import Html, json_script
from molgen.report.picks import Pick
from molgen.structure import Structure

REASON_LENGTH = 240
DECIMALS = 4
"""Of coordinates in angstrom."""

View = dict[str, Any]


def view(pick: Pick, structure: Structure, before: Structure | None = None) -> View:
    """Data of one 3D view.

    Args:
        pick: The record.
        structure: As it was scored.
        before: As it was before it was relaxed, to be shown beside it.
    """
    return {
        "index": pick.index,
        "title": title_of(pick),
        "origin": origin_of(pick),
        "reasons": [f"{protocol}: {reason}" for protocol, reason in reasons_of(pick)],
        **_drawn(structure),
        "before": None if before is None else _drawn(before),
    }


def view_data(views: Iterable[View]) -> Html:
    """The block of data for the script; of several views of a record, one with a structure before relaxing stays."""
    by_index: dict[int, View] = {}
    for one in views:
        if one["index"] not in by_index or one["before"] is not None:
            by_index[one["index"]] = one
    return json_script("molecules-data", list(by_index.values()))


def title_of(pick: Pick) -> str:
    """``Record 3 C6H6``."""
    return f"Record {pick.index} {pick.row['formula'] or ''}".rstrip()


def origin_of(pick: Pick) -> str:
    """Name and source; a name that is only the record's number says nothing more."""
    name = str(pick.row["name"] or "")
    return " in ".join(
        part for part in ("" if name == str(pick.index) else name, str(pick.row["source"] or "")) if part
    )


def reasons_of(pick: Pick) -> list[tuple[str, str]]:
    """Protocol and what it found wrong, cut to a length that fits under a drawing."""
    found = [(key.rpartition(".")[0], str(value or "")) for key, value in pick.row.items() if key.endswith(".reason")]
    cut = [(name, r if len(r) <= REASON_LENGTH else f"{r[:REASON_LENGTH]}\u2026") for name, r in found]
    return [(name, reason) for name, reason in cut if reason]


def _drawn(structure: Structure) -> View:
    return {
        "elements": [SYMBOLS[z] for z in structure.numbers.tolist()],
        "positions": structure.positions.round(DECIMALS).tolist(),
        "charges": [] if structure.charges is None else structure.charges.tolist(),
        "bonds": [] if structure.bonds is None else structure.bonds.tolist(),
        "cell": [] if structure.lattice is None else structure.lattice.round(DECIMALS).tolist(),
    }
