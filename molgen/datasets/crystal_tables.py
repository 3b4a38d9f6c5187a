"""Tables with the text of a CIF in each row: the CSV files of CDVAE, DiffCSP and their kin, plain or .gz."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from molgen.datasets.crystal_cleaning import RawCrystal
from molgen.errors import InputError
from molgen.io.records import BadRecord, Scalar, parse_scalar
from molgen.io.streams import check_readable, is_gzip

CIF_COLUMN = "cif"
NAME_COLUMNS = ("material_id", "id", "name")
LONGEST_CELL = 1 << 24
"""Characters of one cell; a CIF of a million lines is refused anyway."""
_WORDS = {"true": 1, "false": 0}


def has_cif_column(path: Path) -> bool:
    """Whether the first line of a CSV file names a column ``cif``; raises InputError where it cannot be read."""
    return CIF_COLUMN in _columns(next(_rows(path), (0, []))[1])


def table_records(path: Path, code: int | None) -> Iterator[RawCrystal]:
    """One record for each row; numeric columns, and those that say true or false, become properties.

    A row that breaks off is a bad record, and the last one: what follows it cannot be told apart.

    Args:
        path: A CSV file with a column ``cif``, and perhaps one of ``NAME_COLUMNS``.
        code: Split of all rows.

    Raises:
        InputError: There is no column ``cif``, or the file is damaged.
    """
    rows = _rows(path)
    columns = _columns(next(rows, (0, []))[1])
    if CIF_COLUMN not in columns:
        raise InputError(
            f"{path} has no column {CIF_COLUMN}; it has {', '.join(filter(None, columns)) or 'none'}",
            hint="the table needs the text of a CIF in each row, in a column of that name",
        )
    cif = columns.index(CIF_COLUMN)
    identifier = next((columns.index(name) for name in NAME_COLUMNS if name in columns), None)
    for number, row in rows:
        place = f"{path.name}, row {number}"
        if len(row) != len(columns):
            yield RawCrystal(BadRecord(f"truncated row: {len(row)} of {len(columns)} columns"), place, split=code)
            continue
        values = {column: _value(word) for column, word in _others(columns, row, {cif, identifier}) if word}
        name = "" if identifier is None else row[identifier].strip()
        content = row[cif] if row[cif].strip() else BadRecord("no CIF: the cell is empty")
        yield RawCrystal(content, f"{place} {name}".strip(), name, code, values)


def _others(columns: list[str], row: list[str], special: set[int | None]) -> Iterator[tuple[str, str]]:
    """Name and text of each cell of a row but for the ``special`` ones and those without a name."""
    for at, (column, word) in enumerate(zip(columns, row, strict=True)):
        if column and at not in special:
            yield column, word.strip()


def _value(word: str) -> Scalar:
    return _WORDS.get(word.lower(), parse_scalar(word))


def _columns(header: list[str]) -> list[str]:
    names = [word.strip() for word in header]
    plain = {CIF_COLUMN, *NAME_COLUMNS, "split"}
    return [name.lower() if name.lower() in plain else name for name in names]


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, numbered from 1 behind the header, which has number 0."""
    check_readable(path)
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    options = {"mode": "rt", "encoding": "utf-8-sig", "errors": "replace", "newline": ""}
    try:
        with gzip.open(path, **options) if is_gzip(path) else path.open(**options) as file:  # type: ignore[call-overload]
            yield from ((number, row) for number, row in enumerate(row for row in csv.reader(file) if row))
    except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
        raise InputError(f"{path} is damaged or no table: {error}", hint="get the file again") from error
