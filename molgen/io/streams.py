"""Text files, plain or gzip, as lines in and whole records out."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader, IncrementalNewlineDecoder
from pathlib import Path
from typing import BinaryIO

from molgen.errors import InputError, MissingError, OutputError

CHUNK = 1 << 20
"""Bytes that are gathered before they go to the disk."""

_READ_BYTES = 1 << 16

LONGEST_LINE = 1 << 22
"""Characters of one line. No format needs more; a longer one means that the file is not text."""


class BrokenStreamError(Exception):
    """The bytes of a file end or break in the middle; the message is a sentence."""


def is_gzip(path: Path) -> bool:
    """Whether the name says that the file is compressed."""
    return path.suffix.lower() == ".gz"


def check_readable(path: Path) -> None:
    """Raise MissingError or InputError where ``path`` is no file of text that can be opened, or is empty."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{path} is a folder, not a file")
        if not stat.S_ISREG(mode):
            raise InputError(f"{path} is a pipe or a device, not a file", hint="save what it gives in a file first")
        with path.open("rb") as file:
            first = file.read(2)
    except FileNotFoundError as error:
        raise MissingError(
            f"there is no file {path}", hint="check the path; relative paths start where the command runs"
        ) from error
    except OSError as error:
        raise InputError(f"cannot open {path}: {error.strerror or error}") from error
    except ValueError as error:  # a NUL character in the name
        raise InputError(f"cannot open {str(path)!r}: {error}") from error
    if not first:
        raise InputError(f"{path} is empty", hint="make it again: what wrote it did not finish")
    if first in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{path} is UTF-16 text", hint="save it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE")
    if is_gzip(path) != (first == b"\x1f\x8b"):
        state = "not compressed with gzip" if is_gzip(path) else "compressed with gzip"
        raise InputError(f"{path} is {state}, against what its name says", hint="rename it with or without .gz")


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a text file without their line breaks (LF, CRLF or CR) and without a byte order mark.

    Bytes that are not UTF-8 become U+FFFD. Memory stays small whatever the file holds.

    Raises:
        BrokenStreamError: The file's bytes end in the middle, cannot be decompressed or hold an endless line.
    """
    try:
        with _open_bytes(path) as file:
            decoder = IncrementalNewlineDecoder(getincrementaldecoder("utf-8-sig")(errors="replace"), translate=True)
            rest, number, data = "", 1, b"\n"
            while data:
                data = file.read1(_READ_BYTES)
                lines = (rest + decoder.decode(data, final=not data)).split("\n")
                rest = lines.pop()
                number += len(lines)
                yield from lines
                if len(rest) > LONGEST_LINE:
                    raise BrokenStreamError(f"endless line: line {number} has more than {LONGEST_LINE:,} characters")
            if rest:
                yield rest
    except EOFError as error:
        raise BrokenStreamError("truncated file: the gzip stream ends in the middle") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BrokenStreamError(f"damaged file: the gzip stream cannot be decompressed ({error})") from error
    except OSError as error:
        raise BrokenStreamError(f"unreadable file: {error.strerror or error}") from error


def split_lines(content: bytes) -> list[str]:
    """The lines of a whole file in memory, as :func:`read_lines` gives them."""
    return content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _open_bytes(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path) if is_gzip(path) else path.open("rb")


class RecordFile:
    """Appends whole records to a file, so that it always ends between two records, whatever interrupts it.

    A gzip file gets one member per chunk, which is why appending needs no rewriting and a flushed file is complete.

    Raises:
        OutputError: The file cannot be opened or written.
    """

    def __init__(self, path: Path, *, append: bool) -> None:
        self.path = path
        self._gzip = is_gzip(path)
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        try:
            self._file: BinaryIO = path.open("ab" if append else "wb", buffering=0)
        except OSError as error:
            raise OutputError.from_os_error(error, path) from error

    def write(self, record: str) -> None:
        """Add one record's text."""
        data = record.encode("utf-8")
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes >= CHUNK:
            self.flush()

    def flush(self) -> None:
        """Hand everything written so far to the operating system."""
        if not self._pending:
            return
        chunk, self._pending, self._pending_bytes = self._pending, [], 0
        data = b"".join(chunk)
        if self._gzip:
            data = gzip.compress(data, 6, mtime=0)
        start = os.fstat(self._file.fileno()).st_size
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._cut(start)
            raise OutputError.from_os_error(error, self.path) from error
        except BaseException:  # Ctrl-C: undo the half record; close() writes the chunk again
            self._cut(start)
            self._pending, self._pending_bytes = chunk, sum(map(len, chunk))
            raise

    def _cut(self, size: int) -> None:
        with suppress(OSError):  # devices and pipes cannot be cut
            self._file.truncate(size)
            self._file.seek(size)

    def close(self) -> None:
        """Flush and close."""
        try:
            self.flush()
        finally:
            self._file.close()
