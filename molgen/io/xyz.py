"""XYZ files of any number of frames: plain, extended, and the form of the original QM9; told apart frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from molgen.elements import SYMBOLS
from molgen.io import extxyz
from molgen.io.atom_rows import parse_atom_rows, parse_element
from molgen.io.records import LONGEST_RECORD, BadRecord, Record, RecordError, Scalar, is_number, one_line
from molgen.io.streams import BrokenStreamError
from molgen.structure import Structure

QM9_PROPERTIES = (
    *("A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve"),
    *("U0", "U", "H", "G", "Cv"),
)
"""Columns of QM9's second line, in order: GHz x3, debye, bohr^3, hartree x3, bohr^2, hartree x5, cal/(mol K).
Ramakrishnan et al., Sci. Data 1, 140022 (2014), table 3."""

_QM9_TAIL = 3
_ATOM_WORDS = 4


def records(lines: Iterator[str]) -> Iterator[Record]:
    """Structures and bad records in the order of the file.

    Behind a bad frame, or lines that belong to no frame, reading goes on at the next line that holds one whole number
    and nothing else: no atom does.
    """
    source = _Lines(lines)
    while (line := source.next_filled()) is not None:
        record = _frame(line, source)
        if isinstance(record, BadRecord):
            source.skip_to_count()
        yield record


class _Lines:
    """Lines one by one with their number; the last ones can be handed back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._returned: list[str] = []
        self._broken: BrokenStreamError | None = None
        self.number = 0

    def next(self) -> str | None:
        """The next line, None at the end of the file."""
        line = self._returned.pop() if self._returned else next(self._lines, None)
        if line is None and self._broken is not None:
            raise self._broken
        self.number += line is not None
        return line

    def next_filled(self) -> str | None:
        """The next line that is not blank, None at the end of the file."""
        while (line := self.next()) is not None and not line.strip():
            pass
        return line

    def give_back(self, line: str | None) -> None:
        """Let ``next`` return this line again, the last one that it returned and that was not given back."""
        if line is not None:
            self._returned.append(line)
            self.number -= 1

    def peek(self) -> str | None:
        """The next line, which stays the next; None as well where the stream breaks off, which ``next`` reports."""
        try:
            line = self.next()
        except BrokenStreamError as error:
            self._broken = error
            return None
        self.give_back(line)
        return line

    def skip_to_count(self) -> None:
        """Leave lines out up to one that can be a count of atoms."""
        while (line := self.next()) is not None and not _is_count(line):
            pass
        self.give_back(line)

    def atom_rows(self, count: int) -> list[list[str]]:
        """The words of the next lines, up to one that holds too few for an atom."""
        rows = []
        returned = [self._returned.pop() for _ in range(min(count, len(self._returned)))]
        for line in islice(chain(returned, self._lines), count):
            self.number += 1
            words = line.split()
            if len(words) < _ATOM_WORDS:
                self.give_back(line)
                break
            rows.append(words)
        return rows


def _frame(count: str, source: _Lines) -> Record:
    """The frame whose first line was just read, or what is wrong with it."""
    number = source.number
    if not _is_count(count):
        return BadRecord(f"no count of atoms: line {number}: {count.strip()[:40]!r}")
    natoms = int(count.strip())  # int itself strips fewer kinds of blanks
    if natoms > LONGEST_RECORD:
        return BadRecord(f"too many atoms: line {number}: {natoms:,} announced, {LONGEST_RECORD:,} allowed")
    comment = source.next() or ""
    if _is_count(comment) and not _is_atom(source.peek()):
        source.give_back(comment)
        return BadRecord(f"truncated record: line {number}: {natoms} atoms announced, the next frame begins at once")
    if not natoms:
        return BadRecord(f"no atoms: line {number}: the frame announces none")
    rows = source.atom_rows(natoms)
    try:
        if len(rows) < natoms:
            raise _cut_short(number, natoms, len(rows), source)
        structure = _parse(comment, rows, number + 1, source)
        _check_end(natoms, source)
    except RecordError as error:
        return BadRecord(str(error))
    return structure


