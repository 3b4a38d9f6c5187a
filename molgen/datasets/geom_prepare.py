"""Packing GEOM-Drugs: read, clean in worker processes, split by molecule, pack; nothing is ever whole in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.datasets.geom_cleaning import TOLERANCE, UNREADABLE, Cleaned, clean
from molgen.datasets.geom_pickles import EXAMINED, RawMolecule, archive_molecule
from molgen.datasets.geom_source import GeomSource, Record, open_geom
from molgen.datasets.geom_split import MOLECULES, is_published, midi_codes, read_split_files
from molgen.datasets.layout import SPLITS
from molgen.datasets.left_out import LeftOut
from molgen.datasets.packing import PackWriter
from molgen.datasets.pickle_instructions import DamagedPickleError, ForbiddenPickleError
from molgen.datasets.prepare import OnError, Prepared, Progress, prepare
from molgen.errors import InputError
from molgen.guard import Lost, thread_guard
from molgen.structure import Structure
from molgen.workers import ordered_map

CHUNK = 32
"""Molecules that a worker process gets at a time."""
SECONDS = 60.0
"""Processor time that RDKit may take for a molecule; it needs some hundredths."""
DAMAGED, UNFORESEEN, REPEATED = "damaged pickle", "the molecule cannot be used", "repeated molecule"
FAILURES = (UNREADABLE, DAMAGED, UNFORESEEN)
"""Kinds of reasons that tell of a bad record; the others are the cleaning's."""
BONDS = "those of the source, kekulised"
UNITS = {"total_energy": "Ha", "relative_energy": "kcal/mol"}
ABOUT = {
    "title": "GEOM-Drugs",
    "level": "GFN2-xTB conformers found by CREST",
    "licence": "CC0 1.0",
    "citation": "Axelrod, Gomez-Bombarelli, Scientific Data 9, 185 (2022), doi:10.1038/s41597-022-01288-4",
    "cleaning": "as in GEOM-Drugs revisited (Nikitin et al., arXiv:2505.00169): conformers that RDKit sanitises and "
    f"kekulises, in one fragment; molecules in all of whose conformers |d - (ri + rj)| <= {TOLERANCE} (ri + rj) for "
    "every bond; beyond it, no two atoms without a bond closer than the sum of their covalent radii",
}


