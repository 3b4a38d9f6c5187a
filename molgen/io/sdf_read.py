"""Reading SDF and MOL files record by record: where records begin and end, titles and data fields.

What a molblock says is read by :mod:`molgen.io.sdf_tables`. Format: CTfile Formats, BIOVIA 2020, chapter "SDfile".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from molgen.io.records import LONGEST_RECORD, BadRecord, Record, RecordError, Scalar, parse_scalar
from molgen.io.sdf_tables import parse_table
from molgen.io.sdf_write import BONDS_UNKNOWN
from molgen.structure import Structure

_COUNTS_LINE = re.compile(r"[ \d]{6}.{27} V[23]000\s*$")
_HEADER_LINES = 3
"""Lines of a molblock before its counts line."""


def records(lines: Iterator[str]) -> Iterator[Record]:
    """Structures and bad records in the order of the file; after a bad one reading goes on behind its ``$$$$``.

    A molecule that begins before the ``$$$$`` of the record above it is found by its counts line and read as well.
    """
    block: list[str] = []
    first = 1
    for number, line in enumerate(lines, 1):
        if line.startswith("$$$$"):
            yield from _molecules(block, first)
            first = number + 1
            block = []
        elif len(block) < LONGEST_RECORD:
            block.append(line)
    if any(line.strip() for line in block):
        yield from _molecules(block, first)


def _molecules(block: list[str], first: int) -> Iterator[Record]:
    """The one molecule of a block between two ``$$$$``, or several where a ``$$$$`` is missing."""
    if len(block) == LONGEST_RECORD:
        yield BadRecord(f"record too long: line {first}: {LONGEST_RECORD:,} lines or more without a $$$$")
        return
    starts = _starts(block)
    for start, end in zip(starts, [*starts[1:], len(block)], strict=True):
        try:
            structure = _parse(block[start:end], first + start)
            if end < len(block):
                raise RecordError("missing $$$$", f"line {first + end}: the next molecule begins without one")
            yield structure
        except RecordError as error:
            yield BadRecord(str(error))


def _starts(block: list[str]) -> list[int]:
    """Rows where molecules begin: the first, and three rows above each further counts line outside a data field."""
    text = "\n".join(block)
    starts = [0]
    if text.count("V2000") + text.count("V3000") < 2:
        return starts
    inside = [False] * len(block)
    for row, line in enumerate(block):
        start = row - _HEADER_LINES
        if start > starts[-1] + _HEADER_LINES and not inside[start] and _COUNTS_LINE.match(line):
            starts.append(start)
        inside[row] = bool(line.strip()) if row and inside[row - 1] else _is_field(line)
    return starts


def _is_field(line: str) -> bool:
    return line.startswith(">") and "<" in line


def _parse(block: list[str], first: int) -> Structure:
    if len(block) < 4:
        raise RecordError("truncated record", f"line {first}: {len(block)} lines where a header of 4 is needed")
    end = next((row for row in range(4, len(block)) if block[row].startswith("M  END")), None)
    if end is None:
        raise RecordError("truncated record", f"line {first}: no M  END")
    numbers, positions, charges, bonds = parse_table(block[:end], first)
    unknown = not len(bonds) and block[2].strip() == BONDS_UNKNOWN
    return Structure(
        numbers=np.array(numbers, dtype=np.int64),
        positions=positions,
        charges=np.array(charges, dtype=np.int64),
        bonds=None if unknown else bonds,
        name=block[0].strip(),
        properties=_data_fields(block[end + 1 :], first + end + 1),
    )


def _data_fields(lines: list[str], first: int) -> dict[str, Scalar]:
    """Names and values of the fields; the value of one goes up to a blank line, and other text is passed over."""
    fields: dict[str, Scalar] = {}
    key: str | None = None
    value: list[str] = []
    for number, line in enumerate([*lines, ""], first):
        if key is None:
            if _is_field(line):
                key = line[line.index("<") + 1 : line.rindex(">") if line.rindex(">") > 0 else None]
                value = []
            elif line.startswith("M  END"):
                raise RecordError("missing $$$$", f"line {number}: a second M  END in this record")
        elif line.strip():
            value.append(line)
        else:
            fields[key] = parse_scalar("\n".join(value))
            key = None
    return fields