def _parse(comment: str, rows: list[list[str]], line: int, source: _Lines) -> Structure:
    """The frame whose comment is at ``line``, in whichever of the three forms it is."""
    if comment.startswith("gdb") and len(words := comment.split()) > 2 and words[0] == "gdb":
        return _qm9_frame(words, rows, _qm9_tail(source), line)
    if extxyz.is_extended(comment):
        return extxyz.parse_frame(comment, rows, line)
    numbers, positions = parse_atom_rows(rows, line + 1)
    return Structure(numbers=numbers, positions=positions, name=comment.strip())


def _is_count(line: str) -> bool:
    word = line.strip()
    return word.isdecimal() and len(word) <= 9


def _is_atom(line: str | None) -> bool:
    words = (line or "").split(maxsplit=_ATOM_WORDS)
    if len(words) < _ATOM_WORDS or not all(map(is_number, words[1:_ATOM_WORDS])):
        return False
    try:
        return parse_element(words[0], 0) > 0
    except RecordError:
        return False


def _cut_short(number: int, natoms: int, found: int, source: _Lines) -> RecordError:
    line = source.peek()
    if line is None or _is_count(line):
        what = "the file ends" if line is None else "the next frame begins"
        return RecordError("truncated record", f"line {number}: {natoms} atoms announced, {what} after {found}")
    fields = f"{len(line.split())} fields where an element and x y z are needed"
    return RecordError("truncated record", f"line {source.number + 1}: {fields}")


def _check_end(natoms: int, source: _Lines) -> None:
    """What follows a frame must not be one more atom of it."""
    if _is_atom(source.peek()):
        raise RecordError("counts do not match", f"line {source.number + 1}: an atom behind the {natoms} announced")


def encode_xyz(structure: Structure) -> str:
    """One plain frame: count, name, ``symbol x y z`` in angstrom with 8 decimals."""
    rows = [
        "%-2s %15.8f %15.8f %15.8f" % (SYMBOLS[number], x, y, z)  # noqa: UP031 - twice as fast
        for number, (x, y, z) in zip(structure.numbers.tolist(), structure.positions.tolist(), strict=True)
    ]
    return "\n".join([str(len(structure)), one_line(structure.name), *rows, ""])


def _qm9_tail(source: _Lines) -> list[str]:
    """The lines of frequencies, SMILES and InChI; fewer where the next frame or the end comes first."""
    tail: list[str] = []
    while len(tail) < _QM9_TAIL and (line := source.next()) is not None:
        if _is_count(line):
            source.give_back(line)
            break
        tail.append(line)
    return tail


def _qm9_frame(words: list[str], rows: list[list[str]], tail: list[str], line: int) -> Structure:
    """A QM9 frame; the fifth column (Mulliken charges) has no place in a Structure and is not kept."""
    if len(words) != 2 + len(QM9_PROPERTIES) or not words[1].isdecimal() or len(words[1]) > 9:
        raise RecordError(
            "not a QM9 frame", f"line {line}: {len(words)} fields where {2 + len(QM9_PROPERTIES)} are needed"
        )
    if len(tail) < _QM9_TAIL:
        raise RecordError("truncated record", f"line {line}: the frequency, SMILES or InChI line is missing")
    properties: dict[str, Scalar] = {"gdb_index": int(words[1])}
    try:
        for name, word in zip(QM9_PROPERTIES, words[2:], strict=True):
            properties[name] = float(_plain_exponent(word))
    except ValueError as error:
        raise RecordError("property is not a number", f"line {line}: {error}") from error
    numbers, positions = parse_atom_rows([[_plain_exponent(word) for word in row] for row in rows], line + 1)
    smiles, inchi = tail[1].split(), tail[2].split()
    properties["frequencies"] = " ".join(_plain_exponent(tail[0]).split())
    for names, values in ((("smiles", "smiles_relaxed"), smiles), (("inchi", "inchi_relaxed"), inchi)):
        properties.update(zip(names, values, strict=False))
    return Structure(numbers=numbers, positions=positions, name=f"gdb_{words[1]}", properties=properties)


def _plain_exponent(text: str) -> str:
    """QM9 writes 1.2e-5 as ``1.2*^-5``."""
    return text.replace("*^", "e") if "*^" in text else text
