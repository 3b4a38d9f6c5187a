"""What GEOM's pickles hold: molecules with conformers, each an RDKit molecule that stays bytes here.

Two forms. The original archive has one pickle for each molecule: a dictionary with ``smiles`` and ``conformers``, a
list of dictionaries with ``rd_mol``, ``totalenergy`` and more (tutorials of github.com/learningmatter-mit/geom). The
MiDi family has one pickle for each split: a list of ``(smiles, [rd_mol, ...])`` with at most 30 conformers, the lowest
first (MiDi's extraction script).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO

from molgen.datasets.pickle_instructions import DamagedPickleError
from molgen.datasets.restricted_pickle import Admitted, Rebuilt, items, load

EXAMINED = 30
"""Conformers of a molecule that are looked at, the lowest in energy: as many as the MiDi family's pickles hold."""
ENERGIES = {
    "totalenergy": "total_energy",
    "relativeenergy": "relative_energy",
    "boltzmannweight": "boltzmann_weight",
}
"""Properties of a conformer in the archive, and what they are called here."""


@dataclass(frozen=True)
class RawConformer:
    """A conformer as the source holds it.

    Attributes:
        data: RDKit's own binary form of the molecule; only :mod:`molgen.datasets.geom_cleaning` opens it.
        energies: Values by the names of :data:`ENERGIES`; empty in the pickles of the MiDi family.
    """

    data: bytes
    energies: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RawMolecule:
    """A molecule and its lowest conformers, the lowest first.

    Attributes:
        smiles: As the source states it.
        conformers: At most :data:`EXAMINED`, or as many as were asked for.
    """

    smiles: str
    conformers: tuple[RawConformer, ...]


def archive_molecule(content: bytes, count: int) -> RawMolecule:
    """The molecule of one file ``drugs/*.pickle`` with its ``count`` lowest conformers by total energy.

    Raises:
        ForbiddenPickleError: The pickle asks for anything but data.
        DamagedPickleError: It is damaged, or not of GEOM's form.
    """
    found = load(BytesIO(content), ADMITTED)
    conformers = found.get("conformers") if type(found) is dict else None
    smiles = found.get("smiles") if type(found) is dict else None
    if type(smiles) is not str or not smiles or type(conformers) is not list:
        raise DamagedPickleError("no molecule of GEOM: the pickle lacks smiles or conformers")
    raw = [_conformer(conformer) for conformer in conformers]
    lowest = sorted(raw, key=lambda conformer: conformer.energies["total_energy"])[:count]
    return RawMolecule(smiles, tuple(lowest))


def split_molecules(file: BinaryIO, count: int) -> Iterator[RawMolecule]:
    """The molecules of a pickle of the MiDi family, a batch in memory at a time, with their first ``count`` conformers.

    Raises:
        ForbiddenPickleError: The pickle asks for anything but data.
        DamagedPickleError: It is damaged, or not a list of SMILES and molecules.
    """
    for item in items(file, ADMITTED):
        smiles, mols = item if type(item) is tuple and len(item) == 2 else (None, None)
        if type(smiles) is not str or not smiles or type(mols) is not list or {type(mol) for mol in mols} - {_Mol}:
            raise DamagedPickleError("an item of the list is no pair of a SMILES and a list of RDKit molecules")
        yield RawMolecule(smiles, tuple(RawConformer(mol.data) for mol in mols[:count]))


def _conformer(found: Any) -> RawConformer:
    if type(found) is not dict or type(found.get("rd_mol")) is not _Mol:
        raise DamagedPickleError("no molecule of GEOM: a conformer lacks rd_mol")
    energies = {new: found[old] for old, new in ENERGIES.items() if type(found.get(old)) is float}
    if not math.isfinite(energies.get("total_energy", math.nan)):
        raise DamagedPickleError("no molecule of GEOM: a conformer lacks its total energy")
    return RawConformer(found["rd_mol"].data, energies)


class _Mol(Rebuilt):
    """An RDKit molecule; its state, if any, is a dictionary of Python attributes, which plays no part here."""

    def __init__(self, data: bytes) -> None:
        self.data = data


def _make_mol(arguments: tuple[Any, ...]) -> _Mol:
    if len(arguments) != 1 or type(arguments[0]) is not bytes:
        raise DamagedPickleError("the pickle makes an RDKit molecule from something else than its bytes")
    return _Mol(arguments[0])


_FORMS = {"f8": "d", "f4": "f", "i8": "q", "i4": "i", "i2": "h", "i1": "b", "u8": "Q", "u4": "I", "u2": "H", "u1": "B"}
"""Types of numpy numbers, and the same for ``struct``."""


class _Dtype(Rebuilt):
    """A type of numpy numbers; its state brings the byte order."""

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "<"

    def set_state(self, state: Any) -> None:
        if type(state) is not tuple or len(state) < 2 or state[1] not in ("<", ">", "|"):
            raise DamagedPickleError("a numpy type of the pickle has no byte order")
        self.order = "<" if state[1] == "|" else state[1]


def _make_dtype(arguments: tuple[Any, ...]) -> _Dtype:
    code = arguments[0] if arguments else None
    if type(code) is not str or code not in _FORMS:
        stated = code[:20] if type(code) is str else type(code).__name__
        raise DamagedPickleError(f"the pickle holds numpy values of type {stated!r}, which is no number")
    return _Dtype(code)


def _make_scalar(arguments: tuple[Any, ...]) -> int | float:
    """A numpy number as Python's; numpy itself is not called."""
    kind, data = arguments if len(arguments) == 2 else (None, None)
    if type(kind) is not _Dtype or type(data) is not bytes:
        raise DamagedPickleError("the pickle makes a numpy number from something else than its bytes")
    value: int | float = struct.unpack(kind.order + _FORMS[kind.code], data)[0]
    return value


def _make_array(_: tuple[Any, ...]) -> Rebuilt:
    """A stand-in for an array: no array of GEOM is used here, so its state is not read either."""
    return Rebuilt()


def _refuse(_: tuple[Any, ...]) -> Any:
    raise DamagedPickleError("the pickle calls a name that is only an argument of others")


ADMITTED: Admitted = {
    "rdkit.Chem.rdchem.Mol": _make_mol,
    "numpy.dtype": _make_dtype,
    "numpy.ndarray": _refuse,
    **{
        f"numpy.{core}.multiarray.{name}": make
        for core in ("core", "_core")
        for name, make in (("scalar", _make_scalar), ("_reconstruct", _make_array))
    },
}
"""All names that GEOM's pickles may call; what is made of them is made here, not by RDKit or numpy."""
