"""Packing crystals from any source: Niggli cells, space groups, published splits, and a count of what is left out."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.chemistry.unit_cell import TOLERANCE
from molgen.datasets.crystal_cleaning import RULE, SPACE_GROUP, UNFIT, CleanCrystal, clean
from molgen.datasets.crystal_sets import UNITS, CrystalSet
from molgen.datasets.crystal_source import CrystalSource
from molgen.datasets.layout import SPLITS
from molgen.datasets.left_out import NO_SPLIT, LeftOut, left_out_lines
from molgen.datasets.packing import PackWriter, check_free
from molgen.datasets.prepare import FRACTIONS, Prepared, Progress, prepare, random_split
from molgen.errors import InputError
from molgen.structure import Structure

CELL = "Niggli-reduced, right-handed, c along z, a in the plane of x and z, atoms inside"


def prepare_crystals(
    path: Path,
    folder: Path,
    *,
    published: CrystalSet | None = None,
    origin: str | None = None,
    fractions: tuple[float, float, float] | None = None,
    seed: int = 0,
    overwrite: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> Prepared:
    """Pack crystals in their Niggli cells, with the space group at 0.1 angstrom as property ``spacegroup``.

    Crystals that are not fit for use (``crystal_cleaning.UNFIT``) are counted by reason and split in meta.json under
    "left_out"; records that cannot be read are skipped.

    Args:
        path: What :class:`molgen.datasets.crystal_source.CrystalSource` takes.
        folder: Where the data set goes; its last part is the name.
        published: The set that the source is a copy of; its split must be that of the source.
        origin: What meta.json calls the source; ``path`` by default.
        fractions: Parts for train, valid and test of a random split (``prepare.FRACTIONS`` if not given), for a source
            without splits.
        seed: Of the random split.
        overwrite: Replace an existing data set.
        workers: Processes that read and reduce; -1 for one per core. They do not change the result.
        progress: Called with (done, total or None).

    Raises:
        MissingError: There is no such path.
        InputError: It holds nothing usable, or has its own split against ``fractions``, or none and is published.
        OutputError: The folder exists or the disk is full.
    """
    check_free(folder, overwrite)
    if fractions is not None:
        random_split(0, fractions, seed)
    source, gather = CrystalSource(path), _Gather(published, fractions, seed)
    by_name = published is not None

    def assign(writer: PackWriter) -> tuple[NDArray[np.integer], dict[str, Any]]:
        if not len(writer) and gather.left_out.total:
            lines = "; ".join(line.strip() for line in left_out_lines(gather.meta()))
            raise InputError(f"nothing to pack for {folder.name}: {lines}")
        codes, rule = gather.codes(str(path))
        about = {"title": published.title if published else folder.name, **(published.about if published else {})}
        known = {key: unit for key, unit in UNITS.items() if np.isfinite(writer.column(key)).any()}
        return codes, {
            "about": {**about, "split": rule, "cell": CELL, "rule": RULE},
            "source": origin or str(path),
            "hydrogens": True,
            "units": known | {SPACE_GROUP: f"at {TOLERANCE:g} A"},
            **gather.meta(codes),
        }

    return prepare(
        lambda _: source.records(by_name),
        folder,
        assign=assign,
        work=clean,
        select=gather,
        overwrite=overwrite,
        workers=workers,
        total=None if published is None else gather.expected_total([code for _, code in source.parts]),
        progress=progress,
    )


class _Gather:
    """Takes the cleaned crystals in order; keeps what the split and meta.json need."""

    def __init__(self, published: CrystalSet | None, fractions: tuple[float, float, float] | None, seed: int) -> None:
        self.published, self.fractions, self.seed = published, fractions, seed
        self.left_out = LeftOut()
        self._codes = array("b")  # of each packed crystal; -1 where the source says none
        self._unreadable = np.zeros(len(SPLITS), np.int64)

    def __call__(self, item: CleanCrystal) -> Structure | str | None:
        if item.structure is not None:
            self._codes.append(-1 if item.split is None else item.split)
            return item.structure
        if item.reason.partition(": ")[0] in UNFIT:
            self.left_out.add(NO_SPLIT if item.split is None else SPLITS[item.split], item.name, item.reason)
            return None
        if item.split is not None:
            self._unreadable[item.split] += 1
        return item.reason

    def expected_total(self, codes: list[int | None]) -> int | None:
        """Rows of the published splits that the source has; None where it does not say by names."""
        if self.published is None or None in codes:
            return None
        return sum(self.published.counts[SPLITS[code]] for code in codes if code is not None)

    def codes(self, path: str) -> tuple[NDArray[np.int8], str]:
        """Split code of each packed crystal, and the rule in words; raises InputError where the two do not fit."""
        codes = np.array(self._codes, dtype=np.int8)
        stated = int((codes >= 0).sum())
        if stated < len(codes) and (stated or self.published):
            raise InputError(
                f"{path} does not say the split of {len(codes) - stated:,} of {len(codes):,} crystals",
                hint="give a folder with one file for each of train, val and test (mp20_train.npz, val.csv.gz, ...), "
                "or a column split",
            )
        if stated and self.fractions is not None:
            raise InputError(f"{path} has its own split", hint="leave --split out")
        if stated or not len(codes):
            return codes, self._stated_rule(codes)
        fractions = self.fractions or FRACTIONS
        rule = f"random, {'/'.join(f'{fraction:g}' for fraction in fractions)}, seed {self.seed}"
        return random_split(len(codes), fractions, self.seed), rule

    def _stated_rule(self, codes: NDArray[np.int8]) -> str:
        rule = "as published" if self.published else "as in the source"
        if absent := [split for code, split in enumerate(SPLITS) if not (codes == code).any()]:
            rule += f"; this source has no {' split and no '.join(absent)} split"
        return rule

    def meta(self, codes: NDArray[np.integer] | None = None) -> dict[str, Any]:
        """Entries of meta.json: the kind, what was left out, and with ``codes`` what a published set lacks."""
        counts: dict[str, Any] = {"kind": "crystals", "left_out": self.left_out.meta()}
        if self.published is None or codes is None:
            return counts
        expected = dict(self.published.counts)
        seen = {
            split: int((codes == code).sum()) + self.left_out.in_split(split) + int(self._unreadable[code])
            for code, split in enumerate(SPLITS)
        }
        return counts | {"expected": expected, "missing": {s: expected[s] - seen[s] for s in SPLITS}}
