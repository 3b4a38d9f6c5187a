"""Writing packed data sets: streamed to a temporary folder, renamed when complete."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from array import array
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.datasets.layout import FORMAT, SPLITS, fingerprint_of
from molgen.datasets.npy import NpyWriter
from molgen.errors import InputError, OutputError
from molgen.structure import Structure


def check_free(folder: Path, overwrite: bool) -> None:
    """Raise OutputError where ``folder`` exists and may not be replaced, or is no data set."""
    if folder.exists() and not overwrite:
        raise OutputError(f"{folder} already exists", hint="--overwrite replaces it, --name chooses another name")
    if folder.exists() and any(folder.iterdir()) and not (folder / "meta.json").exists():
        raise OutputError(f"{folder} exists and is not a data set", hint="--name chooses another name")


def _output_error(error: OSError, folder: Path) -> OutputError:
    result = OutputError.from_os_error(error, folder)
    if result.hint:
        result.hint = "free some space and run the same command again; the unfinished data set was removed"
    return result


class PackWriter:
    """Makes a packed data set by streaming. A context manager: without :meth:`finish` it leaves nothing behind.

    Args:
        folder: Where the finished data set goes; appears only when complete.
        name: Its name.
        overwrite: Replace a data set that is already there.

    Raises:
        OutputError: The folder exists and ``overwrite`` is false, or cannot be written.
    """

    def __init__(self, folder: str | Path, *, name: str, overwrite: bool = False) -> None:
        self.folder, self.name, self.overwrite = Path(folder), name, overwrite
        check_free(self.folder, overwrite)
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self._work = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.partial-", dir=self.folder.parent))
            self._work.chmod(0o755)
            self._numbers = NpyWriter(self._work / "numbers.npy", np.uint8)
            self._positions = NpyWriter(self._work / "positions.npy", np.float32, (3,))
            self._charges = NpyWriter(self._work / "charges.npy", np.int8)
            self._bonds = NpyWriter(self._work / "bonds.npy", np.uint16, (3,))
            self._lattice = NpyWriter(self._work / "lattice.npy", np.float64, (3, 3))
            self._names = NpyWriter(self._work / "names.npy", np.uint8)
        except OSError as error:
            raise _output_error(error, self.folder) from error
        self._sizes, self._bond_counts, self._name_sizes = array("q"), array("q"), array("q")
        self._columns: dict[str, array[float]] = {}
        self._stated = {"charges": 0, "bonds": 0, "lattice": 0}
        self._left_out: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, structure: Structure) -> None:
        """Append one structure; numeric properties are kept, others are counted in the meta data.

        Raises:
            InputError: It has no atoms, a coordinate that is not finite, or an atomic number outside 1..118.
            OutputError: The disk is full.
        """
        self._check(structure)
        try:
            self._numbers.append(structure.numbers)
            self._positions.append(structure.positions)
            self._add_optional(structure)
            label = structure.name.encode()
            self._names.append(np.frombuffer(label, dtype=np.uint8))
        except OSError as error:
            raise _output_error(error, self.folder) from error
        for key, value in structure.properties.items():
            if isinstance(value, bool | int | float | np.number):
                column = self._columns.setdefault(key, array("d"))
                column.extend([np.nan] * (len(self) - len(column)))
                column.append(float(value))
            else:
                self._left_out[key] = self._left_out.get(key, 0) + 1
        self._sizes.append(len(structure))
        self._name_sizes.append(len(label))

    def column(self, key: str) -> NDArray[np.float64]:
        """Values of a property of the structures added so far, shape ``(n,)``, NaN where not stated."""
        values = np.full(len(self), np.nan)
        stated = np.asarray(self._columns.get(key, ()), dtype=np.float64)
        values[: len(stated)] = stated
        return values

    def finish(self, split: NDArray[np.integer], meta: Mapping[str, Any]) -> str:
        """Complete the data set and give it its final name.

        Args:
            split: 0 train, 1 valid, 2 test, shape ``(n,)``.
            meta: More entries for meta.json (source, units, citation, counts).

        Returns:
            The fingerprint.

        Raises:
            InputError: Nothing was added, or ``split`` has another length.
            OutputError: The disk is full.
        """
        if not len(self):
            raise InputError(f"no structure to pack for {self.name}", hint="see the reasons reported for each record")
        if len(split) != len(self):
            raise InputError(f"split has {len(split)} entries for {len(self)} structures")
        try:
            self._write_columns(split)
            arrays = {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in self._work.glob("*.npy")}
            sizes = np.asarray(self._sizes)
            document = {
                "format": FORMAT,
                "name": self.name,
                "fingerprint": fingerprint_of(arrays),
                "structures": len(self),
                "atoms": int(sizes.sum()),
                "splits": {key: int((split == code).sum()) for code, key in enumerate(SPLITS)},
                "elements": np.unique(arrays["numbers"]).tolist(),
                "size_histogram": {
                    key: {str(n): int(c) for n, c in enumerate(np.bincount(sizes[split == code])) if c}
                    for code, key in enumerate(SPLITS)
                },
                "property_names": list(self._columns),
                **meta,
                "not_kept": self._not_kept(),
                "arrays": {k: {"dtype": v.dtype.str, "shape": list(v.shape)} for k, v in sorted(arrays.items())},
            }
            (self._work / "meta.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            self._publish()
        except OSError as error:
            raise _output_error(error, self.folder) from error
        return str(document["fingerprint"])

    def __enter__(self) -> PackWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in (self._numbers, self._positions, self._charges, self._bonds, self._lattice, self._names):
            with suppress(OSError):
                writer.close()
        shutil.rmtree(self._work, ignore_errors=True)

    def _check(self, structure: Structure) -> None:
        if not len(structure):
            raise InputError("no atoms")
        if not (np.abs(structure.positions) < np.finfo(np.float32).max).all():  # false for nan, too
            raise InputError("a coordinate is not finite")
        if structure.numbers.min() < 1 or structure.numbers.max() > 118:
            raise InputError("an atomic number is outside 1..118")

    def _add_optional(self, structure: Structure) -> None:
        n = len(structure)
        bonds = structure.bonds if structure.bonds is not None else np.zeros((0, 3), np.int64)
        self._charges.append(structure.charges if structure.charges is not None else np.zeros(n, np.int8))
        self._bonds.append(bonds)
        self._bond_counts.append(len(bonds))
        self._lattice.append(structure.lattice if structure.lattice is not None else np.zeros((1, 3, 3)))
        for key in self._stated:
            self._stated[key] += getattr(structure, key) is not None

    def _write_columns(self, split: NDArray[np.integer]) -> None:
        self._numbers.close()
        self._positions.close()
        counts = {"": self._sizes}
        for key, writer in (("charges", self._charges), ("bonds", self._bonds), ("lattice", self._lattice)):
            writer.close()
            if self._stated[key] < len(self):
                writer.path.unlink()
            elif key == "bonds":
                counts["bond_"] = self._bond_counts
        self._names.close()
        if self._names.rows:
            counts["name_"] = self._name_sizes
        else:
            self._names.path.unlink()
        for prefix, sizes in counts.items():
            np.save(self._work / f"{prefix}offsets.npy", np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))
        np.save(self._work / "split.npy", np.asarray(split, dtype=np.uint8))
        if self._columns:
            table = np.stack([self.column(key) for key in self._columns], axis=1)
            np.save(self._work / "properties.npy", table)

    def _not_kept(self) -> dict[str, int]:
        """What some structures state and the data set does not hold, with the number of those structures."""
        partly = {key: count for key, count in self._stated.items() if 0 < count < len(self)}
        return {**partly, **{f"property {key}": count for key, count in self._left_out.items()}}

    def _publish(self) -> None:
        if not self.folder.exists():
            os.rename(self._work, self.folder)
            return
        check_free(self.folder, self.overwrite)
        aside = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.old-", dir=self.folder.parent))
        os.rename(self.folder, aside / "old")
        try:
            os.rename(self._work, self.folder)
        except OSError:
            os.rename(aside / "old", self.folder)
            raise
        shutil.rmtree(aside, ignore_errors=True)
