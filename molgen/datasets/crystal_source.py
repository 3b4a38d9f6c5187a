"""Where crystals come from: tables of CIF text, CIF and POSCAR files, extxyz, ASE databases, flat arrays, folders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from molgen.datasets.archive import NOTES, is_archive, members
from molgen.datasets.ase_db import SUFFIX as DATABASE
from molgen.datasets.ase_db import database_records
from molgen.datasets.crystal_arrays import array_records, holds_crystal_arrays
from molgen.datasets.crystal_cleaning import RawCrystal
from molgen.datasets.crystal_tables import has_cif_column, table_records
from molgen.datasets.layout import SPLITS
from molgen.datasets.smiles_list import SPLIT_NAMES
from molgen.errors import InputError, MissingError
from molgen.io.crystal import cif_blocks
from molgen.io.formats import FORMATS
from molgen.io.records import BadRecord
from molgen.io.streams import BrokenStreamError, check_readable, read_lines, split_lines
from molgen.structure import Structure

TABLE, ARRAYS, CIF = ".csv", ".npz", ".cif"
SPLIT_KEY = "split"
"""Column, or key of a frame or row, that names the split of one crystal."""


class CrystalSource:
    """The records of a path, in an order that does not change.

    Args:
        path: A file, archive or folder; a folder may hold a file or folder for each of train, valid (val) and test.

    Attributes:
        path: What was given.
        parts: What is read, with the code of its split; None where a name says none.

    Raises:
        MissingError: There is no such path.
        InputError: Several files of a folder are for the same split.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise MissingError(
                f"there is no {path}", hint="check the path; relative paths start where the command runs"
            )
        self.path = path
        self.parts: list[tuple[Path, int | None]] = [(path, split_of_name(path.name))]
        if path.is_dir() and (found := _split_parts(path)):
            self.parts = found

    def records(self, by_name: bool = True) -> Iterator[RawCrystal]:
        """Every record.

        Args:
            by_name: Whether a file's name says the split of its records; a folder's files always do.

        Raises:
            InputError: A file cannot be read at all, or a record names no known split.
        """
        for path, code in self.parts:
            known = code if by_name or path != self.path else None
            yield from (_with_split(raw) for raw in _records(path, known))


def holds_crystals(path: Path) -> bool:
    """Whether a path is for :class:`CrystalSource` rather than a source of molecules: by names, columns, first frames.

    Raises:
        InputError: A table or a file cannot be read.
    """
    if path.is_dir():
        parts = _split_parts(path)
        return holds_crystals(parts[0][0]) if parts else any(_is_crystal_name(file.name) for file in path.rglob("*"))
    if not path.is_file():
        return False
    if is_archive(path):
        return any(_is_crystal_name(PurePosixPath(name).name) for name in _member_names(path))
    kind = _ending(path.name)
    if kind == TABLE:
        return has_cif_column(path)
    if kind == ARRAYS:
        return holds_crystal_arrays(path)
    return kind == DATABASE or _is_crystal_name(path.name) or (kind == ".extxyz" and _first_has_lattice(path))


def split_of_name(name: str) -> int | None:
    """Code of the split that one word of a name says: ``mp20_val.npz`` -> 1; None without one, or with several."""
    codes = {SPLIT_NAMES[word] for word in re.split(r"[_\-. ]+", name.lower()) if word in SPLIT_NAMES}
    return codes.pop() if len(codes) == 1 else None


def _records(path: Path, code: int | None) -> Iterator[RawCrystal]:
    kind = _ending(path.name)
    if path.is_dir() or is_archive(path):
        return _member_records(path, code)
    if kind == TABLE:
        return table_records(path, code)
    if kind == ARRAYS:
        return array_records(path, code)
    if kind == DATABASE:
        return database_records(path, code)
    check_readable(path)
    return _guarded(_text_records(path.name, read_lines(path), code), path.name, code)


def _guarded(records: Iterator[RawCrystal], place: str, code: int | None) -> Iterator[RawCrystal]:
    """The records, and one last bad one where the file's bytes break off."""
    try:
        yield from records
    except BrokenStreamError as error:
        yield RawCrystal(BadRecord(f"{error}; the rest of the file was not read"), place, split=code)