def prepare_geom(
    path: Path,
    folder: Path,
    *,
    conformers: int = 5,
    split_files: Path | None = None,
    hydrogens: bool = True,
    overwrite: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> Prepared:
    """Pack GEOM-Drugs, with kekulised bonds and formal charges; all conformers of a molecule are in one split.

    Structures are named by GEOM's SMILES; their property ``molecule`` numbers the molecule, ``conformer`` ranks its
    conformers by energy from 0. meta.json counts what was left out in "left_out" (molecules, by reason and split) and
    "conformers".

    Args:
        path: What :func:`molgen.datasets.geom_source.open_geom` takes.
        folder: Where the data set goes; its last part is the name.
        conformers: The lowest clean conformers to keep of each molecule.
        split_files: Folder with the SMILES of each split, for the archive; see
            :func:`molgen.datasets.geom_split.read_split_files`. Without it the split is by MiDi's rule.
        hydrogens: False drops hydrogen atoms.
        overwrite: Replace an existing data set.
        workers: Processes that clean; -1 for one per core.
        progress: Called with (molecules done, an estimate of all or None).

    Raises:
        MissingError: There is no such path, or a file of it or of the split is missing.
        InputError: It is not GEOM-Drugs, is damaged or holds nothing usable; or its pickles ask for more than data.
        OutputError: The folder exists or the disk is full.
    """
    source = open_geom(path)
    if source.has_splits and split_files is not None:
        raise InputError(f"{path} has its own split", hint="leave --split-files out")
    gather = _Gather(source, None if split_files is None else read_split_files(split_files), conformers, workers)
    return prepare(
        partial(gather.structures, progress),
        folder,
        assign=partial(gather.assign, hydrogens),
        hydrogens=hydrogens,
        overwrite=overwrite,
    )


@dataclass(frozen=True)
class _Cleaner:
    """In the child process: the function that cleans."""

    conformers: int

    def __call__(self) -> Callable[[RawMolecule], Cleaned]:
        from rdkit import RDLogger

        RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
        return partial(clean, count=self.conformers)


@dataclass(frozen=True)
class CleanChunk:
    """The worker's function: reads the pickles, and has the molecules cleaned in a child that may die of one."""

    conformers: int

    def __call__(self, chunk: list[Record]) -> list[tuple[Record, Cleaned]]:
        """Each record, without its contents, and what became of it."""
        raw = [self._raw(record) for record in chunk]
        guard = thread_guard(_Cleaner(self.conformers), SECONDS)
        answers = guard.map([item for item in raw if isinstance(item, RawMolecule)])
        done: list[tuple[Record, Cleaned]] = []
        for record, item in zip(chunk, raw, strict=True):
            cleaned = _cleaned(item, next(answers)) if isinstance(item, RawMolecule) else item
            done.append((Record(record.name, b"", record.split), cleaned))
        return done

    def _raw(self, record: Record) -> RawMolecule | Cleaned:
        if isinstance(record.content, RawMolecule):
            return record.content
        try:
            return archive_molecule(record.content, max(EXAMINED, self.conformers))
        except DamagedPickleError as error:
            return Cleaned("", reason=f"{DAMAGED}: {record.name}: {error}")
        except ForbiddenPickleError as error:
            raise ForbiddenPickleError(f"{record.name}: {error}", hint=error.hint) from error


def _cleaned(raw: RawMolecule, answer: Any) -> Cleaned:
    """The child's answer, whatever happened to it."""
    if isinstance(answer, Cleaned):
        return answer
    reason = f"{UNREADABLE}: {answer.reason}" if isinstance(answer, Lost) else f"{UNFORESEEN}: {answer}"
    return Cleaned(raw.smiles, reason=reason, examined=len(raw.conformers))


class _Gather:
    """Takes what the workers give, in order, and keeps what the split and meta.json need: a SMILES per molecule."""

    def __init__(self, source: GeomSource, listed: dict[str, int] | None, conformers: int, workers: int) -> None:
        self.source, self.listed, self.conformers, self.workers = source, listed, conformers, workers
        self.numbers: dict[str, int] = {}  # of each molecule, by its SMILES
        self.splits: list[int] = []  # codes, where the source or the lists have them
        self.reasons: dict[int, str] = {}  # of the molecules that the cleaning leaves out
        self.examined, self.unlisted, self.dropped = 0, 0, Counter[str]()

    def structures(self, progress: Progress | None, on_error: OnError) -> Iterator[Structure]:
        """Clean conformers, molecule by molecule, with their number as property ``molecule``."""
        records = self.source.records(max(EXAMINED, self.conformers))
        chunks = ordered_map(CleanChunk(self.conformers), _in_chunks(records, CHUNK), self.workers)
        kept = False
        for done, (record, cleaned) in enumerate(item for chunk in chunks for item in chunk):
            for structure in self._taken(done, record, cleaned, on_error):
                kept = True
                yield structure
            if progress is not None and done % CHUNK == 0:
                progress(done + 1, round((done + 1) / self.source.read) if self.source.read else None)
        for name in self.source.too_large:
            on_error(len(self.numbers), f"{DAMAGED}: {name} is too large for one molecule")
        if self.reasons and not kept:
            counts = Counter(reason.partition(": ")[0] for reason in self.reasons.values())
            kinds = "; ".join(f"{count:,} x {kind}" for kind, count in counts.most_common())
            raise InputError(f"no molecule of {self.source.path} is clean: {kinds}")

    def _taken(self, done: int, record: Record, cleaned: Cleaned, on_error: OnError) -> Iterator[Structure]:
        self.examined += cleaned.examined
        self.dropped.update(cleaned.dropped)
        if cleaned.smiles in self.numbers:
            on_error(done, f"{REPEATED}: {cleaned.smiles} in {record.name}")
            return
        code = record.split if self.listed is None else self.listed.get(cleaned.smiles, -1)
        if code == -1 and cleaned.smiles:
            self.unlisted += 1
            return
        number = len(self.numbers)
        if cleaned.smiles:
            self.numbers[cleaned.smiles] = number
            self.splits.append(0 if code is None else code)
        if cleaned.reason.partition(": ")[0] in FAILURES:
            on_error(done, cleaned.reason)
        elif cleaned.reason:
            self.reasons[number] = cleaned.reason
        for structure in cleaned.structures:
            yield structure.replace(properties={"molecule": number, **structure.properties})

    def assign(self, hydrogens: bool, writer: PackWriter) -> tuple[NDArray[np.integer], dict[str, Any]]:
        """Split codes of the packed conformers, and what goes into meta.json."""
        codes, rule = self._codes()
        molecules = writer.column("molecule").astype(np.int64)
        kept = codes[np.unique(molecules)]
        about = {
            **ABOUT,
            "split": rule,
            "conformers": f"the {self.conformers} lowest of each molecule that are clean, "
            f"of its {max(EXAMINED, self.conformers)} lowest",
        }
        units = {key: unit for key, unit in UNITS.items() if np.isfinite(writer.column(key)).any()}
        return codes[molecules], {
            "about": about,
            "source": str(self.source.path),
            "hydrogens": hydrogens,
            "units": units,
            "bonds": BONDS,
            "molecules": {split: int((kept == code).sum()) for code, split in enumerate(SPLITS)},
            "conformers": {"examined": self.examined, "dropped": dict(self.dropped)},
            "left_out": self._left_out(codes),
        }

    def _codes(self) -> tuple[NDArray[np.int8], str]:
        """Split code of each molecule, and the rule in words."""
        if self.source.has_splits:
            return np.array(self.splits, dtype=np.int8), "by molecule, as in the pickles of the source (MiDi family)"
        if self.listed is not None:
            lacking = len(self.listed) - len(self.numbers)
            return np.array(self.splits, dtype=np.int8), (
                f"by molecule, from lists of {len(self.listed):,} SMILES, {lacking:,} of which the source lacks; "
                f"{self.unlisted:,} molecules of the source are in no list and left out"
            )
        codes = midi_codes(list(self.numbers))
        if is_published(self.numbers):
            return codes, "by molecule, the MiDi family's published split (its rule, and its very molecules)"
        return codes, (
            f"by molecule, 80/10/10 by MiDi's rule over the {len(self.numbers):,} molecules of this source; it is NOT "
            f"the published split, which is over {MOLECULES:,} molecules (--split-files takes its lists)"
        )

    def _left_out(self, codes: NDArray[np.int8]) -> dict[str, Any]:
        left_out, smiles = LeftOut(), list(self.numbers)
        for number, reason in self.reasons.items():
            left_out.add(SPLITS[codes[number]], smiles[number], reason)
        return left_out.meta()


def _in_chunks(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    stream = iter(records)
    while chunk := list(islice(stream, size)):
        yield chunk
