"""Whole files: ``read`` streams structures in, ``open_writer`` and ``write`` put them out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path
from types import TracebackType

import numpy as np

from molgen.errors import InputError
from molgen.io.formats import Format, format_of, target_of
from molgen.io.members import Members
from molgen.io.records import BadRecord, Record
from molgen.io.streams import BrokenStreamError, RecordFile, check_readable, read_lines
from molgen.structure import Structure

OnError = Callable[[int, str], None]
"""Called with (index of the record, from 0; reason as ``"kind: detail"``)."""


def read(path: str | PathLike[str], *, on_error: OnError | None = None) -> Iterator[Structure]:
    """Stream the structures of a file; memory does not grow with its length.

    Args:
        path: A file whose name ends in a known format, ``.gz`` allowed (see :data:`molgen.io.FORMATS`).
        on_error: Called for each record that cannot be read, after which reading goes on with the next one where the
            format allows it; where it does not, the reason says that the rest was not read.

    Raises:
        InputError: The name's ending is unknown, the file is empty, or (without ``on_error``) a record is bad; the
            sentence names the file, the record from 1, and the line.
        MissingError: There is no such file.
    """
    path = Path(path)
    known = format_of(path)
    check_readable(path)
    return _stream(path, known, on_error)


def _stream(path: Path, known: Format, on_error: OnError | None) -> Iterator[Structure]:
    index = -1
    for index, record in enumerate(_guarded(known.records(read_lines(path)))):
        if isinstance(record, Structure):
            if len(record):
                yield record
                continue
            record = BadRecord("no atoms: the record announces none")
        if on_error is None:
            raise InputError(
                f"{path}, record {index + 1}: {record.reason}",
                hint="mend or remove this record; molgen convert copies the readable ones to a new file",
            )
        on_error(index, record.reason)
    if index < 0:
        raise InputError(f"{path} holds no structure", hint="make it again: what wrote it did not finish")


def _guarded(records: Iterator[Record]) -> Iterator[Record]:
    """The records, and one last bad one where the file's bytes break off."""
    try:
        yield from records
    except BrokenStreamError as error:
        yield BadRecord(f"{error}; the rest of the file was not read")


class Writer:
    """Writes structures one after the other; a context manager. The file always ends between two records.

    A path that ends in ``.zip`` or ``/``, or is a folder, holds one file for each structure
    (:func:`molgen.io.formats.target_of`).

    Raises:
        InputError: The name's ending is unknown.
        OutputError: The file cannot be opened or written.
    """

    def __init__(self, path: str | PathLike[str], *, append: bool = False) -> None:
        target = target_of(path)
        self.path, self.format = target.path, target.format
        self.count = 0
        self._file: Members | RecordFile
        if target.container:
            self._file = Members(target, append=append)
        else:
            self._file = RecordFile(self.path, append=append)

    def write(self, structure: Structure) -> None:
        """Add one structure.

        Raises:
            InputError: The format cannot hold it; nothing is written then and others may follow.
            OutputError: It cannot be written.
        """
        if self.format.single and self.count and isinstance(self._file, RecordFile):
            raise InputError(
                f"one structure per file: {self.path.name} holds no more",
                hint=f"write to .sdf, .extxyz or .cif, or to a folder or zip of files: {self.path.stem}/",
            )
        if not len(structure):
            raise InputError("no atoms: there is nothing to write")
        if not np.isfinite(structure.positions).all():
            raise InputError("coordinates are not finite: the structure cannot be written")
        if isinstance(self._file, Members):
            self._file.write(structure)
        else:
            self._file.write(self.format.encode(structure))
        self.count += 1

    def flush(self) -> None:
        """Hand everything written so far to the operating system; a reader sees a complete file then."""
        self._file.flush()

    def close(self) -> None:
        """Flush and close."""
        self._file.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_writer(path: str | PathLike[str], *, append: bool = False) -> Writer:
    """Open a file for writing structures; see :class:`Writer`.

    Args:
        path: Where to write; the format follows from the ending, ``.gz`` allowed. An existing file is replaced. A name
            that ends in ``.zip`` or ``/`` means one file for each structure: see :class:`Writer`.
        append: Keep what an existing file holds and write behind it.
    """
    return Writer(path, append=append)


def write(path: str | PathLike[str], structures: Structure | Iterable[Structure]) -> int:
    """Write one structure or a stream of them; returns how many. Raises what :class:`Writer` raises."""
    with open_writer(path) as writer:
        for structure in [structures] if isinstance(structures, Structure) else structures:
            writer.write(structure)
    return writer.count
