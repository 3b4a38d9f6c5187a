"""CIF and POSCAR through pymatgen: one structure per data block or file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

import numpy as np

from molgen.errors import InputError
from molgen.io.records import BadRecord, Record, one_line
from molgen.structure import Structure

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure as Crystal


def cif_records(lines: Iterator[str]) -> Iterator[Record]:
    """One structure, with the sites of the cell as written (not reduced), for each ``data_`` block."""
    block: list[str] = []
    for line in lines:
        if line.lower().startswith("data_") and any(row.lower().startswith("data_") for row in block):
            yield _read_block(block)
            block = []
        block.append(line)
    if any(line.strip() for line in block):
        yield _read_block(block)


def _read_block(block: list[str]) -> Record:
    from pymatgen.io.cif import CifParser

    def parse() -> Crystal:
        return CifParser.from_str("\n".join(block)).parse_structures(primitive=False)[0]

    name = next((row[5:].strip() for row in block if row.lower().startswith("data_")), "")
    return _record(parse, "malformed CIF block", name)


def poscar_records(lines: Iterator[str]) -> Iterator[Record]:
    """The one structure of a POSCAR or CONTCAR; the comment line is its name."""
    from pymatgen.io.vasp.inputs import Poscar

    rows = list(lines)
    if any(row.strip() for row in rows):
        yield _record(lambda: Poscar.from_str("\n".join(rows)).structure, "malformed POSCAR", rows[0].strip())


def _record(parse: Callable[[], Crystal], kind: str, name: str) -> Record:
    from molgen.convert import from_pymatgen

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            crystal = parse()
        except Exception as error:  # pymatgen raises whatever its dictionaries and arrays raise
            return BadRecord(f"{kind}: {type(error).__name__}: {one_line(str(error))}")
    try:
        structure = from_pymatgen(crystal).replace(name=name)
    except InputError as error:
        return BadRecord(f"not an ordered crystal: {error}")
    if not np.isfinite(structure.positions).all():
        return BadRecord(f"coordinates are not finite: in {name or 'the only block'}")
    return structure


def encode_cif(structure: Structure) -> str:
    """One data block in space group P1; raises InputError for a structure without a lattice."""
    from pymatgen.io.cif import CifWriter

    text = str(CifWriter(_crystal(structure)))
    if not structure.name:
        return text
    _, _, rest = text.partition("\ndata_")
    return f"data_{'_'.join(structure.name.split())}\n{rest.partition(chr(10))[2]}"


def encode_poscar(structure: Structure) -> str:
    """A POSCAR in fractional coordinates; raises InputError for a structure without a lattice."""
    from pymatgen.io.vasp.inputs import Poscar

    crystal = _crystal(structure)
    return str(Poscar(crystal, comment=one_line(structure.name) or crystal.formula))


def _crystal(structure: Structure) -> Crystal:
    from molgen.convert import to_pymatgen

    if structure.lattice is None:
        raise InputError("no lattice: CIF and POSCAR hold crystals only", hint="convert molecules to .sdf or .extxyz")
    return cast("Crystal", to_pymatgen(structure))
