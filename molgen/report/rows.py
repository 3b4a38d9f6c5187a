"""Rows of a finished scoring as typed values, one after another, from CSV or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molgen.errors import InputError, MissingError
from molgen.scoring.protocol import Row
from molgen.scoring.record_columns import COMMON_KINDS
from molgen.scoring.rows_file import parse_row

if TYPE_CHECKING:
    import pyarrow as pa

CURE = "give the file that molgen score --out wrote, with the .json it wrote beside it"
LONGEST_CELL = 16_000_000


def kinds_of(summary: dict[str, Any]) -> dict[str, str]:
    """Column -> kind of all columns that the summary describes."""
    own = {
        f"{name}.{column}": str(about["kind"])
        for name, protocol in summary["protocols"].items()
        for column, about in protocol["columns"].items()
    }
    return COMMON_KINDS | own


def read_rows(path: Path, summary: dict[str, Any]) -> Iterator[Row]:
    """The rows, each with the columns that the summary describes; others are left out, and empty cells are None.

    Args:
        path: ``.csv`` or ``.parquet``.
        summary: Of the same scoring.

    Raises:
        InputError: A column is missing, a cell is not of its kind, or these are not all rows, in their order.
        MissingError: Parquet cannot be read here.
    """
    kinds = kinds_of(summary)
    n = 0
    for row in (_parquet if path.suffix == ".parquet" else _csv)(path, kinds):
        if row["index"] != n:
            raise InputError(f"{path}: row {n + 1} has index {row['index']}, not {n}", hint="sort the rows by index")
        n += 1
        yield row
    if n != summary["n"]:
        raise InputError(
            f"{path} has {n:,} rows, but its summary speaks of {summary['n']:,}",
            hint="the file was edited, or the summary is of another one: score again with --out",
        )


def _csv(path: Path, kinds: dict[str, str]) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_CELL)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.DictReader(file, strict=True)
            _check_columns(path, list(lines.fieldnames or ()), kinds)
            for cells in lines:
                yield parse_row(cells, kinds, path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {error}", hint=CURE) from error


def _check_columns(path: Path, columns: list[str], kinds: dict[str, str]) -> None:
    if missing := [column for column in kinds if column not in columns]:
        others = f" and {len(missing) - 1} others" if missing[1:] else ""
        raise InputError(f"{path} has no column {missing[0]!r}{others}, which its summary describes", hint=CURE)


def _parquet(path: Path, kinds: dict[str, str]) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingError(
            f"pyarrow, which reads {path}, is not installed", hint='pip install "molgen[parquet]", or score to a .csv'
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow.names, kinds)
            _check_types(path, file.schema_arrow, kinds)
            for batch in file.iter_batches(batch_size=4096, columns=list(kinds)):
                yield from batch.to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"cannot read {path}: {error}", hint=CURE) from error


def _check_types(path: Path, schema: pa.Schema, kinds: dict[str, str]) -> None:
    from pyarrow import types

    fits = {"bool": types.is_boolean, "int": types.is_integer, "float": types.is_floating, "str": types.is_string}
    for column, kind in kinds.items():
        if not fits[kind](schema.field(column).type):
            raise InputError(f"{path}: column {column!r} holds {schema.field(column).type}, not {kind}", hint=CURE)
