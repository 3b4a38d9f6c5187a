"""The three-dimensional structures behind the molecules of a gallery, read from the files that were scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from molgen.elements import SYMBOLS
from molgen.errors import MolgenError
from molgen.report.formulas import atoms_of
from molgen.report.picks import Pick
from molgen.structure import Structure


def find_structures(picks: Sequence[Pick], files: Sequence[str] = ()) -> tuple[dict[int, Structure], list[str]]:
    """Structures by index, and remarks on those that are not to be had; reads as far as the last one needed.

    Args:
        picks: Molecules wanted.
        files: What to read in place of the sources that the rows name: the same records, in the same order.
    """
    remarks: list[str] = []
    found: dict[int, Structure] = {}
    if files:
        take_records(files, {pick.index: pick for pick in picks}, found, remarks)
        return found, remarks
    for source in dict.fromkeys(str(pick.row["source"] or "") for pick in picks):
        own = {pick.record: pick for pick in picks if (pick.row["source"] or "") == source}
        if source:
            take_records([source], own, found, remarks)
        else:
            remarks.append("The structures were scored in memory, so there is no file to draw them from.")
    return found, remarks


def take_records(
    files: Sequence[str], wanted: Mapping[int, Pick], found: dict[int, Structure], remarks: list[str]
) -> None:
    """Put the wanted records of ``files`` into ``found``, by index; reads as far as the last one.

    Args:
        files: Read one after another.
        wanted: What to expect at which place of all their records, from 0.
        found: Gets the structures that are what their pick says.
        remarks: Gets why others are not to be had.
    """
    names = ", ".join(files)
    left = len(wanted)
    try:
        for place, item in enumerate(_items(files)):
            if pick := wanted.get(place):
                left -= 1
                if isinstance(item, Structure) and _is_of(item, pick):
                    found[pick.index] = item
                else:
                    remarks.append(f"{names}: record {place} is not the structure that was scored; it has no 3D view.")
            if not left:
                return
    except MolgenError as error:
        remarks.append(f"Structures of {names} are not to be had ({error}); they have no 3D view.")
        return
    remarks.append(f"{names} ends before {left} of the structures to show; they have no 3D view.")


def _items(files: Sequence[str]) -> Iterator[object]:
    from molgen.scoring.records import read_records

    for record in read_records(files):
        yield record.item


def _is_of(structure: Structure, pick: Pick) -> bool:
    """Whether a structure has the atoms that the row states, and coordinates to draw."""
    formula = str(pick.row["formula"] or "")
    atoms = Counter(SYMBOLS[number] for number in structure.numbers.tolist())
    same = len(structure) == pick.row["n_atoms"] and (not formula or atoms_of(formula) == atoms)
    return same and bool(np.isfinite(structure.positions).all())
