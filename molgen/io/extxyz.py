"""One frame of extended XYZ: a comment line of ``key=value`` with ``Lattice`` and ``Properties``, and columns to match.

Format: the one that ASE reads and writes (https://github.com/libAtoms/extxyz). Its plain cases are parsed here without
ASE; headers beyond them (JSON values, atomic numbers instead of symbols) are handed to ASE.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np

from molgen.elements import SYMBOLS
from molgen.errors import InputError
from molgen.io.atom_rows import parse_atom_rows
from molgen.io.records import RecordError, Scalar, check_charge, check_finite, format_scalar, one_line, parse_scalar
from molgen.structure import Structure

_RESERVED = frozenset({"Lattice", "Properties", "pbc", "name"})
# A quote that is never closed takes the rest of the line; searching it again from every character would be quadratic.
_QUOTED = r'"(?:[^"\\]++|\\.|\\$)*+(?:"|$)'
_CLOSED = re.compile(r'"(?:[^"\\]++|\\.)*+"')
_MOST_COLUMN_DIGITS = 4
_PAIR = re.compile(rf"({_QUOTED}|[^\s=\"]+)(?:\s*=\s*({_QUOTED}|\S+))?")
_BARE = re.compile(r"[A-Za-z0-9_.+\-/:@#%*()]+$")
_PLAIN_COLUMNS = "species:S:1:pos:R:3"
_CHARGES = "formal_charges"


def is_extended(comment: str) -> bool:
    """Whether a comment line is that of an extended frame."""
    return "Properties=" in comment or "Lattice=" in comment


def encode_extxyz(structure: Structure) -> str:
    """One frame, angstrom with 8 decimals; formal charges are a column, name and properties are keys; no bonds."""
    pairs = []
    properties = dict(structure.properties)
    if structure.lattice is not None:
        cell = " ".join(format_scalar(float(x)) for x in structure.lattice.ravel())
        pairs.append(f'Lattice="{cell}"')
    charges = None if structure.charges is None else structure.charges.tolist()
    pairs.append(f"Properties={_PLAIN_COLUMNS}" + (f":{_CHARGES}:I:1" if charges else ""))
    if structure.name:
        pairs.append(f"name={_quote(one_line(structure.name))}")
    periodic = "F F F" if structure.lattice is None else str(properties.pop("pbc", "T T T"))
    for key, value in properties.items():
        label = f"{key}_" if key in _RESERVED else key
        pairs.append(f"{_quote(one_line(label))}={_quote(one_line(format_scalar(value)))}")
    pairs.append(f'pbc="{periodic}"')
    symbols = [SYMBOLS[number] for number in structure.numbers.tolist()]
    rows = ["%-2s %15.8f %15.8f %15.8f" % (s, *p) for s, p in zip(symbols, structure.positions.tolist(), strict=True)]  # noqa: UP031
    if charges:
        rows = [f"{row} {charge:3d}" for row, charge in zip(rows, charges, strict=True)]
    return "\n".join([str(len(structure)), " ".join(pairs), *rows, ""])


def parse_frame(comment: str, rows: list[list[str]], line: int) -> Structure:
    """The frame of a comment line, which is at ``line``, and the words of its atoms' lines.

    Raises:
        RecordError: It cannot be read.
    """
    pairs = _pairs(comment, line)
    columns = _columns(pairs.pop("Properties", _PLAIN_COLUMNS), line)
    width = max((start + count for _, start, count in columns.values()), default=0)
    for at, row in enumerate(rows, line + 1):
        if len(row) < width:
            raise RecordError("truncated record", f"line {at}: {len(row)} fields, Properties announces {width}")
    plain = columns.get("species", ("", 0, 0))[0::2] == ("S", 1) and columns.get("pos", ("", 0, 0))[0::2] == ("R", 3)
    if not plain or any(value.startswith(("{", "[", "_JSON")) for value in pairs.values()):
        return _parse_with_ase(comment, rows, line)
    numbers, positions = parse_atom_rows(rows, line + 1, species=columns["species"][1], position=columns["pos"][1])
    charges = None
    if columns.get(_CHARGES, ("", 0, 0))[0::2] == ("I", 1):
        at = columns[_CHARGES][1]
        charges = np.array([_charge(row[at], number) for number, row in enumerate(rows, line + 1)], dtype=np.int64)
    lattice = _lattice(pairs.pop("Lattice", None), line)
    periodic = pairs.pop("pbc", "T T T").upper().replace("TRUE", "T").replace("FALSE", "F").split()
    name = pairs.pop("name", "")
    properties: dict[str, Scalar] = {key: parse_scalar(value) for key, value in pairs.items()}
    if lattice is not None and periodic == ["F", "F", "F"]:
        lattice = None
    elif lattice is not None and periodic != ["T", "T", "T"]:
        properties["pbc"] = " ".join(periodic)
    return Structure(
        numbers=numbers, positions=positions, charges=charges, lattice=lattice, name=name, properties=properties
    )


def _pairs(comment: str, line: int) -> dict[str, str]:
    """Keys and values; a key without a value means true."""
    pairs = {}
    for key, value in _PAIR.findall(comment):
        if any(part.startswith('"') and not _CLOSED.fullmatch(part) for part in (key, value)):
            raise RecordError("malformed comment line", f"line {line}: a quote is not closed")
        pairs[_unquote(key)] = _unquote(value) if value else "T"
    return pairs


def _charge(word: str, line: int) -> int:
    try:
        charge = int(word)
    except ValueError as error:
        raise RecordError("charges are not integers", f"line {line}: {word[:40]!r}") from error
    return check_charge(charge, line)


def _columns(text: str, line: int) -> dict[str, tuple[str, int, int]]:
    """``name -> (type, first column, count)`` of a Properties value."""
    words = text.split(":")
    columns = {}
    start = 0
    for name, kind, count in zip(words[::3], words[1::3], words[2::3], strict=False):
        if not count.isdecimal() or len(count) > _MOST_COLUMN_DIGITS:
            raise RecordError("malformed Properties", f"line {line}: {text[:60]}")
        columns[name] = (kind, start, int(count))
        start += int(count)
    return columns


def _lattice(text: str | None, line: int) -> np.ndarray | None:
    if text is None:
        return None
    try:
        lattice = np.array([float(word) for word in text.split()]).reshape(3, 3)
    except ValueError as error:
        raise RecordError("malformed Lattice", f"line {line}: {text[:60]!r} is not nine numbers") from error
    if not np.isfinite(lattice).all():
        raise RecordError("malformed Lattice", f"line {line}: {text[:60]!r} is not finite")
    return lattice


def _parse_with_ase(comment: str, rows: list[list[str]], line: int) -> Structure:
    from io import StringIO

    import ase.io

    from molgen.convert import from_ase

    text = "\n".join([str(len(rows)), comment, *map(" ".join, rows), ""])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            atoms: Any = ase.io.read(StringIO(text), format="extxyz")
    except Exception as error:  # ASE's parser raises whatever its dictionaries and arrays raise
        raise RecordError("malformed extxyz frame", f"line {line}: {type(error).__name__}: {error}") from error
    try:
        structure: Structure = from_ase(atoms)
    except (InputError, ValueError) as error:
        raise RecordError("unknown element", f"frame at line {line}: {error}") from error
    check_finite(structure.positions, line + 1)
    for at, charge in enumerate([] if structure.charges is None else structure.charges.tolist(), line + 1):
        check_charge(charge, at)
    return structure


def _quote(text: str) -> str:
    if _BARE.match(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
