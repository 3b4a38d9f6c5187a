"""Rows as CSV, written while the stream is scored."""

from __future__ import annotations

import csv
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any

from molgen.errors import OutputError
from molgen.scoring.summary import Row

COLUMNS = [column.name for column in fields(Row)]


class RowsFile:
    """Context manager that writes one line per row; None is an empty cell, booleans are ``true`` and ``false``.

    Raises:
        OutputError: The file cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> RowsFile:
        try:
            self._file = self.path.open("w", newline="", encoding="utf-8")
            self._writer = csv.writer(self._file, lineterminator="\n")
            self._writer.writerow(COLUMNS)
        except OSError as error:
            raise OutputError.from_os_error(error, self.path) from error
        return self

    def write(self, row: Row) -> None:
        """Write one row."""
        try:
            self._writer.writerow([_cell(getattr(row, name)) for name in COLUMNS])
        except OSError as error:
            raise OutputError.from_os_error(error, self.path) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError as failure:
            if error is None:
                raise OutputError.from_os_error(failure, self.path) from failure


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value
