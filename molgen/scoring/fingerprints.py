"""Fingerprints of crystals as CDVAE compares them: as text in a row, as arrays, and kept beside a data set."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molgen.chemistry import magpie, site_fingerprint
from molgen.guard import thread_guard
from molgen.structure import Structure
from molgen.workers import ordered_map

VERSION = "crystalnn-ops-61+magpie-132-1"
STRUCTURE, ALL = site_fingerprint.FEATURES, site_fingerprint.FEATURES + magpie.FEATURES
"""The first 61 numbers are the structure's, the other 132 the composition's, scaled."""
BATCH = 25
SAVED_EVERY = 200
"""Fingerprints after which those made so far are written: a long job loses no more."""
Progress = Callable[[int, int | None], None]


def fingerprint(structure: Structure) -> NDArray[np.float32]:
    """Structure's and scaled composition's features of a crystal, shape ``(193,)``; raises what pymatgen raises."""
    composition = magpie.scaled_features(structure.numbers.tolist())
    return np.concatenate([site_fingerprint.site_fingerprint(structure), composition]).astype(np.float32)


def to_text(values: NDArray[np.float32]) -> str:
    """Base64 of the numbers, little-endian."""
    return b64encode(values.astype("<f4").tobytes()).decode("ascii")


def from_text(text: str) -> NDArray[np.float32]:
    """Undo ``to_text``; raises ValueError for anything else."""
    try:
        values = np.frombuffer(b64decode(text, validate=True), "<f4")
    except Base64Error as error:
        raise ValueError(f"not base64: {error}") from error
    if values.shape != (ALL,):
        raise ValueError(f"{len(values)} numbers, not {ALL}")
    return values.astype(np.float32)


class FingerprintStore:
    """Fingerprints of the first crystals of a fixed sequence; made when asked for, and kept in a file.

    Args:
        path: The file; None keeps nothing.
        key: What the sequence is made from; a file of another key is made again.
        timeout: Seconds of processor time per crystal.
    """

    def __init__(self, path: Path | None, key: str, timeout: float) -> None:
        self.path, self.key, self.timeout = path, key, timeout
        self._values = self._load()

    def first(
        self,
        crystals: Callable[[int, int], Sequence[Structure]],
        count: int,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """Fingerprints of the first ``count``, shape ``(count, 193)``; NaN where there is none.

        Args:
            crystals: Those from one number up to another.
            count: How many.
            workers: Processes.
            progress: Called with (made, count).
        """
        made = [self._values]
        done = saved = len(self._values)
        if done < count:
            missing = crystals(done, count)
            parts = (list(missing[k : k + BATCH]) for k in range(0, len(missing), BATCH))
            for part in ordered_map(_Fingerprints(self.timeout), parts, workers):
                made.append(part)
                done += len(part)
                if progress is not None:
                    progress(done, count)
                if done - saved >= SAVED_EVERY or done == count:
                    self._values, saved = np.concatenate(made), done
                    made = [self._values]
                    self._save()
        return self._values[:count]

    def _load(self) -> NDArray[np.float32]:
        empty = np.zeros((0, ALL), np.float32)
        if self.path is None:
            return empty
        try:
            with np.load(self.path, allow_pickle=False) as file:
                if json.loads(str(file["about"])) == [VERSION, self.key]:
                    return np.asarray(file["values"], np.float32).reshape(-1, ALL)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):  # torn or not there
            pass
        return empty

    def _save(self) -> None:
        if self.path is None:
            return
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        with suppress(OSError):  # a data set on a full or read-only disk is used all the same
            with temporary.open("wb") as file:
                np.savez_compressed(file, about=np.array(json.dumps([VERSION, self.key])), values=self._values)
            temporary.replace(self.path)


class _Fingerprints:
    """The worker's function of several crystals."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout

    def __call__(self, crystals: list[Structure]) -> NDArray[np.float32]:
        answers = thread_guard(_maker, self.timeout).map(crystals)
        return np.stack([a if isinstance(a, np.ndarray) else np.full(ALL, np.nan, np.float32) for a in answers])


def _maker() -> Callable[[Structure], NDArray[np.float32]]:
    return fingerprint
