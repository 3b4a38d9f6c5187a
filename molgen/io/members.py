"""One file per structure, in a folder or a zip: written in whole files, so that what is there can always be read."""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

from molgen.errors import InputError, OutputError
from molgen.io.formats import Target
from molgen.structure import Structure

_INDEXED = re.compile(r"(\d{6,9})(?:_[A-Za-z0-9.+-]+)?$")
_LONGEST_LABEL = 60
_PENDING = 256
_HEADER = struct.Struct("<4s5H3L2H")
_MADE = (1980, 1, 1, 0, 0, 0)
"""Time of every file in a zip, so that the same structures make the same bytes."""


class Members:
    """Adds numbered files such as ``000017_LiFePO4.cif`` to a folder or a zip.

    The number is the structure's name where that is a larger number than the last, else one more than the last. A
    folder's other files stay as they are.

    Args:
        target: A folder or zip.
        append: Keep the numbered files that are there.

    Raises:
        OutputError: It cannot be made.
    """

    def __init__(self, target: Target, *, append: bool) -> None:
        self.target = target
        self._pending: list[tuple[str, str]] = []
        try:
            if not append:
                _clear(target)
            names = _names(target)
        except OSError as error:
            raise OutputError.from_os_error(error, target.path) from error
        self._next = 1 + max((_index(name) for name in names), default=-1)

    def write(self, structure: Structure) -> None:
        """Add one structure; raises InputError where the format cannot hold it."""
        text = self.target.format.encode(structure)
        name = structure.name
        numbered = name.isdecimal() and len(name) <= 9
        index = int(name) if numbered and int(name) >= self._next else self._next
        label = str(structure.properties.get("formula", "" if numbered else name))
        label = re.sub(r"[^A-Za-z0-9.+-]+", "-", label)[:_LONGEST_LABEL].strip("-.")
        self._pending.append((f"{index:06d}{'_' if label else ''}{label}{self.target.ending}", text))
        self._next = index + 1
        if len(self._pending) >= _PENDING:
            self.flush()

    def flush(self) -> None:
        """Write what was added; raises OutputError where the disk takes no more."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        before = written(self.target)
        try:
            if self.target.container == "zip":
                _add_to_zip(self.target.path, pending)
            else:
                for name, text in pending:
                    (self.target.path / name).write_text(text, encoding="utf-8")
        except OSError as error:
            cut(self.target, before)
            raise OutputError.from_os_error(error, self.target.path) from error

    def close(self) -> None:
        """Write what was added."""
        self.flush()


def written(target: Target) -> int:
    """How much a target holds: bytes of a file, bytes of a zip before its list of contents, numbered files of a folder.

    Raises:
        OSError: It is not there.
    """
    if target.container == "folder":
        return len(_names(target))
    if target.container == "zip":
        try:
            with zipfile.ZipFile(target.path) as archive:
                return int(archive.start_dir)
        except zipfile.BadZipFile:  # writing was interrupted; the list of contents is what is written last
            pass
    return target.path.stat().st_size


def cut(target: Target, length: int) -> None:
    """Take away what lies behind a length that :func:`written` gave before.

    Raises:
        InputError: The zip is not one that was written here.
        OSError: It cannot be written.
    """
    if target.container == "folder":
        for name in _names(target)[length:]:
            (target.path / name).unlink()
    elif target.container == "zip":
        if written(target) != length or not zipfile.is_zipfile(target.path):
            _rebuild(target.path, length)
    elif target.path.stat().st_size != length:  # a whole file keeps its time, by which it is known
        os.truncate(target.path, length)


def take_over(partial: Target, final: Target) -> None:
    """Put a finished target in the place of another, whose numbered files go."""
    if final.container != "folder" or not final.path.exists():
        partial.path.replace(final.path)
        return
    _clear(final)
    for name in _names(partial):
        (partial.path / name).replace(final.path / name)
    partial.path.rmdir()


def remove(target: Target) -> None:
    """Remove a target that was begun; of a folder only the numbered files, and the folder if nothing else is in it."""
    if target.container != "folder":
        target.path.unlink(missing_ok=True)
    elif target.path.is_dir():
        _clear(target)
        with suppress(OSError):
            target.path.rmdir()


def _index(name: str) -> int:
    return int(name.partition("_")[0].partition(".")[0])


def _names(target: Target) -> list[str]:
    """The numbered files, in order."""
    if target.container == "zip":
        with zipfile.ZipFile(target.path) as archive:
            names = archive.namelist()
    else:
        names = os.listdir(target.path)
    ending = target.ending
    return sorted((n for n in names if n.endswith(ending) and _INDEXED.match(n.removesuffix(ending))), key=_index)


def _clear(target: Target) -> None:
    if target.container == "zip":
        zipfile.ZipFile(target.path, "w").close()
        return
    target.path.mkdir(parents=False, exist_ok=True)
    for name in _names(target):
        (target.path / name).unlink()


def _add_to_zip(path: Path, files: list[tuple[str, str]]) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in files:
            info = zipfile.ZipInfo(name, _MADE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, text)


def _rebuild(path: Path, length: int) -> None:
    """Make a zip of the files in its first ``length`` bytes anew; each has its name and sizes before it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    zipfile.ZipFile(temporary, "w").close()
    data = path.read_bytes()[:length]
    at, files = 0, []
    while at < len(data):
        header = _HEADER.unpack_from(data, at) if at + _HEADER.size <= len(data) else (b"",)
        if header[0] != b"PK\x03\x04":
            temporary.unlink()
            raise InputError(f"{path} is not a zip of samples", hint="give another --out, or --overwrite")
        compressed, _, name_length, extra = header[7:11]
        start = at + _HEADER.size + name_length + extra
        name = data[at + _HEADER.size : at + _HEADER.size + name_length].decode("utf-8")
        files.append((name, zlib.decompress(data[start : start + compressed], -zlib.MAX_WBITS).decode("utf-8")))
        at = start + compressed
    _add_to_zip(temporary, files)
    temporary.replace(path)
