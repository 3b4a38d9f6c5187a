"""Rows in a file, written while the stream is scored, so that an interrupted run goes on where it was.

Beside ``rows.csv`` stands ``rows.csv.part`` until the run is finished: the settings, and how many rows and bytes are
complete. ``rows.csv.json`` is the summary. A Parquet file is written as CSV (``rows.parquet.csv``) and converted at the
end, because Parquet cannot be appended to.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any
from zipfile import BadZipFile

import numpy as np

from molgen.errors import ConfigError, InputError, MissingError, OutputError
from molgen.scoring.protocol import Protocol, Row, Value, all_columns
from molgen.scoring.record_columns import COMMON_KINDS
from molgen.scoring.summary import to_json

COMMIT_SECONDS = 5.0


def column_kinds(protocols: list[Protocol]) -> dict[str, str]:
    """Type of every column of the rows file (bool, int, float or str), in order."""
    return COMMON_KINDS | {f"{p.name}.{c.name}": c.kind for p in protocols for c in all_columns(p)}


class RowsFile:
    """Context manager that appends rows. Left by any exception, it keeps those up to the last ``boundary``.

    Args:
        path: ``.csv`` or ``.parquet``.
        kinds: See ``column_kinds``.
        settings: What decides the rows, as JSON values; a run continues only with equal ones.
        overwrite: Start afresh, whatever is there.

    Attributes:
        rows: Rows in the file; at first those that an earlier part of the run completed, at last those that are kept.
        state: The arrays of the last ``boundary`` of that earlier part.

    Raises:
        OutputError: The file exists and is not part of an unfinished run, or cannot be written.
        ConfigError: It belongs to a run with other settings, or its name has another ending.
        MissingError: Parquet is asked for and pyarrow is not installed.
    """

    def __init__(
        self, path: Path, kinds: Mapping[str, str], settings: Mapping[str, Any], *, overwrite: bool = False
    ) -> None:
        self.path, self.kinds, self.settings = path, dict(kinds), json.loads(json.dumps(settings))
        self.rows, self.state, self._bytes = 0, dict[str, np.ndarray](), 0
        self._committed, self._is_finished = time.monotonic(), False
        self._part = path.with_name(path.name + ".part")
        self._is_parquet = path.suffix == ".parquet"
        self._work = path.with_name(path.name + ".csv") if self._is_parquet else path
        if not self._is_parquet and path.suffix != ".csv":
            raise ConfigError(f"rows cannot be written to {path}", hint="name a .csv or a .parquet file")
        if self._is_parquet:
            _require_pyarrow()
        if overwrite:
            return
        if self._part.is_file():
            self._load_part()
        elif path.exists():
            raise OutputError(f"{path} exists", hint="--overwrite replaces it")

    def __enter__(self) -> RowsFile:
        try:
            self._file = self._work.open("r+b" if self._bytes else "wb")
            self._file.truncate(self._bytes)
            self._file.seek(self._bytes)
            if not self._bytes:
                self._append(list(self.kinds))
                self._file.flush()
            self._last: tuple[int, int, Callable[[], Mapping[str, np.ndarray]]]
            self._last = (self.rows, self._file.tell(), lambda: self.state)
            self._recorded = self.rows
            if not self._bytes:
                self._commit()
        except OSError as error:
            raise OutputError.from_os_error(error, self.path) from error
        return self

    def earlier(self) -> Iterator[Row]:
        """The rows that the earlier part completed, typed as they were."""
        if self.rows:
            csv.field_size_limit(sys.maxsize)
            with self._work.open(newline="", encoding="utf-8") as file:
                for row, _ in zip(csv.DictReader(file), range(self.rows), strict=False):
                    yield parse_row(row, self.kinds, self._work)

    def write(self, row: Row) -> None:
        """Append one row; a missing column is empty."""
        try:
            self._append([_cell(row.get(name)) for name in self.kinds])
        except OSError as error:
            raise OutputError.from_os_error(error, self.path) from error
        self.rows += 1

    def boundary(self, state: Callable[[], Mapping[str, np.ndarray]]) -> None:
        """Say that the rows written so far belong together, and what makes the arrays that cover exactly them.

        Boundaries are recorded now and then, and the last one when an exception ends the run.
        """
        try:
            self._file.flush()
            self._last = (self.rows, self._file.tell(), state)
        except OSError as error:
            raise OutputError.from_os_error(error, self.path) from error
        if time.monotonic() - self._committed > COMMIT_SECONDS:
            self._commit()

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the summary and settle the file."""
        try:
            self._file.close()
            if self._is_parquet:
                _to_parquet(self._work, self.path, self.kinds)
            _replace(self.path.with_name(self.path.name + ".json"), f"{to_json(summary)}\n".encode())
            self._is_finished = True
            self._part.unlink(missing_ok=True)
            if self._is_parquet:
                self._work.unlink()
        except OSError as error:
            raise OutputError.from_os_error(error, self.path) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not self._is_finished:
            with suppress(OutputError):  # then the rows recorded before are those that are kept
                self._commit()
            self.rows = self._recorded
        try:
            self._file.close()
        except OSError as failure:
            if error is None:
                raise OutputError.from_os_error(failure, self.path) from failure

    def _append(self, cells: list[Any]) -> None:
        line = _Line()
        csv.writer(line, lineterminator="\n").writerow(cells)
        self._file.write(line.text.encode("utf-8", "replace"))

    def _commit(self) -> None:
        """Record the last boundary; rows behind it will be made again."""
        rows, size, state = self._last
        try:
            facts = {"settings": self.settings, "rows": rows, "bytes": size}
            temporary = self._part.with_name(self._part.name + ".new")
            with temporary.open("wb") as file:
                arrays: dict[str, Any] = {f"state.{name}": array for name, array in state().items()}
                np.savez(file, facts=np.array(json.dumps(facts)), **arrays)
            temporary.replace(self._part)
        except OSError as error:
            raise OutputError.from_os_error(error, self.path) from error
        self._recorded, self._committed = rows, time.monotonic()

    def _load_part(self) -> None:
        try:
            with np.load(self._part, allow_pickle=False) as part:
                facts = json.loads(str(part["facts"]))
                self.state = {k.removeprefix("state."): part[k] for k in part.files if k.startswith("state.")}
            rows, size, settings = int(facts["rows"]), int(facts["bytes"]), facts["settings"]
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
            raise InputError(f"{self._part} is damaged: {error}", hint="--overwrite starts afresh") from error
        if settings != self.settings:
            other = ", ".join(key for key in self.settings if settings.get(key) != self.settings[key])
            raise ConfigError(
                f"{self.path} is an unfinished run with other settings ({other})",
                hint="give those settings to continue it, or --overwrite",
            )
        if not self._work.is_file() or self._work.stat().st_size < size:
            raise InputError(f"{self._work} is shorter than {self._part} says", hint="--overwrite starts afresh")
        self.rows, self._bytes = rows, size


