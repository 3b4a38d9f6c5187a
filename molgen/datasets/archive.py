"""Archives (tar, tar.gz, tar.bz2, tar.xz, zip) and folders of xyz files as a source, read member by member."""

from __future__ import annotations

import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from molgen.errors import InputError
from molgen.io import xyz
from molgen.io.records import BadRecord
from molgen.io.streams import split_lines
from molgen.structure import Structure

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".zip")
XYZ = (".xyz", ".extxyz")
NOTES = ("", ".txt", ".md")
"""Files that accompany a distribution and hold no structures."""

_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, RuntimeError, ValueError)
"""What the libraries raise for damaged archives; the last two for encryption, unknown compression and odd headers."""

Member = tuple[str, bytes]


def is_archive(path: Path) -> bool:
    """Whether a path's name says that it is an archive."""
    return path.name.lower().endswith(SUFFIXES)


def archive_structures(path: Path, on_error: Callable[[int, str], None]) -> Iterator[Structure]:
    """The structures of all xyz files in an archive or folder, in the order of the archive or of the file names.

    The name of a structure starts with its file's stem.

    Args:
        path: An archive or a folder.
        on_error: Called with (record number from 0, reason) for each record that cannot be read.

    Raises:
        InputError: The archive itself is damaged or truncated, or is not what its name says.
    """
    record = 0
    for name, content in members(path):
        stem, suffix = os.path.splitext(PurePosixPath(name).name)
        if stem.startswith(".") or suffix.lower() in NOTES:
            continue
        if suffix.lower() not in XYZ:
            on_error(record, f"not an xyz file: {name}")
            record += 1
            continue
        for result in _records(stem, content):
            if isinstance(result, BadRecord):
                kind, _, detail = result.reason.partition(": ")
                on_error(record, f"{kind}: {name}, {detail}")
            else:
                yield result
            record += 1


def _records(stem: str, content: bytes) -> Iterator[Structure | BadRecord]:
    if not content.strip():
        yield BadRecord("empty file: no lines")
    for result in xyz.records(iter(split_lines(content))):
        if isinstance(result, BadRecord) or result.name in stem:
            yield result if isinstance(result, BadRecord) else result.replace(name=stem)
        else:
            yield result.replace(name=f"{stem} {result.name}")


def members(
    path: Path, wanted: Callable[[str, int], bool] | None = None, progress: Callable[[int, int], None] | None = None
) -> Iterator[Member]:
    """Name and contents of the files in an archive or folder, one in memory at a time; nothing is extracted.

    Args:
        path: A tar, compressed or not whatever its name says, a zip, or a folder.
        wanted: Whether to read the file of a name and a size in bytes; all of them by default.
        progress: Called with (bytes of a tar read so far, bytes in all) before each file that is read.

    Raises:
        InputError: The archive is damaged or truncated, or is not what its name says.
    """
    wanted = wanted or (lambda name, size: True)
    try:
        if path.is_dir():
            yield from _folder_members(path, wanted)
        elif path.suffix.lower() == ".zip":
            yield from _zip_members(path, wanted)
        else:
            yield from _tar_members(path, wanted, progress)
    except _DAMAGED as error:
        raise InputError(
            f"{path} is truncated, damaged or not the archive its name says: {error or 'it ends too early'}",
            hint="get the file again and compare its checksum with the publisher's",
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _folder_members(path: Path, wanted: Callable[[str, int], bool]) -> Iterator[Member]:
    for file in sorted(path.rglob("*")):
        if file.is_file() and wanted(name := str(file.relative_to(path)), file.stat().st_size):
            yield name, file.read_bytes()


def _zip_members(path: Path, wanted: Callable[[str, int], bool]) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir() and wanted(member.filename, member.file_size):
                yield member.filename, archive.read(member)


def _tar_members(
    path: Path, wanted: Callable[[str, int], bool], progress: Callable[[int, int], None] | None
) -> Iterator[Member]:
    size = path.stat().st_size
    with path.open("rb") as stream, tarfile.open(fileobj=stream, mode="r|*") as archive:
        for member in _all_of(archive):
            if not member.isfile() or not wanted(member.name, member.size):
                continue
            if progress is not None:
                progress(stream.tell(), size)
            if (file := archive.extractfile(member)) is not None:
                yield member.name, file.read()


def _all_of(archive: tarfile.TarFile) -> Iterable[tarfile.TarInfo]:
    """The members in order; a stream would otherwise remember every one that it passed."""
    for member in archive:
        yield member
        archive.members = []  # type: ignore[attr-defined]
