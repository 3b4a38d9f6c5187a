"""Cleaning of GEOM-Drugs as in "GEOM-Drugs revisited" (Nikitin et al. 2025, arXiv:2505.00169).

As its script ``geom_drugs_processing.py`` does: a conformer is dropped that RDKit cannot sanitise or kekulise (all of
its sanitisation steps; bond orders 1 to 3) or that falls into several fragments. A molecule is dropped whose SMILES
RDKit cannot parse, that has no conformer left, or in any of whose conformers left some bond of atoms i and j has a
length d with ``|d - (r_i + r_j)| > 0.4 (r_i + r_j)``, with :func:`bond_radii`.

The script does not look at pairs without a bond. Here a molecule is dropped too in any of whose conformers two atoms
without a bond are closer than the sum of their covalent radii, for then the bonds are not those of the geometry. It has
a reason of its own, so that what the published rule alone leaves out can be told.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from molgen.datasets.geom_pickles import RawConformer, RawMolecule
from molgen.elements import COVALENT_RADII
from molgen.errors import InputError
from molgen.structure import Structure

if TYPE_CHECKING:
    from rdkit import Chem

TOLERANCE = 0.4
"""Part of the sum of the radii by which a bond may be longer or shorter."""
PUBLISHED = (1, 6, 7, 8, 9, 15, 16, 17, 35, 53)
"""Elements whose covalent radii the published script has; they are those of ``elements.csv`` (Cordero et al. 2008)."""
OTHER_RADIUS = 1.5
"""What it takes for any other element, in angstrom."""
_COVALENT = np.array([COVALENT_RADII.get(number, OTHER_RADIUS) for number in range(119)])
UNREADABLE = "RDKit cannot read the molecule"
SMILES, SANITISE, FRAGMENTS = "SMILES cannot be parsed", "cannot be sanitised", "several fragments"
BOND_TYPE, COORDINATES = "an unusual atom or bond type", "no conformer with coordinates"
LENGTH, CLOSE = "a bond too long or too short", "atoms without a bond closer than their covalent radii"


@dataclass(frozen=True)
class Cleaned:
    """What is left of a molecule.

    Attributes:
        smiles: As the source states it.
        structures: Its lowest clean conformers, the lowest first; empty where ``reason`` says why.
        reason: ``"kind: detail"``, or empty.
        examined: Conformers that were looked at.
        dropped: How many of them were dropped, by kind of reason; none for reasons of the whole molecule.
    """

    smiles: str
    structures: tuple[Structure, ...] = ()
    reason: str = ""
    examined: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


class ConformerError(Exception):
    """Why a conformer cannot be used: ``"kind: detail"``."""


def clean(raw: RawMolecule, count: int) -> Cleaned:
    """The ``count`` lowest clean conformers, or why the molecule cannot be used.

    RDKit's reader of binary molecules is not made for damaged bytes: it may end the process. Call this in a child
    (:mod:`molgen.guard`).
    """
    from rdkit import Chem

    if Chem.MolFromSmiles(raw.smiles) is None:
        return Cleaned(raw.smiles, reason=SMILES)
    mols: list[tuple[Chem.Mol, RawConformer]] = []
    reasons = [COORDINATES]
    for conformer in raw.conformers:
        try:
            mols.append((_sanitised(conformer.data), conformer))
        except ConformerError as error:
            reasons.append(str(error))
    structures: list[Structure] = []
    wrong = next(filter(None, (wrong_geometry(*_arrays(mol)) for mol, _ in mols)), "")
    for mol, conformer in mols:
        if wrong or len(structures) == count:
            break
        try:
            structures.append(_structure(raw.smiles, len(structures), mol, conformer))
        except InputError as error:
            reasons.append(f"{BOND_TYPE}: {error}")
    dropped = Counter(reason.partition(": ")[0] for reason in reasons[1:])
    reason = "" if structures else wrong or reasons[:2][-1]
    return Cleaned(raw.smiles, tuple(structures), reason, len(raw.conformers), dropped)


def bond_radii(numbers: NDArray[np.integer]) -> NDArray[np.float64]:
    """Covalent radii in angstrom as the published script has them, shape ``(N,)`` for atomic numbers ``(N,)``."""
    radii: NDArray[np.float64] = np.where(np.isin(numbers, PUBLISHED), _COVALENT[numbers], OTHER_RADIUS)
    return radii


def wrong_geometry(numbers: NDArray[np.int64], positions: NDArray[np.float64], bonded: NDArray[np.bool_]) -> str:
    """Why a geometry contradicts its bonds, as ``"kind: detail"``; empty where it does not.

    Args:
        numbers: Atomic numbers, shape ``(N,)``.
        positions: In angstrom, shape ``(N, 3)``.
        bonded: Which pairs have a bond, symmetric, shape ``(N, N)``.
    """
    distances = np.sqrt(((positions[:, None] - positions) ** 2).sum(axis=-1))
    radii = bond_radii(numbers)
    expected = radii[:, None] + radii
    wrong = bonded & ~(np.abs(distances - expected) <= TOLERANCE * expected)  # true for nan, too
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        return f"{LENGTH}: {distances[i, j]:.2f} A between atoms {i} and {j}, expected {expected[i, j]:.2f} A"
    radii = _COVALENT[numbers]
    close = ~bonded & ~(distances >= radii[:, None] + radii)
    np.fill_diagonal(close, False)
    if close.any():
        i, j = np.argwhere(close)[0]
        return f"{CLOSE}: {distances[i, j]:.2f} A between atoms {i} and {j}"
    return ""


def _sanitised(data: bytes) -> Chem.Mol:
    """The molecule, kekulised; raises ConformerError."""
    from rdkit import Chem, rdBase

    try:
        mol: Chem.Mol = Chem.Mol(data)  # type: ignore[call-overload]  # stubs say text
    except Exception as error:  # RDKit raises RuntimeError and more for other versions' and damaged bytes
        raise ConformerError(f"{UNREADABLE}: {_first_line(error)} (this is RDKit {rdBase.rdkitVersion})") from error
    try:
        Chem.SanitizeMol(mol)
        Chem.Kekulize(mol, clearAromaticFlags=True)
    except Exception as error:
        raise ConformerError(f"{SANITISE}: {_first_line(error)}") from error
    if len(Chem.GetMolFrags(mol)) != 1:
        raise ConformerError(f"{FRAGMENTS}: {len(Chem.GetMolFrags(mol))}")
    if not mol.GetNumConformers():
        raise ConformerError(COORDINATES)
    return mol


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _arrays(mol: Chem.Mol) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """What :func:`wrong_geometry` takes."""
    from rdkit import Chem

    numbers = np.array([mol.GetAtomWithIdx(k).GetAtomicNum() for k in range(mol.GetNumAtoms())], dtype=np.int64)
    return numbers, mol.GetConformer().GetPositions(), Chem.GetAdjacencyMatrix(mol).astype(bool)


def _structure(smiles: str, rank: int, mol: Chem.Mol, conformer: RawConformer) -> Structure:
    """A conformer with name and properties of this data set."""
    from molgen.convert import from_rdkit

    return from_rdkit(mol).replace(name=smiles, properties={"conformer": rank, **conformer.energies})
