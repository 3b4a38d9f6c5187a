"""From any source to a packed data set: counts what is skipped and why, splits, packs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.datasets.packing import PackWriter
from molgen.errors import InputError
from molgen.io.records import Skipped
from molgen.structure import Structure
from molgen.workers import ordered_map

BATCH = 256
"""Structures that a worker process gets at a time."""
FRACTIONS = (0.8, 0.1, 0.1)
"""Parts for train, valid and test where nothing else is asked for."""
Progress = Callable[[int, int | None], None]
OnError = Callable[[int, str], None]
Source = Callable[[OnError], Iterable[Any]]
"""Called with what to tell of each unreadable record (its number from 0, "kind: detail"); yields the others, as
structures or as whatever ``Work`` takes."""


Work = Callable[[Any], Any]
"""A function of one item of a source alone, which may be called in another process."""
Select = Callable[[Any], Structure | str | None]
"""What to pack for a structure (or for what ``Work`` gave for it), called in their order: the structure or a changed
copy, None to leave it out on purpose, or why it cannot be used."""


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
    structures: Source,
    folder: Path,
    *,
    assign: Callable[[PackWriter], tuple[NDArray[np.integer], dict[str, Any]]],
    work: Work | None = None,
    select: Select | None = None,
    hydrogens: bool = True,
    overwrite: bool = False,
    workers: int = 1,
    total: int | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Pack what a source yields.

    Args:
        structures: Where the structures come from.
        folder: Where the data set goes; its last part is the name.
        assign: Called when all structures are added; gives their split codes and more entries for meta.json.
        work: What to do with each structure first; its result goes to ``select``.
        select: Which structures to pack; all of them by default.
        hydrogens: False drops hydrogen atoms.
        overwrite: Replace an existing data set.
        workers: Processes for ``work``; -1 for one per core.
        total: Structures to expect, for the progress report.
        progress: Called with (done, total).

    Raises:
        InputError: The source holds nothing usable.
        OutputError: The folder exists or the disk is full.
    """
    skipped, unreadable = Skipped(), Skipped()

    def on_error(record: int, reason: str) -> None:
        unreadable.add(record, reason)
        skipped.add(record, reason)

    with PackWriter(folder, name=folder.name, overwrite=overwrite) as writer:
        numbered = ((index + unreadable.total, s) for index, s in enumerate(structures(on_error)))
        for index, (record, item) in enumerate(numbered if work is None else _worked(work, numbered, workers)):
            if reason := _pack(writer, item, select, hydrogens):
                skipped.add(record, reason)
            if progress is not None and index % 256 == 0:
                progress(index + 1, total)
        if progress is not None:
            progress(len(writer), len(writer))
        codes, meta = assign(writer)
        if not len(writer):
            raise InputError(f"nothing to pack for {folder.name}: {_reasons(skipped)}")
        notes = {"total": skipped.total, "reasons": dict(skipped.counts), "examples": list(skipped.examples.values())}
        fingerprint = writer.finish(codes, {**meta, "skipped": notes})
        return Prepared(folder, fingerprint, len(writer), skipped)


Numbered = tuple[int, Any]


def _worked(work: Work, numbered: Iterator[Numbered], workers: int) -> Iterator[Numbered]:
    batches = iter(lambda: list(islice(numbered, BATCH)), [])
    for batch in ordered_map(partial(_work_all, work), batches, workers):
        yield from batch


def _work_all(work: Work, batch: list[Numbered]) -> list[Numbered]:
    return [(record, work(structure)) for record, structure in batch]


def _pack(writer: PackWriter, item: Any, select: Select | None, hydrogens: bool) -> str | None:
    """Add a structure, or say why not ("kind: detail")."""
    selected = item if select is None else select(item)
    if not isinstance(selected, Structure):
        return selected
    try:
        writer.add(selected if hydrogens else selected.without_hydrogens())
    except InputError as error:
        return f"{error}: {selected.name or 'without a name'}"
    return None


def _reasons(skipped: Skipped) -> str:
    if not skipped.total:
        return "the source is empty"
    return f"all {skipped.total} records were skipped: {'; '.join(skipped.lines())}"
