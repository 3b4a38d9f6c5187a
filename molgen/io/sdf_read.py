"""Reading SDF and MOL files, V2000 and V3000, record by record, with no chemistry applied to what they say.

Kept: elements (D and T become hydrogen), coordinates, formal charges, bonds of order 1 to 4, title, data fields.
Isotope and radical marks have no place in a Structure; radicals survive because no hydrogens are added.
Format: CTfile Formats, BIOVIA 2020, chapters "Molfile V2000", "Molfile V3000" and "SDfile".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from molgen.io.records import BadRecord, Record, RecordError, Scalar, check_finite, element, parse_scalar
from molgen.io.sdf_write import BONDS_UNKNOWN
from molgen.structure import Structure

_HYDROGEN_ISOTOPES = {"D": 1, "T": 1}
_ATOM_BLOCK_CHARGES = {"1": 3, "2": 2, "3": 1, "5": -1, "6": -2, "7": -3}


def records(lines: Iterator[str]) -> Iterator[Record]:
    """Structures and bad records in the order of the file; after a bad one reading goes on behind its ``$$$$``."""
    block: list[str] = []
    first = 1
    for line in lines:
        if not line.startswith("$$$$"):
            block.append(line)
            continue
        yield _record(block, first)
        first += len(block) + 1
        block = []
    if any(line.strip() for line in block):
        yield _record(block, first)


def _record(block: list[str], first: int) -> Record:
    try:
        return _parse(block, first)
    except RecordError as error:
        return BadRecord(str(error))


def _parse(block: list[str], first: int) -> Structure:
    if len(block) < 4:
        raise RecordError("truncated record", f"line {first}: {len(block)} lines where a header of 4 is needed")
    end = next((row for row in range(4, len(block)) if block[row].startswith("M  END")), None)
    if end is None:
        raise RecordError("truncated record", f"line {first}: no M  END")
    table = _v3000 if "V3000" in block[3] else _v2000
    numbers, positions, charges, bonds = table(block[:end], first)
    unknown = not bonds and block[2].strip() == BONDS_UNKNOWN
    return Structure(
        numbers=np.array(numbers, dtype=np.int64),
        positions=positions,
        charges=np.array(charges, dtype=np.int64),
        bonds=None if unknown else _bond_array(bonds, len(numbers)),
        name=block[0].strip(),
        properties=_data_fields(block[end + 1 :]),
    )


Table = tuple[list[int], np.ndarray, list[int], list[tuple[int, int, int, int]]]
"""Atomic numbers, positions (N, 3), charges, and bonds as (i, j, order, line) counted from 0."""


def _number(text: str, what: str, line: int) -> int:
    try:
        return int(text)
    except ValueError:
        raise RecordError("not an SDF record", f"line {line}: {text.strip()!r} is not a {what}") from None


def _coordinates(rows: list[tuple[str, str, str]], line: int) -> np.ndarray:
    try:
        positions = np.array([(float(x), float(y), float(z)) for x, y, z in rows], dtype=np.float64).reshape(-1, 3)
    except ValueError as error:
        raise RecordError("coordinates are not numbers", f"atom block from line {line}: {error}") from error
    check_finite(positions, line)
    return positions


def _sdf_element(symbol: str, line: int) -> int:
    return _HYDROGEN_ISOTOPES.get(symbol) or element(symbol, line)


def _v2000(block: list[str], first: int) -> Table:
    counts = block[3]
    natoms = _number(counts[0:3], "count of atoms", first + 3)
    nbonds = _number(counts[3:6], "count of bonds", first + 3)
    if min(natoms, nbonds) < 0 or len(block) < 4 + natoms + nbonds:
        raise RecordError(
            "truncated record",
            f"line {first + 3}: {natoms} atoms and {nbonds} bonds announced, {len(block) - 4} lines left",
        )
    rows = block[4 : 4 + natoms]
    positions = _coordinates([(row[0:10], row[10:20], row[20:30]) for row in rows], first + 4)
    numbers = [_sdf_element(row[31:34].strip(), first + 4 + k) for k, row in enumerate(rows)]
    charges = [_ATOM_BLOCK_CHARGES.get(row[36:39].strip(), 0) for row in rows]
    bonds = []
    for line, row in enumerate(block[4 + natoms : 4 + natoms + nbonds], first + 4 + natoms):
        i, j = _number(row[0:3], "atom of a bond", line), _number(row[3:6], "atom of a bond", line)
        bonds.append((i - 1, j - 1, _number(row[6:9], "bond type", line), line))
    overridden = False
    for line, row in enumerate(block[4 + natoms + nbonds :], first + 4 + natoms + nbonds):
        if row.startswith(("M  CHG", "M  RAD")) and not overridden:
            charges, overridden = [0] * natoms, True
        if row.startswith("M  CHG"):
            _apply_charges(row, charges, line)
    return numbers, positions, charges, bonds


def _apply_charges(row: str, charges: list[int], line: int) -> None:
    fields = [_number(text, "charge entry", line) for text in row[6:].split()]
    pairs = fields[1:]
    if not fields or len(pairs) != 2 * fields[0] or not all(1 <= atom <= len(charges) for atom in pairs[::2]):
        raise RecordError("not an SDF record", f"line {line}: cannot make sense of {row.strip()!r}")
    for atom, charge in zip(pairs[::2], pairs[1::2], strict=True):
        charges[atom - 1] = charge


def _v3000_lines(block: list[str], first: int) -> Iterator[tuple[int, list[str]]]:
    """(line number, words) of each V30 line, with continuation lines (a trailing hyphen) joined."""
    pending = ""
    for line, row in enumerate(block[4:], first + 4):
        if not row.startswith("M  V30 "):
            continue
        text = pending + row[7:]
        if text.endswith("-"):
            pending = text[:-1]
            continue
        pending = ""
        yield line, text.split()


def _v3000(block: list[str], first: int) -> Table:
    section, counts = "", (0, 0)
    atoms: list[tuple[int, list[str]]] = []
    bond_rows: list[tuple[int, list[str]]] = []
    for line, words in _v3000_lines(block, first):
        if words[:1] == ["BEGIN"]:
            section = " ".join(words[1:2])
        elif words[:1] == ["END"]:
            section = ""
        elif words[:1] == ["COUNTS"]:
            words += [""] * 2
            counts = (_number(words[1], "count of atoms", line), _number(words[2], "count of bonds", line))
        elif section in ("ATOM", "BOND"):
            needed = 5 if section == "ATOM" else 4
            if len(words) < needed:
                raise RecordError("truncated record", f"line {line}: {len(words)} fields where {needed} are needed")
            (atoms if section == "ATOM" else bond_rows).append((line, words))
    if counts != (len(atoms), len(bond_rows)):
        found = f"{counts[0]} atoms and {counts[1]} bonds announced, {len(atoms)} and {len(bond_rows)} found"
        raise RecordError("truncated record", f"line {first + 3}: {found}")
    start = atoms[0][0] if atoms else first
    positions = _coordinates([(w[2], w[3], w[4]) for _, w in atoms], start)
    numbers = [_sdf_element(words[1], line) for line, words in atoms]
    charges = [_v3000_charge(words, line) for line, words in atoms]
    position_of = {words[0]: k for k, (_, words) in enumerate(atoms)}
    bonds = [
        (position_of.get(w[2], -1), position_of.get(w[3], -1), _number(w[1], "bond type", line), line)
        for line, w in bond_rows
    ]
    return numbers, positions, charges, bonds


def _v3000_charge(words: list[str], line: int) -> int:
    return next((_number(word[4:], "charge", line) for word in words[6:] if word.startswith("CHG=")), 0)


def _bond_array(bonds: list[tuple[int, int, int, int]], natoms: int) -> np.ndarray:
    rows: dict[tuple[int, int], int] = {}
    for i, j, order, line in bonds:
        if not (0 <= i < natoms and 0 <= j < natoms) or i == j:
            raise RecordError("impossible bond", f"line {line}: between atoms {i + 1} and {j + 1} of {natoms}")
        if not 1 <= order <= 4:
            raise RecordError("unknown bond type", f"line {line}: {order} (known: 1, 2, 3 and 4 for aromatic)")
        ends = (i, j) if i < j else (j, i)
        if ends in rows:
            raise RecordError("impossible bond", f"line {line}: atoms {i + 1} and {j + 1} are bonded twice")
        rows[ends] = order
    return np.array([(i, j, order) for (i, j), order in rows.items()], dtype=np.int64).reshape(-1, 3)


def _data_fields(lines: list[str]) -> dict[str, Scalar]:
    fields: dict[str, Scalar] = {}
    key: str | None = None
    value: list[str] = []
    for line in [*lines, ""]:
        if key is None:
            if line.startswith(">") and "<" in line:
                key = line[line.index("<") + 1 : line.rindex(">") if line.rindex(">") > 0 else None]
                value = []
        elif line.strip():
            value.append(line)
        else:
            fields[key] = parse_scalar("\n".join(value))
            key = None
    return fields
