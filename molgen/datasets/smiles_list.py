"""Lists of SMILES as files: one molecule per line, with or without a split."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from molgen.datasets.layout import SPLITS
from molgen.errors import InputError, MissingError
from molgen.io.streams import BrokenStreamError, check_readable, read_lines

SUFFIXES = (".txt", ".smi", ".smiles", ".csv", ".tsv")
"""Endings of a list, each also with .gz; the last two have columns by name."""
SPLIT_NAMES = {"train": 0, "training": 0, "valid": 1, "val": 1, "validation": 1, "test": 2}
"""What files, and entries of a column ``split``, call a split; its code."""
SMILES_COLUMNS = ("smiles", "canonical_smiles")
SPLIT_COLUMN = "split"


@dataclass(frozen=True)
class Listed:
    """One line of a list.

    Attributes:
        smiles: As written.
        split: Code of its split, None where the list has none.
        place: File and line, for messages.
    """

    smiles: str
    split: int | None
    place: str


class SmilesList:
    """SMILES in one file or in one file per split; reads them as often as asked, one line at a time.

    Attributes:
        path: What was given.
        has_splits: Whether every line comes with its split.
    """

    def __init__(self, path: Path) -> None:
        """Find and check the files of ``path``: a list, or a folder with a list for each split.

        Raises:
            MissingError: There is no such path, or a split's file is not in the folder.
            InputError: The name's ending is none of ``SUFFIXES``, or a file cannot be read.
        """
        if not path.exists():
            raise MissingError(
                f"there is no {path}", hint="check the path; relative paths start where the command runs"
            )
        self.path = path
        self.files: list[tuple[Path, int | None]] = [(path, None)]
        if path.is_dir():
            self.files = [(_split_file(path, code), code) for code in range(len(SPLITS))]
        elif not _is_list(path):
            raise InputError(
                f"{path} is no list of SMILES by its name (one of {', '.join(SUFFIXES)}, each also .gz)",
                hint="--embed makes geometries; without it, files that have geometries are packed",
            )
        for file, _ in self.files:
            check_readable(file)
        self.has_splits = path.is_dir() or _Columns.of(path).split is not None

    def __iter__(self) -> Iterator[Listed]:
        """Lines in the order of the files, train first.

        Raises:
            InputError: A file breaks off, or a line names no split that is known.
        """
        for file, code in self.files:
            columns = _Columns.of(file)
            try:
                for number, words in _rows(file):
                    if number > columns.header:
                        yield _listed(file, number, words, columns, code)
            except BrokenStreamError as error:
                raise InputError(f"{file}: {error}", hint="get the file again") from error


@dataclass(frozen=True)
class _Columns:
    """Where a file keeps what; ``header`` is the line of its column names, 0 where it has none."""

    smiles: int = 0
    split: int | None = None
    header: int = 0

    @classmethod
    def of(cls, path: Path) -> _Columns:
        try:
            number, words = next(_rows(path), (0, []))
        except BrokenStreamError as error:
            raise InputError(f"{path}: {error}", hint="get the file again") from error
        names = [word.strip().lower() for word in words]
        found = [names.index(name) for name in SMILES_COLUMNS if name in names]
        if not found:
            return cls()
        return cls(found[0], names.index(SPLIT_COLUMN) if SPLIT_COLUMN in names else None, number)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line numbers from 1 and the columns of each line that is not blank."""
    lines = read_lines(path)
    plain = path.name.lower().removesuffix(".gz")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if plain.endswith((".csv", ".tsv")):
            yield number, next(csv.reader([line], delimiter="\t" if plain.endswith(".tsv") else ","))
        else:
            yield number, line.replace(",", " ").split()


def _listed(file: Path, number: int, words: list[str], columns: _Columns, code: int | None) -> Listed:
    place = f"{file.name}, line {number}"
    smiles = words[columns.smiles].strip() if columns.smiles < len(words) else ""
    if columns.split is not None:
        word = words[columns.split].strip() if columns.split < len(words) else ""
        named = SPLIT_NAMES.get(word.lower())
        if named is None:
            raise InputError(
                f"{file}, line {number}: {word[:40]!r} in the column {SPLIT_COLUMN} is no split",
                hint=f"one of {', '.join(SPLIT_NAMES)} on every line, or no such column",
            )
        if code is not None and named != code:
            raise InputError(f"{file}, line {number}: the split {word} in the file of the {SPLITS[code]} split")
        code = named
    return Listed(smiles, code, place)


def _is_list(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def _split_file(folder: Path, code: int) -> Path:
    """The one list in a folder whose name is, or begins with, that of a split: ``val_smiles.txt.gz``."""
    found = [
        file for file in sorted(folder.iterdir()) if _is_list(file) and SPLIT_NAMES.get(_first_word(file.name)) == code
    ]
    if not found:
        raise MissingError(
            f"{folder} holds no SMILES of the {SPLITS[code]} split",
            hint="one list for each of train, valid and test, named such as val_smiles.txt.gz or test.csv",
        )
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise InputError(f"{folder} holds several lists of the {SPLITS[code]} split: {names}")
    return found[0]


def _first_word(name: str) -> str:
    word = name.lower().partition(".")[0]
    for sign in "_- ":
        word = word.partition(sign)[0]
    return word
