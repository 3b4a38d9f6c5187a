"""Reading a fragment to grow molecules from: some atoms of the first molecule of a file, as Kekule structure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase

from molgen.convert import from_rdkit, to_rdkit
from molgen.errors import InputError
from molgen.io import read
from molgen.structure import AROMATIC, Structure


def read_fragment(path: str | PathLike[str], atoms: Sequence[int] | None = None) -> Structure:
    """The first molecule of a file, or some of its atoms, with aromatic bonds turned into single and double ones.

    Args:
        path: A file with bonds and coordinates that :func:`molgen.read` reads, such as .sdf or .mol.
        atoms: Indices of the atoms to keep, from 0, in the order wanted; all if None.

    Raises:
        InputError: The file cannot be read, its aromatic bonds have no Kekule structure, or an index is not an atom's.
        MissingError: There is no such file.
    """
    structure = next(iter(read(path)))
    if structure.bonds is not None and AROMATIC in structure.bonds[:, 2]:
        structure = _kekulised(structure, Path(path))
    if atoms is None:
        return structure
    wrong = [atom for atom in atoms if not 0 <= atom < len(structure)]
    if wrong or len(set(atoms)) < len(atoms) or not atoms:
        problem = f"there is no atom {wrong[0]}" if wrong else "an atom is named twice" if atoms else "no atom is named"
        raise InputError(
            f"{path}: {problem} among the atoms to keep", hint=f"the molecule has atoms 0 to {len(structure) - 1}"
        )
    return structure.take(np.array(atoms, dtype=np.int64))


def parse_indices(text: str) -> list[int]:
    """``"0,1,4-6"`` -> [0, 1, 4, 5, 6].

    Raises:
        InputError: It is no such list.
    """
    indices: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})(?:-(\d{1,6}))?\s*", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise InputError(f"{text!r} is not a list of atoms", hint="write indices from 0, such as 0,1,4-6")
        indices += range(int(match[1]), int(match[2] or match[1]) + 1)
    return indices


def _kekulised(structure: Structure, path: Path) -> Structure:
    mol = Chem.RWMol(to_rdkit(structure.replace(lattice=None, properties={})))
    try:
        with rdBase.BlockLogs():
            Chem.Kekulize(mol, clearAromaticFlags=True)
    except Chem.KekulizeException as error:
        raise InputError(
            f"{path}: its aromatic bonds have no Kekule structure: {str(error).strip()}",
            hint="state hydrogens on aromatic nitrogen, or write the file with single and double bonds",
        ) from error
    return structure.replace(bonds=from_rdkit(mol).bonds)
