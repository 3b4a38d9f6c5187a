"""The distributions that structures are compared with: a reference, its noise floor and its bad control."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rdkit
from numpy.typing import NDArray

from molgen.chemistry.perception import check_source
from molgen.chemistry.tables import TABLE
from molgen.errors import InputError
from molgen.scoring.distributions.histograms import Sums
from molgen.scoring.distributions.measure import JITTER, Answer, measured
from molgen.scoring.distributions.metrics import CRYSTALS
from molgen.scoring.distributions.pools import SEED, Pool, open_pool
from molgen.scoring.distributions.table import FeatureTable
from molgen.structure import Structure

CRYSTAL_CONTROL = "atoms anywhere in their cells, elements shuffled among 200 crystals"
VERSION = "distributions-1"
"""Of the metrics, their bins and the choice of structures."""
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class DistributionReference:
    """A reference.

    Attributes:
        bonds: Bond source of the reference; ``features`` of the structures compared with it should use the same.
        sums: Over the reference structures.
        holdout: Structures of the same kind, for the noise floor.
        control: The same structures spoilt.
        description: What it was made from, ready for JSON; equal descriptions mean equal references.
        notes: What a reader must know.
    """

    bonds: str
    sums: Sums
    holdout: FeatureTable
    control: FeatureTable
    description: dict[str, Any]
    notes: tuple[str, ...] = ()

    @classmethod
    def open(
        cls, spec: str | Path, bonds: str = "auto", *, workers: int = 1, progress: Progress | None = None
    ) -> DistributionReference:
        """Reference from what a user can name; made once for a data set, in whose folder it is kept.

        Args:
            spec: A packed data set, one split of it, or a structure file; see ``pools.open_pool``.
            bonds: Bond source asked for. ``auto`` and ``file`` mean the bonds that the reference states; where it
                states none they mean ``lookup``, for the reference and for what is compared with it.
            workers: Processes for measuring.
            progress: Called with (structures measured, all).

        Raises:
            MissingError: There is no such data set or file, or the bond source needs a package that is not installed.
            InputError: The reference cannot be read or has no structure with bonds.
            ConfigError: There is no such bond source.
        """
        check_source(bonds)
        pool = open_pool(spec)
        asked, notes = bonds, pool.notes
        if pool.crystals:
            bonds = CRYSTALS
        elif asked in ("auto", "file"):
            bonds = "file" if pool.states_bonds else "lookup"
        if asked == "file" and bonds == "lookup":
            notes += (f"{pool.name} states no bonds: both sides have those of the lookup, whatever the files state",)
        description = _describe(str(spec), pool, bonds)
        cache = None if pool.folder is None else _cache_path(pool, bonds)
        arrays = None if cache is None else _load(cache, description)
        if arrays is not None:
            made = cls._from_arrays(arrays, description, notes)
        else:
            made = cls._measure(pool, description, notes, workers, progress)
            if cache is not None:
                _save(cache, made._to_arrays())
        if not made.sums.n or not made.holdout.usable.any():
            raise InputError(f"{spec} has no structure whose bonds are known by {bonds!r}", hint="--bonds lookup")
        return made

    def draw(self, n: int) -> NDArray[np.int64]:
        """Rows of ``n`` held-out structures at random (always the same for the same ``n``), or of all if fewer."""
        usable = np.flatnonzero(self.holdout.usable)
        return np.random.default_rng([SEED, n]).permutation(usable)[:n]

    @classmethod
    def _measure(
        cls, pool: Pool, description: dict[str, Any], notes: tuple[str, ...], workers: int, progress: Progress | None
    ) -> DistributionReference:
        bonds, total = description["bonds"], sum(pool.sizes)

        def run(structures: Iterable[Structure], jittered: bool, before: int) -> Iterable[tuple[Answer, Answer]]:
            step = None if progress is None else (lambda done: progress(before + done, total))
            return measured(structures, bonds, jittered, workers, step)

        sums = Sums()
        for answer, _ in run(pool.reference, False, 0):
            if answer is None:
                sums.add_lost()
            else:
                sums.add(answer)
        plain, moved = zip(*run(pool.holdout, True, pool.sizes[0]), strict=True)
        holdout, control = FeatureTable.of(plain, bonds), FeatureTable.of(moved, bonds)
        return cls(bonds, sums, holdout, control, description, notes)

    def _to_arrays(self) -> dict[str, NDArray]:
        parts = {
            "reference": self.sums.to_arrays(),
            "holdout": self.holdout.to_arrays(),
            "control": self.control.to_arrays(),
        }
        arrays = {f"{part}/{key}": array for part, held in parts.items() for key, array in held.items()}
        return arrays | {"description": np.array(json.dumps(self.description))}

    @classmethod
    def _from_arrays(
        cls, arrays: dict[str, NDArray], description: dict[str, Any], notes: tuple[str, ...]
    ) -> DistributionReference:
        parts: dict[str, dict[str, NDArray]] = {"reference": {}, "holdout": {}, "control": {}, "description": {}}
        for key, array in arrays.items():
            part, _, rest = key.partition("/")
            parts[part][rest] = array
        bonds = description["bonds"]
        holdout, control = (FeatureTable.from_arrays(parts[part], bonds) for part in ("holdout", "control"))
        return cls(bonds, Sums.from_arrays(parts["reference"]), holdout, control, description, notes)


def _describe(spec: str, pool: Pool, bonds: str) -> dict[str, Any]:
    return {
        "spec": spec,
        "name": pool.name,
        "holdout": pool.holdout_name,
        "fingerprint": pool.fingerprint,
        "bonds": bonds,
        "version": VERSION,
        "lookup_table": TABLE,
        "rdkit": rdkit.__version__,
        "structures": pool.sizes[0],
        "structures_available": pool.available[0],
        "holdout_structures": pool.sizes[1],
        "holdout_available": pool.available[1],
        "skipped": pool.skipped,
        "seed": SEED,
        **({"control": CRYSTAL_CONTROL} if pool.crystals else {"jitter": JITTER}),
    }


def _cache_path(pool: Pool, bonds: str) -> Path:
    assert pool.folder is not None
    return pool.folder / f"distributions_{pool.name.rpartition(':')[2]}_{bonds}.npz"


def _load(path: Path, description: dict[str, Any]) -> dict[str, NDArray] | None:
    """Arrays of a cached reference; None where there are none, or of another reference."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = json.loads(str(file["description"]))
            is_same = {**found, "spec": description["spec"]} == description
            return {key: file[key] for key in file.files} if is_same else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):  # torn or not there: made again
        return None


def _save(path: Path, arrays: dict[str, NDArray]) -> None:
    """Write in one step; a data set on a full or read-only disk is used all the same."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
