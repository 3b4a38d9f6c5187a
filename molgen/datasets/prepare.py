"""From any source to a packed data set: counts what is skipped and why, splits, packs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.datasets.packing import PackWriter
from molgen.errors import InputError
from molgen.structure import Structure

Progress = Callable[[int, int | None], None]
OnError = Callable[[int, str], None]
KEPT_EXAMPLES = 20


@dataclass
class Skipped:
    """Records that did not make it, counted by reason, with the first few by number."""

    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, record: int, reason: str, kind: str | None = None) -> None:
        """Count record number ``record`` (from 0) under ``kind``, or under the reason up to its first colon."""
        self.reasons[kind or reason.partition(":")[0].strip()] += 1
        if len(self.examples) < KEPT_EXAMPLES:
            self.examples.append(f"record {record + 1}: {reason}")

    @property
    def total(self) -> int:
        return self.reasons.total()


@dataclass(frozen=True)
class Prepared:
    """What :func:`prepare` made: the folder, its fingerprint, and what was skipped."""

    folder: Path
    fingerprint: str
    structures: int
    skipped: Skipped


def random_split(n: int, fractions: tuple[float, float, float], seed: int) -> NDArray[np.int8]:
    """Codes 0 train, 1 valid, 2 test of ``n`` structures in random order; train takes what rounding leaves.

    Raises:
        InputError: The fractions are negative or do not add up to one.
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise InputError(
            f"split {'/'.join(f'{f:g}' for f in fractions)} does not add up to 1", hint="for example 0.8/0.1/0.1"
        )
    valid, test = (round(fraction * n) for fraction in fractions[1:])
    codes = np.repeat(np.array([0, 1, 2], dtype=np.int8), [n - valid - test, valid, test])
    return np.random.default_rng(seed).permutation(codes)


def prepare(
    structures: Callable[[OnError], Iterable[Structure]],
    folder: Path,
    *,
    name: str,
    assign: Callable[[PackWriter], tuple[NDArray[np.integer], dict[str, Any]]],
    hydrogens: bool = True,
    overwrite: bool = False,
    total: int | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Pack what a source yields.

    Args:
        structures: Called with an error callback; yields the structures.
        folder: Where the data set goes.
        name: Its name.
        assign: Called when all structures are added; gives their split codes and more entries for meta.json.
        hydrogens: False drops hydrogen atoms.
        overwrite: Replace an existing data set.
        total: Structures to expect, for the progress report.
        progress: Called with (done, total).

    Raises:
        InputError: The source holds nothing usable.
        OutputError: The folder exists or the disk is full.
    """
    skipped = Skipped()
    with PackWriter(folder, name=name, overwrite=overwrite) as writer:
        for index, structure in enumerate(_heavy(structures(skipped.add), hydrogens)):
            try:
                writer.add(structure)
            except InputError as error:
                skipped.add(index, f"{error} ({structure.name})" if structure.name else str(error), str(error))
            if progress is not None and index % 256 == 0:
                progress(index + 1, total)
        if progress is not None:
            progress(len(writer), len(writer))
        if not len(writer):
            raise InputError(f"nothing to pack for {name}: {_reasons(skipped)}")
        notes = {"total": skipped.total, "reasons": dict(skipped.reasons), "examples": skipped.examples}
        codes, meta = assign(writer)
        fingerprint = writer.finish(codes, {**meta, "skipped": notes})
        return Prepared(folder, fingerprint, len(writer), skipped)


def _heavy(structures: Iterable[Structure], hydrogens: bool) -> Iterator[Structure]:
    for structure in structures:
        yield structure if hydrogens else structure.without_hydrogens()


def _reasons(skipped: Skipped) -> str:
    if not skipped.total:
        return "the source is empty"
    counts = ", ".join(f"{count} x {reason}" for reason, count in skipped.reasons.most_common())
    return f"all {skipped.total} records were skipped ({counts}); first, {skipped.examples[0]}"
