"""The connection tables of MOL and SDF files, V2000 and V3000, with no chemistry applied to what they say.

Elements (D and T become hydrogen), coordinates, formal charges, and bonds of order 1 to 4. Isotope and radical marks
have no place in a Structure; radicals survive because no hydrogens are added.
Format: CTfile Formats, BIOVIA 2020, chapters "Molfile V2000" and "Molfile V3000".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from molgen.io.records import RecordError, check_charge, element, parse_coordinates

_HYDROGEN_ISOTOPES = {"D": 1, "T": 1}
_ATOM_BLOCK_CHARGES = {"": 0, "0": 0, "1": 3, "2": 2, "3": 1, "4": 0, "5": -1, "6": -2, "7": -3}  # 4 marks a radical
_PROPERTY_ROWS = ("M", "A", "V", "G", "S")
"""First letters of what may follow the bonds of a V2000 table."""


class Table(NamedTuple):
    """Atomic numbers, positions (N, 3), charges, and bonds as rows (i, j, order) with i < j, (M, 3)."""

    numbers: list[int]
    positions: np.ndarray
    charges: list[int]
    bonds: np.ndarray


_Bond = tuple[int, int, int, int]
"""Two atoms counted from 0, the order, and the line that says so."""


def parse_table(block: list[str], first: int) -> Table:
    """The table of a molblock.

    Args:
        block: Its lines from the title up to, and without, ``M  END``; at least four.
        first: Line number of the title.

    Raises:
        RecordError: It cannot be read; the detail names the line.
    """
    return _v3000(block, first) if "V3000" in block[3] else _v2000(block, first)


def _integer(text: str, what: str, line: int) -> int:
    try:
        if "_" not in text:  # Python reads 1_0 as 10
            return int(text)
    except ValueError:
        pass
    raise RecordError("not an SDF record", f"line {line}: {text.strip()[:40]!r} is not {what}")


def _sdf_element(symbol: str, line: int) -> int:
    return _HYDROGEN_ISOTOPES.get(symbol) or element(symbol, line)


def _v2000(block: list[str], first: int) -> Table:
    counts = block[3]
    natoms = _integer(counts[0:3], "a count of atoms", first + 3)
    nbonds = _integer(counts[3:6], "a count of bonds", first + 3)
    if min(natoms, nbonds) < 0 or len(block) < 4 + natoms + nbonds:
        raise RecordError(
            "truncated record",
            f"line {first + 3}: {natoms} atoms and {nbonds} bonds announced, {len(block) - 4} lines left",
        )
    rows = block[4 : 4 + natoms]
    positions = parse_coordinates([(row[0:10], row[10:20], row[20:30]) for row in rows], first + 4)
    numbers = [_sdf_element(row[31:34].strip(), line) for line, row in enumerate(rows, first + 4)]
    end = 4 + natoms + nbonds
    bonds = _v2000_bonds(block[4 + natoms : end], first + 4 + natoms)
    _check_end(block, end, first)
    marks = [(line, row) for line, row in enumerate(block[end:], first + end) if row.startswith(("M  CHG", "M  RAD"))]
    if marks:  # they replace all charges of the atom block
        charges = [0] * natoms
        for line, row in marks:
            if row.startswith("M  CHG"):
                _apply_charges(row, charges, line)
    else:
        charges = [_atom_block_charge(row[36:39].strip(), line) for line, row in enumerate(rows, first + 4)]
    return Table(numbers, positions, charges, _bond_array(bonds, natoms))


def _v2000_bonds(rows: list[str], line: int) -> list[_Bond]:
    bonds = []
    for at, row in enumerate(rows, line):
        try:
            bonds.append((int(row[0:3]) - 1, int(row[3:6]) - 1, int(row[6:9]), at))
        except ValueError:
            if "." in row[:10]:
                detail = f"line {at}: an atom where a bond is due (the counts have three digits: 999 at most)"
                raise RecordError("counts do not match", detail) from None
            raise RecordError("not an SDF record", f"line {at}: {row[:9]!r} is not a bond") from None
    if "_" in "".join(row[:9] for row in rows):
        raise RecordError("not an SDF record", f"bonds from line {line}: a number holds an underscore")
    return bonds


def _check_end(block: list[str], end: int, first: int) -> None:
    """What follows the announced atoms and bonds must not be more of them."""
    counts = block[3]
    lists, texts = counts[6:9].strip(), counts[15:18].strip()
    end += int(lists) if lists.isdecimal() else 0
    end += 2 * int(texts) if texts.isdecimal() else 0
    if end < len(block) and block[end].strip() and not block[end].startswith(_PROPERTY_ROWS):
        detail = f"line {first + end}: {block[end].strip()[:40]!r} behind the announced atoms and bonds"
        raise RecordError("counts do not match", detail)


def _atom_block_charge(code: str, line: int) -> int:
    charge = _ATOM_BLOCK_CHARGES.get(code)
    if charge is None:
        raise RecordError("charge out of range", f"line {line}: code {code!r} (known: 0 to 7)")
    return charge


def _apply_charges(row: str, charges: list[int], line: int) -> None:
    fields = [_integer(text, "a charge entry", line) for text in row[6:].split()]
    pairs = fields[1:]
    if not fields or len(pairs) != 2 * fields[0] or not all(1 <= atom <= len(charges) for atom in pairs[::2]):
        raise RecordError("not an SDF record", f"line {line}: cannot make sense of {row.strip()[:60]!r}")
    for atom, charge in zip(pairs[::2], pairs[1::2], strict=True):
        charges[atom - 1] = check_charge(charge, line)


def _v3000_lines(block: list[str], first: int) -> Iterator[tuple[int, list[str]]]:
    """(line number, words) of each V30 line, with continuation lines (a trailing hyphen) joined."""
    pending: list[str] = []
    for line, row in enumerate(block[4:], first + 4):
        if not row.startswith("M  V30 "):
            continue
        if row.endswith("-"):
            pending.append(row[7:-1])
            continue
        yield line, "".join([*pending, row[7:]]).split()
        pending = []


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
            counts = (_integer(words[1], "a count of atoms", line), _integer(words[2], "a count of bonds", line))
        elif section in ("ATOM", "BOND"):
            needed = 5 if section == "ATOM" else 4
            if len(words) < needed:
                raise RecordError("truncated record", f"line {line}: {len(words)} fields where {needed} are needed")
            (atoms if section == "ATOM" else bond_rows).append((line, words))
    if counts != (len(atoms), len(bond_rows)):
        found = f"{counts[0]} atoms and {counts[1]} bonds announced, {len(atoms)} and {len(bond_rows)} found"
        raise RecordError("truncated record", f"line {first + 3}: {found}")
    positions = parse_coordinates([w[2:5] for _, w in atoms], atoms[0][0] if atoms else first)
    numbers = [_sdf_element(words[1], line) for line, words in atoms]
    charges = [_v3000_charge(words, line) for line, words in atoms]
    return Table(numbers, positions, charges, _bond_array(_v3000_bonds(atoms, bond_rows), len(atoms)))


def _v3000_charge(words: list[str], line: int) -> int:
    text = next((word[4:] for word in words[6:] if word.startswith("CHG=")), "0")
    return check_charge(_integer(text, "a charge", line), line)


def _v3000_bonds(atoms: list[tuple[int, list[str]]], rows: list[tuple[int, list[str]]]) -> list[_Bond]:
    position_of: dict[str, int] = {}
    for k, (line, words) in enumerate(atoms):
        if position_of.setdefault(words[0], k) != k:
            raise RecordError("not an SDF record", f"line {line}: a second atom {words[0][:20]}")
    bonds = []
    for line, (_, order, *ends) in rows:
        for label in ends[:2]:
            if label not in position_of:
                raise RecordError("impossible bond", f"line {line}: there is no atom {label[:20]}")
        i, j = (position_of[label] for label in ends[:2])
        bonds.append((i, j, _integer(order, "a bond type", line), line))
    return bonds


def _bond_array(bonds: list[_Bond], natoms: int) -> np.ndarray:
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
