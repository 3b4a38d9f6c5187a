"""CIF and POSCAR through pymatgen: one structure per data block or file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, cast

import numpy as np

from molgen.elements import SYMBOLS
from molgen.errors import InputError
from molgen.io.annotations import cif_items, comment_with, read_cif_items, split_comment
from molgen.io.records import LONGEST_RECORD, BadRecord, Record, RecordError
from molgen.structure import Structure

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure as Crystal


_LONGEST_LINE = 4096
"""Twice what CIF 1.1 allows. Searching a line for closing quotes takes pymatgen the square of its length."""

_NO_STRUCTURE = "No structure parsed for section"
_KINDS = {
    "Singular matrix": "zero volume",
    "below threshold": "zero volume",
    "exceeded tolerance": "not an ordered crystal",
}
"""Kinds of bad records by words of pymatgen's warning; the last is for sites that atoms share."""

SYMMETRISED = "symmetrised"
"""Property of a crystal that is exactly symmetric (:mod:`molgen.chemistry.crystal_export`)."""
_EXACT = 1e-3
"""Tolerance in angstrom at which the operations of such a crystal are found again."""
_FLATTEST = 1e-9
"""Smallest volume of a cell over the product of its lengths."""

_COUNTS_ROW = 5
_MOST_SYMBOL_ROWS = 11


def cif_records(lines: Iterator[str]) -> Iterator[Record]:
    """One structure, with the sites of the cell as written (not reduced), for each ``data_`` block."""
    for block, first in cif_blocks(lines):
        yield read_cif_block(block, first)


def cif_blocks(lines: Iterator[str]) -> Iterator[tuple[list[str], int]]:
    """The lines of each ``data_`` block, what comes before the first one with it, and the number of its first line."""
    block: list[str] = []
    first, begun = 1, False
    for number, line in enumerate(lines, 1):
        begins = line[:5].lower() == "data_"
        if begins and begun:
            yield block, first
            first, block = number, []
        begun = begun or begins
        if len(block) < LONGEST_RECORD:
            block.append(line)
    if any(line.strip() for line in block):
        yield block, first


def read_cif_block(block: list[str], first: int = 1) -> Record:
    """The structure of one block, whose first line has the number ``first``, with the sites of the cell as written."""
    from pymatgen.io.cif import CifParser

    def parse() -> Crystal:
        return CifParser.from_str("\n".join(block)).parse_structures(primitive=False)[0]

    name = next((row[5:].strip() for row in block if row.lower().startswith("data_")), "")
    record = _record(parse, block, first, "malformed CIF block", name)
    return record if isinstance(record, BadRecord) else record.replace(properties=read_cif_items(block))


def poscar_records(lines: Iterator[str]) -> Iterator[Record]:
    """The one structure of a POSCAR or CONTCAR; the comment line is its name, and properties if written here."""
    from pymatgen.io.vasp.inputs import Poscar

    rows = list(islice(lines, LONGEST_RECORD))

    def parse() -> Crystal:
        _check_counts(rows)
        return Poscar.from_str("\n".join(rows)).structure

    if any(row.strip() for row in rows):
        name, properties = split_comment(rows[0])
        record = _record(parse, rows, 1, "malformed POSCAR", name)
        yield record if isinstance(record, BadRecord) else record.replace(properties=properties)


def _check_counts(rows: list[str]) -> None:
    """The counts of a POSCAR must fit its length: pymatgen makes lists of the announced size."""
    for number, row in enumerate(rows[_COUNTS_ROW : _COUNTS_ROW + _MOST_SYMBOL_ROWS], _COUNTS_ROW + 1):
        words = row.split()
        if words and words[0].lstrip("+-").isdecimal():
            # As many rows of counts as there were rows of symbols; none in VASP 4, which has one row of counts.
            span = max(number - 1 - _COUNTS_ROW, 1)
            counts = [word for counts_row in rows[number - 1 : number - 1 + span] for word in counts_row.split()]
            if any(not count.isdecimal() or len(count) > 9 or int(count) > len(rows) for count in counts):
                detail = f"line {number}: {' '.join(counts)[:60]} in a file of {len(rows)} lines"
                raise RecordError("counts do not match", detail)
            return


