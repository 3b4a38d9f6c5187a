"""The table of file formats and the choice among them by a file's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from molgen.errors import InputError
from molgen.io import crystal, extxyz, sdf_read, sdf_write, smiles, xyz
from molgen.io.records import Record
from molgen.structure import Structure


@dataclass(frozen=True)
class Format:
    """How one kind of file is read and written.

    Attributes:
        extensions: File endings; ``.gz`` may follow each. A bare word is a whole file name.
        records: Lines to structures and bad records, lazily.
        encode: One structure to the text of one record; raises InputError for one that the format cannot hold.
        keeps: Which of charges, bonds, lattice and properties a written file holds, beside elements, positions, names.
        single: Whether a file holds one structure only.
    """

    extensions: tuple[str, ...]
    records: Callable[[Iterator[str]], Iterator[Record]]
    encode: Callable[[Structure], str]
    keeps: frozenset[str] = frozenset()
    single: bool = False


FORMATS: dict[str, Format] = {
    "sdf": Format(
        (".sdf", ".sd"), sdf_read.records, sdf_write.encode_sdf, frozenset({"charges", "bonds", "properties"})
    ),
    "mol": Format((".mol",), sdf_read.records, sdf_write.encode_mol, frozenset({"charges", "bonds"}), single=True),
    "xyz": Format((".xyz",), xyz.records, xyz.encode_xyz),
    "extxyz": Format((".extxyz",), xyz.records, extxyz.encode_extxyz, frozenset({"charges", "lattice", "properties"})),
    "smiles": Format((".smi", ".smiles"), smiles.records, smiles.encode_smiles, frozenset({"charges", "bonds"})),
    "cif": Format((".cif",), crystal.cif_records, crystal.encode_cif, frozenset({"lattice"})),
    "poscar": Format(
        (".vasp", ".poscar", ".contcar", "POSCAR", "CONTCAR"),
        crystal.poscar_records,
        crystal.encode_poscar,
        frozenset({"lattice"}),
        single=True,
    ),
}
"""Every format by name."""


def format_of(path: Path) -> Format:
    """The format that a file's name asks for, ``.gz`` aside.

    Raises:
        InputError: No format has this ending; the hint lists those there are.
    """
    name = path.name[:-3] if path.suffix.lower() == ".gz" else path.name
    ending = Path(name).suffix.lower() or name
    for known in FORMATS.values():
        if ending in known.extensions:
            return known
    endings = ", ".join(extension for known in FORMATS.values() for extension in known.extensions)
    raise InputError(
        f"{path}: the name does not say a known format", hint=f"end it with one of {endings}; .gz may follow each"
    )
