"""The table of file formats and the choice among them by a file's name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
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
    "cif": Format((".cif",), crystal.cif_records, crystal.encode_cif, frozenset({"lattice", "properties"})),
    "poscar": Format(
        (".vasp", ".poscar", ".contcar", "POSCAR", "CONTCAR"),
        crystal.poscar_records,
        crystal.encode_poscar,
        frozenset({"lattice", "properties"}),
        single=True,
    ),
}
"""Every format by name."""


@dataclass(frozen=True)
class Target:
    """Where structures are written.

    Attributes:
        path: The file or folder.
        format: Of the file, or of each file in the folder or zip.
        ending: The format's ending.
        container: ``zip`` or ``folder`` for one file per structure, else empty.
    """

    path: Path
    format: Format
    ending: str
    container: str = ""

    def beside(self, prefix: str) -> str:
        """Path of a target of the same kind in the same folder, its name with ``prefix`` before it."""
        return str(self.path.with_name(prefix + self.path.name)) + (os.sep if self.container == "folder" else "")


def target_of(path: str | PathLike[str]) -> Target:
    """What a user's path asks for.

    ``out.cif`` is one file. ``out.zip`` and ``out/`` (or a folder that exists) hold one CIF for each structure;
    ``out.poscar.zip`` and ``out.poscar/`` one file of the format named.

    Raises:
        InputError: No format has this ending.
    """
    text = os.fspath(path)
    plain = Path(text)
    if text.endswith(("/", os.sep)) or plain.is_dir():
        return _container(plain, plain.name, "folder")
    if plain.suffix.lower() == ".zip":
        return _container(plain, plain.stem, "zip")
    return Target(plain, format_of(plain), _ending(plain))


def _container(path: Path, name: str, container: str) -> Target:
    ending = Path(name).suffix.lower()
    known = next((f for f in FORMATS.values() if ending in f.extensions), None)
    return Target(path, known or FORMATS["cif"], ending if known else ".cif", container)


def format_of(path: Path) -> Format:
    """The format that a file's name asks for, ``.gz`` aside.

    Raises:
        InputError: No format has this ending; the hint lists those there are.
    """
    ending = _ending(path)
    for known in FORMATS.values():
        if ending in known.extensions:
            return known
    endings = ", ".join(extension for known in FORMATS.values() for extension in known.extensions)
    raise InputError(
        f"{path}: the name does not say a known format", hint=f"end it with one of {endings}; .gz may follow each"
    )


def _ending(path: Path) -> str:
    """The end of a file's name that says the format, ``.gz`` aside; the whole name where there is no dot."""
    name = path.name[:-3] if path.suffix.lower() == ".gz" else path.name
    return Path(name).suffix.lower() or name
