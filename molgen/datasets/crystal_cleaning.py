"""One crystal of a source, read and brought into its Niggli cell, or the reason why it is left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from molgen.chemistry.periodic_distances import CellDistances
from molgen.chemistry.unit_cell import TOLERANCE, canonical_cell, space_group
from molgen.elements import SYMBOLS
from molgen.errors import InputError
from molgen.io.crystal import cif_records
from molgen.io.records import BadRecord, Record, Scalar
from molgen.structure import Structure

CLOSEST = 0.5
"""Distance in angstrom below which two atoms (an atom and its image) count as one place; CDVAE's validity."""
VOLUMES = (1.0, 1000.0)
"""Volumes per atom in angstrom^3 between which a crystal lies; diamond at 10 GPa has 5.5, MP-20's lightest 134."""
NEEDLE = 50.0
"""Longest over shortest vector of the Niggli cell; MP-20's largest is 13."""
MOST_ATOMS = 1000
"""Atoms of one cell; models and distances take memory by its square."""
UNFIT = frozenset(
    {
        *("unknown element", "not an ordered crystal", "zero volume", "malformed lattice", "no lattice"),
        *("coordinates are not finite", "no Niggli cell", "partly periodic"),
        *("volume per atom", "needle cell", "atoms in one place"),
        "too many atoms",
    }
)
"""Kinds of reasons for which a crystal that could be read is left out; other kinds are unreadable records."""
RULE = (
    f"ordered; up to {MOST_ATOMS:,} atoms; {VOLUMES[0]:g} to {VOLUMES[1]:g} A^3 per atom; Niggli cell with lengths in "
    f"a ratio up to {NEEDLE:g}; no two atoms, images included, closer than {CLOSEST:g} A"
)
SPACE_GROUP = "spacegroup"
FOUND = "spacegroup_spglib_0p1"
"""Property of a source that is taken for the space group, as it was found the same way; finding it takes 4 ms."""
NAMES: Mapping[str, str] = {
    "e_above_hull": "energy_above_hull",
    "spacegroup.number": "spacegroup_csv",
    SPACE_GROUP: "spacegroup_stated",
}
"""Our names of properties that sources call otherwise; the space group found here has the plain name."""


@dataclass(frozen=True)
class RawCrystal:
    """One record of a source, not looked into yet where it is text.

    Attributes:
        content: A structure, text of one CIF block, or why the record cannot be read.
        place: File and row, for messages.
        name: Its identifier in the source; empty for that of the content.
        split: Code of its split; None where the source does not say.
        properties: Values that the source states beside the content.
    """

    content: Record | str
    place: str
    name: str = ""
    split: int | None = None
    properties: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class CleanCrystal:
    """What became of a record: a structure in its Niggli cell, or the reason for leaving it out ("kind: detail")."""

    name: str
    split: int | None
    structure: Structure | None = None
    reason: str = ""


def clean(raw: RawCrystal) -> CleanCrystal:
    """Read, reduce, check, and find the space group (property ``spacegroup``, at 0.1 angstrom). Runs in a worker."""
    record = _read(raw.content) if isinstance(raw.content, str) else raw.content
    if isinstance(record, BadRecord):
        kind, _, detail = record.reason.partition(": ")
        return CleanCrystal(raw.name, raw.split, reason=f"{kind}: {raw.place}: {detail}")
    name = raw.name or record.name or raw.place
    try:
        structure = canonical_cell(_checked(record))
        if reason := _unfit(structure):
            raise InputError(reason)
    except InputError as error:
        kind, _, detail = str(error).partition(": ")
        return CleanCrystal(name, raw.split, reason=f"{kind}: {raw.place}: {detail}")
    values = {NAMES.get(key, key): value for key, value in {**record.properties, **raw.properties}.items()}
    if (number := values.pop(FOUND, None) or space_group(structure, TOLERANCE)) is not None:
        values[SPACE_GROUP] = number
    known = {key: value for key, value in values.items() if value == value and (key, value) != ("spacegroup_csv", 0)}
    return CleanCrystal(
        name,
        raw.split,
        Structure(
            numbers=structure.numbers,
            positions=structure.positions,
            lattice=structure.lattice,
            charges=structure.charges,
            name=name,
            properties=known,
        ),
    )


def _read(text: str) -> Record:
    records = list(cif_records(iter(re.split(r"\r\n|\r|\n", text))))
    if len(records) == 1:
        return records[0]
    return BadRecord(f"malformed CIF block: {len(records)} blocks where one is needed")


def _checked(structure: Structure) -> Structure:
    """The structure; raises InputError with "kind: detail" for one whose numbers mean nothing."""
    if not len(structure):
        raise InputError("no atoms: the record announces none")
    if len(structure) > MOST_ATOMS:
        raise InputError(f"too many atoms: {len(structure):,}")
    if "pbc" in structure.properties:
        raise InputError(f"partly periodic: pbc is {structure.properties['pbc']}")
    if structure.lattice is None:
        raise InputError("no lattice: a molecule among crystals")
    if strange := sorted({int(z) for z in structure.numbers if not 1 <= z < len(SYMBOLS)}):
        raise InputError(f"unknown element: atomic number {', '.join(map(str, strange))}")
    if not np.isfinite(structure.lattice).all():
        raise InputError("malformed lattice: a number is not finite")
    if not np.isfinite(structure.positions).all():
        raise InputError("coordinates are not finite: a coordinate is nan or infinite")
    return structure


def _unfit(structure: Structure) -> str:
    """Why a crystal in its Niggli cell is not fit for use; empty when it is."""
    cell = CellDistances(structure)
    lengths = np.linalg.norm(cell.lattice, axis=1)
    volume = cell.volume / len(structure)
    if not VOLUMES[0] <= volume <= VOLUMES[1]:
        return f"volume per atom: {volume:.4g} A^3"
    if lengths.max() > NEEDLE * lengths.min():
        return f"needle cell: {', '.join(f'{length:.4g}' for length in lengths)} A"
    if (distance := min(cell.nearest_pair, cell.translation)) < CLOSEST:
        return f"atoms in one place: {distance:.3g} A apart"
    return ""
