"""Embedded molecules on their way into a data set: finished chunks as files, so that an interrupted run goes on."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from molgen.chemistry.embedding import ENERGY, Embedded
from molgen.errors import InputError, OutputError
from molgen.structure import Structure

SETTINGS = "settings.json"
_DAMAGED = (OSError, ValueError, EOFError, KeyError, IndexError, zipfile.BadZipFile, zlib.error)


class SmilesStore:
    """A folder of chunks, each of some molecules. Chunks may be written by several processes.

    Attributes:
        folder: Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, settings: dict[str, Any], restart: bool = False) -> None:
        """Make the folder, or go on with one that was begun with the same settings.

        Args:
            settings: Everything that the chunks depend on, as JSON values.
            restart: Discard what was begun with other settings.

        Raises:
            InputError: It was begun with other settings.
            OutputError: It cannot be written.
        """
        path = self.folder / SETTINGS
        try:
            begun = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            begun = None
        if begun == settings:
            return
        if begun is not None and not restart:
            changed = ", ".join(key for key in settings if begun.get(key) != settings[key])
            raise InputError(
                f"{self.folder} holds the beginning of a data set of this name with another {changed}",
                hint="give the command that began it, to go on; or --overwrite, to discard it; or another --name",
            )
        try:
            self.remove()
            self.folder.mkdir(parents=True)
            path.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError.from_os_error(error, self.folder) from error

    def has(self, number: int) -> bool:
        """Whether a chunk is finished."""
        return self._path(number).is_file()

    def write(self, number: int, molecules: Sequence[Embedded]) -> None:
        """Keep a chunk; it appears only when it is complete. Raises OutputError when the disk is full."""
        structures = [s for molecule in molecules for s in molecule.structures]
        arrays: dict[str, Any] = {
            "smiles": np.array([m.smiles for m in molecules], dtype=np.str_),
            "reasons": np.array([m.reason for m in molecules], dtype=np.str_),
            "conformers": np.array([len(m.structures) for m in molecules]),
            "atoms": np.array([len(s) for s in structures], dtype=np.int64),
            "bonds": np.array([0 if s.bonds is None else len(s.bonds) for s in structures], dtype=np.int64),
            "energies": np.array([s.properties[ENERGY] for s in structures], dtype=np.float64),
            "numbers": _joined([s.numbers for s in structures], np.uint8, ()),
            "charges": _joined([s.charges for s in structures], np.int8, ()),
            "positions": _joined([s.positions for s in structures], np.float32, (3,)),
            "bond_rows": _joined([s.bonds for s in structures], np.uint16, (3,)),
        }
        unfinished = self.folder / f".{number}.{os.getpid()}.npz"
        try:
            np.savez(unfinished, **arrays)
            unfinished.replace(self._path(number))
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            raise OutputError.from_os_error(error, self.folder) from error

    def read(self, number: int) -> list[Embedded]:
        """A finished chunk; raises InputError where it is damaged."""
        try:
            with np.load(self._path(number), allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
            return _molecules(arrays)
        except _DAMAGED as error:
            raise InputError(
                f"{self._path(number)} is damaged: {error}", hint="delete this file and give the same command again"
            ) from error

    def molecules(self) -> int:
        """Molecules in the finished chunks; 0 where there is no folder."""
        total = 0
        for path in self.folder.glob("[0-9]*.npz"):
            with suppress(*_DAMAGED), np.load(path, allow_pickle=False) as file:
                total += len(file["conformers"])
        return total

    def remove(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npz"


def _joined(parts: Sequence[Any], dtype: type[np.generic], row: tuple[int, ...]) -> np.ndarray:
    return np.concatenate([np.zeros((0, *row), dtype), *(np.asarray(part).astype(dtype) for part in parts)])


def _molecules(arrays: dict[str, np.ndarray]) -> list[Embedded]:
    atoms, bonds = (np.concatenate([[0], np.cumsum(arrays[key])]) for key in ("atoms", "bonds"))
    ends = np.cumsum(arrays["conformers"])
    molecules = []
    for k, (smiles, reason) in enumerate(zip(arrays["smiles"].tolist(), arrays["reasons"].tolist(), strict=True)):
        structures = []
        for i in range(ends[k] - arrays["conformers"][k], ends[k]):
            rows = slice(atoms[i], atoms[i + 1])
            structures.append(
                Structure(
                    numbers=arrays["numbers"][rows],
                    positions=arrays["positions"][rows],
                    charges=arrays["charges"][rows],
                    bonds=arrays["bond_rows"][bonds[i] : bonds[i + 1]],
                    name=smiles,
                    properties={ENERGY: float(arrays["energies"][i])},
                )
            )
        molecules.append(Embedded(smiles, tuple(structures), reason))
    return molecules
