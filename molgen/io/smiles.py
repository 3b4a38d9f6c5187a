"""SMILES files: one ``SMILES [name]`` per line. Reading makes hydrogens and force-field geometries, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from molgen.errors import InputError
from molgen.io.records import BadRecord, Record, RecordError, one_line
from molgen.structure import Structure

GEOMETRY = "ETKDG+MMFF94"
"""Value of the property ``geometry`` of every structure read from SMILES."""

_SEED = 20210917
_EMBEDDING_TRIES = 50
_RELAXATION_STEPS = 2000
_EMBEDDING_SECONDS = 60
_MOST_ATOMS = 300
"""Hydrogens included; above, ETKDG alone takes minutes (24 s at 500 atoms, 330 s at 1,000, and then fails)."""

_LONGEST_SMILES = 20 * _MOST_ATOMS


def records(lines: Iterator[str]) -> Iterator[Record]:
    """Structures with explicit hydrogens and one seeded conformer each, and bad records, in the order of the file.

    Geometries: ETKDGv3 (Riniker and Landrum 2015, doi:10.1021/acs.jcim.5b00654) relaxed with MMFF94 (Halgren 1996).
    """
    for number, line in enumerate(lines, 1):
        words = line.split(maxsplit=1)
        if not words or (number == 1 and words[0].lower() == "smiles"):
            continue
        try:
            yield _embed(words[0], words[1].strip() if len(words) > 1 else "", number)
        except RecordError as error:
            yield BadRecord(str(error))
        except (InputError, RuntimeError, ValueError) as error:  # the last two are RDKit's, from its C++ side
            yield BadRecord(f"no geometry found: line {number}: {words[0][:60]}: {error}")


def _embed(smiles: str, name: str, line: int) -> Structure:
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    from molgen.convert import from_rdkit

    if len(smiles) > _LONGEST_SMILES:
        raise RecordError("molecule too large", f"line {line}: a SMILES of {len(smiles):,} characters")
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
        if mol is None or not mol.GetNumAtoms():
            raise RecordError("not a valid SMILES", f"line {line}: {smiles}")
        mol = Chem.AddHs(mol)
        if mol.GetNumAtoms() > _MOST_ATOMS:
            atoms = f"{mol.GetNumAtoms()} atoms; geometries are made for up to {_MOST_ATOMS}"
            raise RecordError("molecule too large", f"line {line}: {atoms}")
        settings: Any = rdDistGeom.ETKDGv3()
        settings.randomSeed = _SEED
        settings.maxIterations = _EMBEDDING_TRIES
        settings.timeout = _EMBEDDING_SECONDS
        if rdDistGeom.EmbedMolecule(mol, settings) < 0:
            settings.useRandomCoords = True
            if rdDistGeom.EmbedMolecule(mol, settings) < 0:
                raise RecordError("no geometry found", f"line {line}: ETKDG cannot embed {smiles}")
        if not rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
            raise RecordError("no force-field parameters", f"line {line}: MMFF94 does not cover {smiles}")
        if rdForceFieldHelpers.MMFFOptimizeMolecule(mol, maxIters=_RELAXATION_STEPS) < 0:
            raise RecordError("no geometry found", f"line {line}: MMFF94 cannot relax {smiles}")
    structure = from_rdkit(mol)
    if not np.isfinite(structure.positions).all():
        raise RecordError("no geometry found", f"line {line}: MMFF94 diverged on {smiles}")
    return structure.replace(name=name, properties={"smiles": smiles, "geometry": GEOMETRY})


def encode_smiles(structure: Structure) -> str:
    """One line: canonical SMILES without explicit hydrogens, then the name.

    Raises:
        InputError: The structure states no bonds, or its bonds break the valence rules.
    """
    from rdkit import Chem, rdBase

    from molgen.convert import to_rdkit

    if structure.bonds is None:
        raise InputError("no bonds: SMILES need them", hint="convert to .sdf, or take a source that states bonds")
    with rdBase.BlockLogs():
        try:
            smiles = Chem.MolToSmiles(Chem.RemoveHs(to_rdkit(structure)))
        except Chem.MolSanitizeException as error:
            raise InputError(f"valence rules broken: {error}") from error
    return " ".join(filter(None, (smiles, one_line(structure.name)))) + "\n"
