"""Files of reference energies for hulls: what ``molgen data hull`` writes, and entries of a user's own.

One line per known compound, ``id,formula,energy_per_atom``, as CSV, ``.gz`` allowed. Ours begins with a line
``# {...}`` of JSON that says where the energies come from; only energies of the same kind are compared with it. A
user's own file is CSV with a formula (or composition) and energy_per_atom or energy (of the formula as written), in eV,
and perhaps an id; or JSON, a list of objects with these keys.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from molgen.chemistry.composition import reduced_composition
from molgen.chemistry.hull import Entry, Hull
from molgen.datasets.find import data_folders
from molgen.elements import NUMBERS
from molgen.errors import ConfigError, InputError, OutputError
from molgen.io.streams import check_readable

FORMAT = "molgen-hull-1"
COLUMNS = ("id", "formula", "energy_per_atom", "problem")
FORMULA, ENERGY = ("formula", "composition"), ("energy_per_atom", "energy")
"""Names of the columns that a file must have one of; the first that is there counts."""
SHIPPED = "hulls"
"""Folder beside the data sets, whose files can be named without their ending."""
ENDINGS = (".csv", ".csv.gz", ".json", ".json.gz")
CURE = "columns formula and energy_per_atom (eV) or energy (eV per formula), and perhaps id"


@dataclass(frozen=True)
class HullReference:
    """Reference energies.

    Attributes:
        name: Of the file.
        entries: Those with an energy.
        about: What the first line of our files says; empty for a user's own.
        fingerprint: SHA-256 of the file.
    """

    name: str
    entries: list[Entry]
    about: dict[str, Any]
    fingerprint: str

    @property
    def calculator(self) -> str:
        """Name of the potential that the energies come from; empty where the file does not say."""
        return str(self.about.get("calculator", ""))

    @property
    def energies(self) -> str:
        """Its versions; empty where the file does not say."""
        return str(self.about.get("energies", ""))

    @property
    def relaxed(self) -> bool:
        """Whether the compounds were relaxed with the potential."""
        return bool(self.about.get("relaxed"))

    @cached_property
    def hull(self) -> Hull:
        """Made of the entries."""
        return Hull(self.entries)

    def describe(self) -> dict[str, Any]:
        """For a summary."""
        return {"name": self.name, "fingerprint": self.fingerprint, "entries": len(self.entries), **self.about}


@cache
def read_hull(path: str) -> HullReference:
    """Read a file of reference energies; kept, so that every protocol of a process shares it.

    Args:
        path: The file, or the name of one that ships, such as ``mp20_all_chgnet``.

    Raises:
        MissingError: There is no such file.
        InputError: It is of another kind, lacks a column, holds an id twice, or a formula or energy that is none.
    """
    shipped = (folder / SHIPPED / f"{path}.csv.gz" for folder in data_folders())
    file = next(filter(Path.is_file, shipped), Path(path))
    if not file.name.endswith(ENDINGS):
        raise ConfigError(
            f"{path} is no file of reference energies",
            hint=f"mp20_all_chgnet, which ships, or a file with one of {', '.join(ENDINGS)}: {CURE}",
        )
    check_readable(file)
    data = file.read_bytes()
    try:
        text = (gzip.decompress(data) if file.suffix == ".gz" else data).decode("utf-8-sig")
        about, rows = _about(text), list(_json_rows(text) if ".json" in file.suffixes else _csv_rows(text))
    except (OSError, EOFError, UnicodeDecodeError, ValueError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}", hint=CURE) from error
    entries = list(_entries(path, rows))
    if not entries:
        raise InputError(f"{path} holds no energy", hint=CURE)
    return HullReference(file.name, entries, about, hashlib.sha256(data).hexdigest())


def write_hull(path: Path, about: Mapping[str, Any], rows: Iterable[tuple[str, str, float | None, str]]) -> None:
    """Write reference energies.

    Args:
        path: ``.csv`` or ``.csv.gz``.
        about: For the first line, JSON values.
        rows: Id, formula, energy in eV per atom or None, and why there is none.

    Raises:
        OutputError: It cannot be written.
    """
    buffer = StringIO()
    buffer.write(f"# {json.dumps({'format': FORMAT, **about})}\n")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, formula, energy, problem in rows:
        writer.writerow((name, formula, "" if energy is None else f"{energy:.6f}", problem))
    data = buffer.getvalue().encode("utf-8")
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_bytes(gzip.compress(data, 9, mtime=0) if path.suffix == ".gz" else data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError.from_os_error(error, path) from error


def _about(text: str) -> dict[str, Any]:
    first = text.partition("\n")[0]
    if not first.startswith("#"):
        return {}
    about = json.loads(first[1:])
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError(f"its first line is not that of a {FORMAT} file")
    return about


def _csv_rows(text: str) -> Iterator[dict[str, Any]]:
    body = text.partition("\n")[2] if text.startswith("#") else text
    table = csv.DictReader(StringIO(body), strict=True)
    _check_columns(list(table.fieldnames or ()))
    yield from table


def _json_rows(text: str) -> Iterator[dict[str, Any]]:
    rows = json.loads(text)
    if isinstance(rows, dict):
        rows = rows.get("entries")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("it is not a list of objects")
    for place, row in enumerate(rows):
        _check_columns(list(row), f"entry {place + 1}")
        yield row


def _check_columns(columns: list[str], where: str = "the file") -> None:
    for wanted in (FORMULA, ENERGY):
        if not set(wanted) & set(columns):
            found = ", ".join(map(str, columns)) or "none"
            raise ValueError(f"{where} has no column {' or '.join(wanted)}, only {found}")


def _entries(path: str, rows: list[dict[str, Any]]) -> Iterator[Entry]:
    seen: dict[str, int] = {}
    for place, row in enumerate(rows, 1):
        if row.get("problem"):
            continue
        name = str(row.get("id") or f"#{place}")
        if name in seen:
            raise InputError(
                f"{path}: id {name} is in rows {seen[name]} and {place}",
                hint="remove one of them, or the column id; polymorphs need ids of their own",
            )
        seen[name] = place
        try:
            yield _entry(name, row)
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}, row {place} ({name}): {error}", hint=CURE) from error


def _entry(name: str, row: Mapping[str, Any]) -> Entry:
    counts = _counts(next((str(row[column]) for column in FORMULA if row.get(column)), ""))
    column = next((column for column in ENERGY if row.get(column) not in (None, "")), "")
    if not column:
        raise ValueError("it has no energy")
    energy = float(row[column])
    if not np.isfinite(energy):
        raise ValueError(f"{column} is {energy}")
    atoms = sum(counts.values())
    numbers = [number for number, count in counts.items() for _ in range(count)]
    return Entry(name, reduced_composition(numbers), energy if column == "energy_per_atom" else energy / atoms)


@cache
def _counts(formula: str) -> dict[int, int]:
    """``"LiFePO4" -> {3: 1, 26: 1, 15: 1, 8: 4}``; ValueError for anything else."""
    from pymatgen.core.composition import Composition as Formula

    if not formula:
        raise ValueError("it has no formula")
    try:
        amounts = Formula(formula, strict=True).get_el_amt_dict()
    except Exception as error:
        raise ValueError(f"{formula!r} is no formula") from error
    if not amounts or any(symbol not in NUMBERS or amount != round(amount) for symbol, amount in amounts.items()):
        raise ValueError(f"{formula!r} is no formula of whole numbers")
    return {NUMBERS[symbol]: round(amount) for symbol, amount in amounts.items()}
