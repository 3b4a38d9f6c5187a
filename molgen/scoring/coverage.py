"""Coverage: how many known crystals have a sample near them, and how many samples have a known crystal near them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from molgen.scoring.controls import CONTROLS, SEED
from molgen.scoring.fingerprints import STRUCTURE, FingerprintStore, Progress, from_text
from molgen.scoring.known_crystals import KnownCrystals, known_crystals
from molgen.scoring.protocol import Row
from molgen.scoring.rates import Rate

Array = NDArray[np.float64]
FEW = 1000
"""Structures of the noise floor and of each control, and of that part of the sample that is set beside them."""
TIMEOUT = 60.0


@dataclass(frozen=True)
class CutOffs:
    """Distances up to which a fingerprint is near another, of structure and of composition."""

    structure: float
    composition: float


WIDE, TIGHT = CutOffs(0.4, 10.0), CutOffs(0.2, 4.0)
"""CDVAE's for MP-20; for Perov-5 and Carbon-24."""


def cut_offs(name: str) -> CutOffs:
    """CDVAE's cut-offs for a data set by its name; those of MP-20 for any other."""
    return TIGHT if name.lower().startswith(("perov", "carbon")) else WIDE


class Nearest:
    """Distances from each known crystal to the nearest of the samples added so far.

    Args:
        known: Fingerprints, shape ``(n, 193)``; NaN where there is none.
    """

    def __init__(self, known: NDArray[np.float32]) -> None:
        self.has: NDArray[np.bool_] = np.asarray(~np.isnan(known).any(axis=1))
        self._known = known[self.has].astype(np.float64)
        self.structure, self.composition = (np.full(len(self._known), np.inf) for _ in range(2))

    def add(self, samples: NDArray[np.float32]) -> tuple[Array, Array]:
        """Distances of samples, shape ``(k, 193)`` without NaN, to the nearest known crystal; each ``(k,)``.

        The nearest in structure and the nearest in composition may be two crystals: CDVAE takes the two minima apart.
        """
        wide = samples.astype(np.float64)
        structure = cdist(wide[:, :STRUCTURE], self._known[:, :STRUCTURE])
        composition = cdist(wide[:, STRUCTURE:], self._known[:, STRUCTURE:])
        self.structure = np.minimum(self.structure, structure.min(axis=0, initial=np.inf))
        self.composition = np.minimum(self.composition, composition.min(axis=0, initial=np.inf))
        return structure.min(axis=1, initial=np.inf), composition.min(axis=1, initial=np.inf)

    def recall(self, cut: CutOffs) -> Rate:
        """Known crystals with a sample near in structure and one near in composition, among all known crystals."""
        near = (self.structure <= cut.structure) & (self.composition <= cut.composition)
        return Rate.wilson(int(near.sum()), len(self.has))


class CoverageReference:
    """The known crystals, with held-out ones and their spoilt copies, by their fingerprints.

    Args:
        spec: What :func:`known_crystals` takes; a data set named without a split means its test split.
        workers: Processes for making fingerprints that are not kept yet.
        progress: Of making them.
    """

    def __init__(self, spec: str, workers: int = 1, progress: Progress | None = None) -> None:
        self._workers, self._progress = workers, progress
        self.known = known_crystals(spec, "test")
        self.cut = cut_offs(self.known.name)
        self.fingerprints = self._of("known", self.known, len(self.known))
        self.holdout = _holdout(self.known)

    def beside(self) -> dict[str, Rate]:
        """Recall and precision of held-out real crystals (the noise floor) and of the bad controls made of them."""
        if self.holdout is None:
            return {}
        found: dict[str, Rate] = {}
        for name in ("floor", *CONTROLS):
            samples = self._of(name, self.holdout, min(FEW, len(self.holdout)))
            nearest = Nearest(self.fingerprints)
            usable = samples[~np.isnan(samples).any(axis=1)]
            structure, composition = nearest.add(usable)
            near = (structure <= self.cut.structure) & (composition <= self.cut.composition)
            found[f"recall_{name}"] = nearest.recall(self.cut)
            found[f"precision_{name}"] = Rate.wilson(int(near.sum()), len(samples))
        return found

    def _of(self, name: str, crystals: KnownCrystals, count: int) -> NDArray[np.float32]:
        """Fingerprints of the first crystals of a set in a fixed random order, spoilt where the name says so."""
        order = np.arange(len(crystals))
        if name != "known":
            order = np.random.default_rng(SEED).permutation(order)
        path = None if crystals.folder is None else _path(crystals.folder, crystals.name, name)

        def read(start: int, stop: int) -> list[Any]:
            if name not in CONTROLS:
                return [crystals[int(place)] for place in order[start:stop]]
            spoilt = CONTROLS[name]([crystals[int(place)] for place in order[:count]])
            return spoilt[start:stop]

        key = f"{crystals.fingerprint} {crystals.name} {name} {count if name in CONTROLS else ''}".strip()
        return FingerprintStore(path, key, TIMEOUT).first(read, count, self._workers, self._progress)


def _path(folder: Path, name: str, kind: str) -> Path:
    return folder / f"fingerprints_{name.rpartition(':')[2]}_{kind}.npz"


def _holdout(known: KnownCrystals) -> KnownCrystals | None:
    """The valid split beside the test split, and the test split beside any other; None for a file."""
    name, _, split = known.name.rpartition(":")
    if known.folder is None or not name:
        return None
    return known_crystals(f"{known.folder}:{'valid' if split == 'test' else 'test'}", "test")


class Coverage:
    """What a session adds up, row by row.

    Args:
        reference: What the samples are compared with.
    """

    def __init__(self, reference: CoverageReference) -> None:
        self.reference, self.known = reference, reference.known
        self._all, self._few = Nearest(reference.fingerprints), Nearest(reference.fingerprints)

    def fill(self, rows: list[Row], prefix: str) -> None:
        """Count the rows' fingerprints, and fill in the columns that depend on the known crystals.

        Args:
            rows: Of consecutive records, in order.
            prefix: Of the columns, ``"coverage."``.
        """
        own = [row for row in rows if row.get(f"{prefix}features")]
        if not own:
            return
        samples = np.stack([from_text(str(row[f"{prefix}features"])) for row in own])
        structure, composition = self._all.add(samples)
        early = [int(row["index"] or 0) < FEW for row in own]
        self._few.add(samples[early])
        cut = self.reference.cut
        for row, near, like in zip(own, structure.tolist(), composition.tolist(), strict=True):
            row |= {
                f"{prefix}structure_distance": near,
                f"{prefix}composition_distance": like,
                f"{prefix}covered": near <= cut.structure and like <= cut.composition,
            }

    def results(self) -> dict[str, Rate]:
        """The metrics that do not follow from single rows."""
        cut = self.reference.cut
        own = {"recall": self._all.recall(cut), "recall_of_few": self._few.recall(cut)}
        return own | self.reference.beside()
