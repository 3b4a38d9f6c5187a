"""XYZ files of any number of frames: plain, extended, and the form of the original QM9; told apart frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from molgen.elements import SYMBOLS
from molgen.io import extxyz
from molgen.io.atom_rows import parse_atom_rows
from molgen.io.records import BadRecord, Record, RecordError, Scalar, one_line
from molgen.structure import Structure

QM9_PROPERTIES = (
    *("A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve"),
    *("U0", "U", "H", "G", "Cv"),
)
"""Columns of QM9's second line, in order: GHz x3, debye, bohr^3, hartree x3, bohr^2, hartree x5, cal/(mol K).
Ramakrishnan et al., Sci. Data 1, 140022 (2014), table 3."""


def records(lines: Iterator[str]) -> Iterator[Record]:
    """Structures and bad records in the order of the file.

    A bad frame is left behind by its announced length. Where that length itself cannot be read, the rest of the file
    cannot be divided into frames: it is one last bad record.
    """
    number = 0
    for line in lines:
        number += 1
        if not line.strip():
            continue
        if not line.strip().isdecimal() or len(line.strip()) > 9:
            yield BadRecord(
                f"no count of atoms: line {number}: {line.strip()[:40]!r}; the rest of the file was not read"
            )
            return
        natoms = int(line)
        body = list(islice(lines, natoms + 1))
        try:
            if len(body) < natoms + 1:
                raise RecordError(
                    "truncated record", f"line {number}: {natoms} atoms announced, {max(len(body) - 1, 0)} lines left"
                )
            words = body[0].split()
            if words[:1] == ["gdb"] and len(words) > 2:
                tail = list(islice(lines, 3))
                yield _qm9_frame(body, tail, number + 1)
                number += len(tail)
            elif extxyz.is_extended(body[0]):
                yield extxyz.parse_frame(body, number + 1)
            else:
                numbers, positions = parse_atom_rows([row.split() for row in body[1:]], number + 2)
                yield Structure(numbers=numbers, positions=positions, name=body[0].strip())
        except RecordError as error:
            yield BadRecord(str(error))
        number += len(body)


def encode_xyz(structure: Structure) -> str:
    """One plain frame: count, name, ``symbol x y z`` in angstrom with 8 decimals."""
    rows = [
        "%-2s %15.8f %15.8f %15.8f" % (SYMBOLS[number], x, y, z)  # noqa: UP031 - twice as fast
        for number, (x, y, z) in zip(structure.numbers.tolist(), structure.positions.tolist(), strict=True)
    ]
    return "\n".join([str(len(structure)), one_line(structure.name), *rows, ""])


def _qm9_frame(body: list[str], tail: list[str], line: int) -> Structure:
    """A QM9 frame; the fifth column (Mulliken charges) has no place in a Structure and is not kept."""
    words = body[0].split()
    if len(words) != 2 + len(QM9_PROPERTIES) or not words[1].isdecimal():
        raise RecordError(
            "not a QM9 frame", f"line {line}: {len(words)} fields where {2 + len(QM9_PROPERTIES)} are needed"
        )
    if len(tail) < 3:
        raise RecordError("truncated record", f"line {line}: the frequency, SMILES or InChI line is missing")
    properties: dict[str, Scalar] = {"gdb_index": int(words[1])}
    try:
        for name, word in zip(QM9_PROPERTIES, words[2:], strict=True):
            properties[name] = float(_plain_exponent(word))
    except ValueError as error:
        raise RecordError("property is not a number", f"line {line}: {error}") from error
    numbers, positions = parse_atom_rows([_plain_exponent(row).split() for row in body[1:]], line + 1)
    smiles, inchi = tail[1].split(), tail[2].split()
    properties["frequencies"] = " ".join(_plain_exponent(tail[0]).split())
    for names, values in ((("smiles", "smiles_relaxed"), smiles), (("inchi", "inchi_relaxed"), inchi)):
        properties.update(zip(names, values, strict=False))
    return Structure(numbers=numbers, positions=positions, name=f"gdb_{words[1]}", properties=properties)


def _plain_exponent(text: str) -> str:
    """QM9 writes 1.2e-5 as ``1.2*^-5``."""
    return text.replace("*^", "e") if "*^" in text else text
