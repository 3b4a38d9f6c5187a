"""A list of SMILES as a data set of 3D structures: embedded in worker processes, resumable, split by molecule."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import rdBase

from molgen.chemistry.embedding import ENERGY, Embedded, embed
from molgen.datasets.layout import SPLITS
from molgen.datasets.packing import PackWriter, check_free
from molgen.datasets.prepare import OnError, Prepared, Progress, prepare
from molgen.datasets.smiles_list import SmilesList
from molgen.datasets.smiles_plan import Plan
from molgen.datasets.smiles_store import SmilesStore
from molgen.guard import Lost, thread_guard
from molgen.structure import Structure
from molgen.workers import ordered_map

SECONDS = 60.0
"""Processor time that a molecule may take; those of GEOM-Drugs take 0.04 on average."""
UNFORESEEN = "the molecule cannot be used"
GEOMETRY = "ETKDGv3 + MMFF94s, not DFT"
BONDS = "those of the SMILES, kekulised"


def store_of(folder: Path) -> SmilesStore:
    """Where the molecules of an unfinished data set are kept: a hidden folder beside it."""
    return SmilesStore(folder.parent / f".{folder.name}.embedding")


def prepare_smiles(
    path: Path,
    folder: Path,
    *,
    fractions: tuple[float, float, float] | None = None,
    seed: int = 0,
    conformers: int = 1,
    limit: int | None = None,
    hydrogens: bool = True,
    overwrite: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> Prepared:
    """Embed a list of SMILES (:func:`molgen.chemistry.embedding.embed`) and pack it with kekulised bonds and charges.

    Structures are named by their canonical SMILES; their property ``molecule`` numbers the molecule, ``conformer``
    ranks its conformers by energy from 0. All conformers of a molecule are in one split. A molecule that occurs again,
    by its canonical SMILES, is packed once. Finished chunks are kept in :func:`store_of` until the data set is
    complete; the same call goes on with them.

    Args:
        path: What :class:`molgen.datasets.smiles_list.SmilesList` takes.
        folder: Where the data set goes; its last part is the name.
        fractions: Parts for train, valid and test of a random split (``prepare.FRACTIONS`` if not given), for a
            list without splits.
        seed: Of the random split, of ``limit`` and of the geometries.
        conformers: How many to embed of each molecule.
        limit: Take so many of the molecules, at random.
        hydrogens: False drops hydrogen atoms, after the relaxation.
        overwrite: Replace an existing data set, and discard one that was begun with other settings.
        workers: Processes; -1 for one per core. They do not change the result.
        progress: Called with (molecules done, of all).

    Raises:
        MissingError: There is no such path.
        InputError: It cannot be read or holds nothing usable, has its own split against ``fractions``, or another data
            set of this name was begun.
        OutputError: The folder exists or the disk is full.
    """
    check_free(folder, overwrite)
    plan, store = Plan(SmilesList(path), fractions, seed, limit), store_of(folder)
    settings = {"list": plan.digest, "seed": seed, "conformers": conformers, "RDKit": rdBase.rdkitVersion}
    store.begin(settings, restart=overwrite)
    _embed_all(plan, EmbedChunk(store, conformers, seed), workers, progress)
    gather = _Gather(plan, store)

    def assign(writer: PackWriter) -> tuple[NDArray[np.int8], dict[str, Any]]:
        about = {
            "title": folder.name,
            "geometry": f"{GEOMETRY} (RDKit {rdBase.rdkitVersion}, seed {seed})",
            "conformers": f"up to {conformers} of each molecule, by rising MMFF94s energy",
            "split": plan.rule,
        }
        meta = {"about": about, "source": str(path), "hydrogens": hydrogens, "units": {ENERGY: "eV"}, "bonds": BONDS}
        codes, molecules = gather.codes(writer)
        return codes, {**meta, "molecules": molecules, "repeated": plan.repeated.meta()}

    made = prepare(gather.structures, folder, assign=assign, hydrogens=hydrogens, overwrite=overwrite)
    store.remove()
    return made


@dataclass(frozen=True)
class _Embedder:
    """In the child process: the function that embeds."""

    conformers: int
    seed: int

    def __call__(self) -> Callable[[str], Embedded]:
        return partial(embed, conformers=self.conformers, seed=self.seed)


@dataclass(frozen=True)
class EmbedChunk:
    """The worker's function: has the molecules embedded in a child that may die of one, and stores them.

    Attributes:
        store: Where to.
        conformers: How many to embed of each molecule.
        seed: Of the geometries.
        seconds: Processor time that a molecule may take.
    """

    store: SmilesStore
    conformers: int
    seed: int
    seconds: float = SECONDS

    def __call__(self, chunk: tuple[int, list[str]]) -> int:
        """Number of molecules done."""
        number, smiles = chunk
        guard = thread_guard(_Embedder(self.conformers, self.seed), self.seconds)
        self.store.write(number, [_embedded(answer) for answer in guard.map(smiles)])
        return len(smiles)


def _embedded(answer: Any) -> Embedded:
    """The child's answer, whatever happened to it."""
    if isinstance(answer, Embedded):
        return answer
    return Embedded("", reason=answer.reason if isinstance(answer, Lost) else f"{UNFORESEEN}: {answer}")


def _embed_all(plan: Plan, function: EmbedChunk, workers: int, progress: Progress | None) -> None:
    """Embed what the store lacks."""
    has = [function.store.has(number) for number in range(len(plan.chunk_sizes()))]
    done = sum(size for size, is_there in zip(plan.chunk_sizes(), has, strict=True) if is_there)
    todo = (chunk for chunk in plan.chunks() if not has[chunk[0]])
    for count in ordered_map(function, todo, workers):
        done += count
        if progress is not None:
            progress(done, len(plan))


class _Gather:
    """Reads the stored molecules in the order of the list, and keeps what the split and meta.json need."""

    def __init__(self, plan: Plan, store: SmilesStore) -> None:
        self.plan, self.store = plan, store
        self._codes = array("b")  # of each molecule

    def structures(self, on_error: OnError) -> Iterator[Structure]:
        """All conformers, molecule by molecule; tells of those that have none."""
        chunks = range(len(self.plan.chunk_sizes()))
        molecules = (molecule for number in chunks for molecule in self.store.read(number))
        records = zip(self.plan, self.plan.codes.tolist(), molecules, strict=True)
        for record, (line, code, molecule) in enumerate(records):
            if molecule.reason:
                kind, _, detail = molecule.reason.partition(": ")
                on_error(record, f"{kind}: {line.place}, {line.smiles[:80]}: {detail}")
            elif self.plan.repeated.is_first(molecule.smiles, code, line):
                yield from self._conformers(molecule, code)

    def _conformers(self, molecule: Embedded, code: int) -> Iterator[Structure]:
        number = len(self._codes)
        self._codes.append(code)
        for rank, structure in enumerate(molecule.structures):
            yield structure.replace(properties={"molecule": number, "conformer": rank, **structure.properties})

    def codes(self, writer: PackWriter) -> tuple[NDArray[np.int8], dict[str, int]]:
        """Split code of each packed structure, and the number of molecules in each split."""
        codes = np.array(self._codes, dtype=np.int8)
        molecules = writer.column("molecule").astype(np.int64)
        kept = codes[np.unique(molecules)]
        return codes[molecules], {split: int((kept == code).sum()) for code, split in enumerate(SPLITS)}