def _text_records(name: str, lines: Iterator[str], code: int | None) -> Iterator[RawCrystal]:
    """The records of one text file; CIF is left to the workers."""
    plain = name[:-3] if name.lower().endswith(".gz") else name
    stem, kind = PurePosixPath(plain).stem, _ending(name)
    if kind == CIF:
        for count, (block, first) in enumerate(cif_blocks(lines), 1):
            label = stem if count == 1 else ""  # further blocks have names of their own
            yield RawCrystal("\n".join(block), f"{name}, line {first}", label, code)
        return
    known = next(
        (f for f in FORMATS.values() if kind in f.extensions or PurePosixPath(plain).name in f.extensions), None
    )
    if known is None:
        yield RawCrystal(BadRecord(f"not a crystal file: {name}"), name, split=code)
        return
    for count, record in enumerate(known.records(lines), 1):
        label = record.name if isinstance(record, Structure) and not known.single else stem
        yield RawCrystal(record, f"{name}, record {count}", label or f"{stem} {count}", code)


def _member_records(path: Path, code: int | None) -> Iterator[RawCrystal]:
    for name, content in members(path):
        file = PurePosixPath(name)
        if file.name.startswith(".") or (file.suffix.lower() in NOTES and not _is_crystal_name(file.name)):
            continue
        yield from _text_records(name, iter(split_lines(content)), code)


def _with_split(raw: RawCrystal) -> RawCrystal:
    """The record with the split that it names itself; raises InputError where that is none, or another than known."""
    inside = dict(raw.content.properties) if isinstance(raw.content, Structure) else {}
    if SPLIT_KEY not in inside and SPLIT_KEY not in raw.properties:
        return raw
    values = dict(raw.properties)
    word = str(values.pop(SPLIT_KEY, inside.pop(SPLIT_KEY, "")))
    code = SPLIT_NAMES.get(word.lower())
    if code is None or raw.split not in (None, code):
        wrong = "no split" if code is None else f"another split than {SPLITS[raw.split or 0]}, which its file is for"
        raise InputError(
            f"{raw.place}: {SPLIT_KEY} {word[:40]!r} is {wrong}",
            hint=f"one of {', '.join(SPLIT_NAMES)} for every record, or for none",
        )
    content = raw.content.replace(properties=inside) if isinstance(raw.content, Structure) else raw.content
    return replace(raw, content=content, split=code, properties=values)


def _split_parts(folder: Path) -> list[tuple[Path, int | None]]:
    """Files and folders in ``folder`` whose names say a split, in the order of the splits."""
    found: dict[int, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        code = split_of_name(path.name)
        if code is not None and not path.name.startswith(".") and (path.is_dir() or _is_source_name(path.name)):
            found.setdefault(code, []).append(path)
    for code, paths in found.items():
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            raise InputError(f"{folder} holds several files of the {SPLITS[code]} split: {names}")
    return [(found[code][0], code) for code in sorted(found)]


def _ending(name: str) -> str:
    return PurePosixPath(name[:-3] if name.lower().endswith(".gz") else name).suffix.lower()


def _is_crystal_name(name: str) -> bool:
    """Whether a file can only hold crystals."""
    plain = PurePosixPath(name[:-3] if name.lower().endswith(".gz") else name)
    endings = (*FORMATS["cif"].extensions, *FORMATS["poscar"].extensions)
    return plain.suffix.lower() in endings or plain.name in endings


def _is_source_name(name: str) -> bool:
    return _is_crystal_name(name) or _ending(name) in (TABLE, ARRAYS, DATABASE, ".extxyz") or is_archive(Path(name))


def _member_names(path: Path) -> Iterator[str]:
    names: list[str] = []

    def note(name: str, size: int) -> bool:
        names.append(name)
        return False

    for _ in members(path, note):
        pass
    return iter(names)


def _first_has_lattice(path: Path) -> bool:
    from molgen import io

    return any(structure.lattice is not None for structure in _first(io.read(path, on_error=lambda *_: None)))


def _first(structures: Iterator[Structure]) -> Iterator[Structure]:
    for structure in structures:
        yield structure
        return
