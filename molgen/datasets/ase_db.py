"""ASE databases (.db) as a source of crystals: one record for each row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from molgen.datasets.crystal_cleaning import RawCrystal
from molgen.errors import InputError
from molgen.io.records import BadRecord, Record, Scalar

SUFFIX = ".db"
_SQLITE = b"SQLite format 3\0"


def database_records(path: Path, code: int | None) -> Iterator[RawCrystal]:
    """Rows in the order of their numbers; numbers and texts among the key-value pairs become properties.

    Args:
        path: An ASE database (SQLite).
        code: Split of all rows whose key-value pairs name none.

    Raises:
        InputError: It is no such database, or damaged.
    """
    import sqlite3

    from ase.db import connect

    with path.open("rb") as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            raise InputError(f"{path} is no SQLite database", hint="ase db FILE.json FILE.db converts other forms")
    try:
        for row in connect(path, type="db").select():
            pairs = dict(row.key_value_pairs)
            name = str(pairs.pop("name", "") or pairs.pop("material_id", ""))
            yield RawCrystal(_structure(row), f"{path.name}, row {row.id} {name}".strip(), name, code, _scalars(pairs))
    except (sqlite3.Error, KeyError, ValueError, IndexError) as error:
        raise InputError(f"{path} is no ASE database, or damaged: {error}", hint="get the file again") from error


def _structure(row: object) -> Record:
    from molgen.convert import from_ase

    try:
        return from_ase(row.toatoms())  # type: ignore[attr-defined]
    except InputError as error:
        return BadRecord(f"unknown element: {error}")
    except Exception as error:  # ASE raises whatever its arrays raise
        return BadRecord(f"malformed row: {type(error).__name__}: {error}")


def _scalars(pairs: dict[str, object]) -> dict[str, Scalar]:
    return {key: value for key, value in pairs.items() if isinstance(value, bool | int | float | str)}
