"""CIF and POSCAR through pymatgen: one structure per data block or file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

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

    from molgen.convert import from_pymatgen

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            crystals = CifParser.from_str("\n".join(block)).parse_structures(primitive=False)
            name = next((row[5:].strip() for row in block if row.lower().startswith("data_")), "")
            return from_pymatgen(crystals[0]).replace(name=name)
        except Exception as error:  # pymatgen raises whatever its dictionaries raise
            return BadRecord(f"malformed CIF block: {type(error).__name__}: {one_line(str(error))}")


def poscar_records(lines: Iterator[str]) -> Iterator[Record]:
    """The one structure of a POSCAR or CONTCAR; the comment line is its name."""
    from pymatgen.io.vasp.inputs import Poscar

    from molgen.convert import from_pymatgen

    rows = list(lines)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            poscar = Poscar.from_str("\n".join(rows))
            yield from_pymatgen(poscar.structure).replace(name=rows[0].strip())
        except Exception as error:  # as above
            yield BadRecord(f"malformed POSCAR: {type(error).__name__}: {one_line(str(error))}")


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
