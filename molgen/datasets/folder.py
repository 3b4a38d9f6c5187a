"""A folder or zip of structure files of any known format, read file by file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from molgen.datasets.archive import members
from molgen.errors import InputError
from molgen.io.files import read
from molgen.io.formats import format_of
from molgen.io.records import BadRecord
from molgen.io.streams import split_lines
from molgen.structure import Structure


def structure_files(folder: Path) -> list[Path]:
    """The files of a folder whose names say a known format, by name; folders in it are not looked into.

    Raises:
        InputError: There is none.
    """
    found = []
    for path in sorted(folder.iterdir()):
        try:
            format_of(path)
        except InputError:
            continue
        if path.is_file() and not path.name.startswith("."):
            found.append(path)
    if not found:
        raise InputError(f"the folder {folder} holds no structure file", hint="name a folder of CIF, POSCAR, ... files")
    return found


def folder_structures(folder: Path, on_error: Callable[[int, str], None] | None = None) -> Iterator[Structure]:
    """The structures of all files of a folder; one without a name gets its file's.

    Args:
        folder: Looked into, but not into the folders in it.
        on_error: Called with (record number from 0, reason) for each record that cannot be read, instead of raising.

    Raises:
        InputError: There is no structure file, or a record is bad and ``on_error`` is not given.
    """
    paths = structure_files(folder)

    def stream() -> Iterator[Structure]:
        before = 0
        for path in paths:
            bad = 0

            def note(index: int, reason: str, path: Path = path, before: int = before) -> None:
                nonlocal bad
                bad += 1
                assert on_error is not None
                kind, _, detail = reason.partition(": ")
                on_error(before + index, f"{kind}: {path.name}, {detail}")

            read_here = 0
            try:
                for structure in read(path, on_error=None if on_error is None else note):
                    read_here += 1
                    yield structure if structure.name else structure.replace(name=path.stem)
            except InputError as error:  # nothing at all could be read
                if on_error is None:
                    raise
                bad += 1
                on_error(before, f"unreadable file: {error}")
            before += read_here + bad

    return stream()


def zip_structures(path: Path, on_error: Callable[[int, str], None] | None = None) -> Iterator[Structure]:
    """The structures of all files in a zip, in its order; one without a name gets its file's.

    Args:
        path: The zip; its files whose names say no known format are passed over.
        on_error: Called with (record number from 0, reason) for each record that cannot be read, instead of raising.

    Raises:
        InputError: It is damaged or holds no structure file, or a record is bad and ``on_error`` is not given.
    """
    record = -1
    for name, content in members(path):
        file = PurePosixPath(name)
        try:
            known = format_of(Path(file.name))
        except InputError:
            continue
        if file.name.startswith("."):
            continue
        packed = file.suffix.lower() == ".gz"
        found = [BadRecord("compressed twice: gzip in a zip")] if packed else known.records(iter(split_lines(content)))
        for result in found:
            record += 1
            if isinstance(result, Structure) and len(result):
                yield result if result.name else result.replace(name=file.stem)
                continue
            reason = result.reason if isinstance(result, BadRecord) else "no atoms: the record announces none"
            kind, _, detail = reason.partition(": ")
            if on_error is None:
                raise InputError(f"{path}: {kind}: {name}, {detail}")
            on_error(record, f"{kind}: {name}, {detail}")
    if record < 0:
        raise InputError(f"{path} holds no structure file", hint="name a zip of CIF, POSCAR, extxyz, ... files")