def _record(parse: Callable[[], Crystal], rows: list[str], first: int, kind: str, name: str) -> Record:
    from molgen.convert import from_pymatgen

    where = f"{name[:40] or 'without a name'}, from line {first}"
    if len(rows) == LONGEST_RECORD:
        return BadRecord(f"record too long: {where}: {LONGEST_RECORD:,} lines or more")
    if (longest := max(map(len, rows))) > _LONGEST_LINE:
        return BadRecord(f"{kind}: {where}: a line of {longest:,} characters")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        # Without symbols in a POSCAR, pymatgen would go on with hydrogen, helium and so on.
        warnings.filterwarnings("error", message="Elements in POSCAR cannot be determined")
        try:
            crystal = parse()
        except RecordError as error:
            return BadRecord(str(error))
        except Exception as error:  # pymatgen raises whatever its dictionaries and arrays raise
            kind, detail = _why(kind, error, [str(warning.message) for warning in told])
            return BadRecord(f"{kind}: {where}: {detail}")
        if strange := sorted({str(e) for site in crystal for e in site.species if not 1 <= e.Z < len(SYMBOLS)}):
            return BadRecord(f"unknown element: {where}: {', '.join(strange)}")
        try:
            structure = from_pymatgen(crystal).replace(name=name)
        except InputError as error:
            return BadRecord(f"not an ordered crystal: {where}: {error}")
    if structure.lattice is None or not np.isfinite(structure.lattice).all():
        return BadRecord(f"malformed lattice: {where}")
    if not np.isfinite(structure.positions).all():
        return BadRecord(f"coordinates are not finite: {where}")
    return structure


def _why(kind: str, error: Exception, told: list[str]) -> tuple[str, str]:
    """Kind and detail of what pymatgen could not read; why a CIF holds no structure is only in its warnings."""
    detail = next((text.partition("\n")[2] for text in told if text.startswith(_NO_STRUCTURE)), "")
    if not detail:
        return kind, f"{type(error).__name__}: {error}"
    return next((better for words, better in _KINDS.items() if words in detail), kind), detail


def encode_cif(structure: Structure) -> str:
    """One data block, properties as items ``_molgen_...``; raises InputError for a structure that it cannot hold.

    It lists all atoms in P1, in the structure's own cell, unless the structure has the property ``symmetrised``: then
    it has the conventional cell with the symmetry operations and the atoms that are independent. A left-handed cell has
    two axes swapped, as lengths and angles would make it right-handed and so mirror the crystal.
    """
    from pymatgen.io.cif import CifWriter

    items = cif_items(structure.properties)
    if structure.lattice is not None and np.linalg.det(structure.lattice) < 0:
        structure = structure.replace(lattice=structure.lattice[[1, 0, 2]])
    crystal = _crystal(structure)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = str(CifWriter(crystal, symprec=_EXACT if SYMMETRISED in structure.properties else None))
    head, _, rest = text.partition("\ndata_")
    block, _, rest = rest.partition("\n")
    name = "_".join(structure.name.split()) or block
    return "\n".join([head if structure.name == "" else "", f"data_{name}", *items, rest]).lstrip("\n")


def encode_poscar(structure: Structure) -> str:
    """A POSCAR in fractional coordinates, properties behind the name; InputError for a structure without a lattice."""
    from pymatgen.io.vasp.inputs import Poscar

    crystal = _crystal(structure)
    return str(Poscar(crystal, comment=comment_with(structure.name or crystal.formula, structure.properties)))


def _crystal(structure: Structure) -> Crystal:
    from molgen.convert import to_pymatgen

    if structure.lattice is None:
        raise InputError("no lattice: CIF and POSCAR hold crystals only", hint="convert molecules to .sdf or .extxyz")
    lengths = np.linalg.norm(structure.lattice, axis=1)
    if abs(np.linalg.det(structure.lattice)) <= _FLATTEST * lengths.prod():
        raise InputError("zero volume: the cell vectors lie in a plane")
    return cast("Crystal", to_pymatgen(structure))