class _Line:
    """What csv writes one row to."""

    def write(self, text: str) -> None:
        self.text = text


def parse_row(cells: Mapping[str, Any], kinds: Mapping[str, str], path: Path) -> Row:
    """The typed values of one line of a rows file; an empty cell is None, an empty text where the column is common.

    Raises:
        InputError: A cell is not of its column's type, or a column is missing.
    """
    parsers: dict[str, Any] = {
        "int": int,
        "float": float,
        "str": str,
        "bool": {"true": True, "false": False}.__getitem__,
    }
    row: Row = {}
    for name, kind in kinds.items():
        text = cells.get(name)
        try:
            if text is None:
                raise ValueError("it is missing")
            row[name] = parsers[kind](text) if text else None
        except (KeyError, ValueError) as error:
            raise InputError(f"{path}, row {cells.get('index')}: column {name} is not a {kind}: {text!r}") from error
    return row


def _cell(value: Value) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    # A carriage return alone is no line end to the writer, but it is to the reader.
    return "" if value is None else value.replace("\r", " ") if isinstance(value, str) else value


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.write_bytes(data)
    temporary.replace(path)


def _require_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingError(
            "pyarrow, which writes Parquet, is not installed", hint='pip install "molgen[parquet]", or name a .csv file'
        ) from error


def _to_parquet(source: Path, target: Path, kinds: Mapping[str, str]) -> None:
    """Convert block by block, so that a million rows need no more memory than a thousand."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    types = {"int": pa.int64(), "float": pa.float64(), "str": pa.string(), "bool": pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in kinds.items()])
    options = arrow_csv.ConvertOptions(
        column_types=schema, null_values=[""], strings_can_be_null=True, true_values=["true"], false_values=["false"]
    )
    parsing = arrow_csv.ParseOptions(newlines_in_values=True)
    temporary = target.with_name(target.name + ".new")
    reader = arrow_csv.open_csv(source, parse_options=parsing, convert_options=options)
    with reader, parquet.ParquetWriter(temporary, schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    temporary.replace(target)
