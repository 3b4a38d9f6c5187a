"""Which structures a reference consists of, and which others of the same kind are held out for the noise floor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molgen.datasets.find import open_dataset, open_structures, split_spec
from molgen.datasets.packed import PackedDataset
from molgen.errors import InputError
from molgen.io.formats import format_of
from molgen.io.smiles import GEOMETRY
from molgen.structure import Structure

SEED = 20211
REFERENCE_STRUCTURES = 20_000
HOLDOUT_STRUCTURES = 10_000
_HOLDOUT_SPLIT = {"train": "test", "valid": "test", "test": "train"}


@dataclass(frozen=True)
class Pool:
    """Structures of a reference.

    Attributes:
        name: What the reference is, such as ``qm9:train``.
        holdout_name: What is held out, such as ``qm9:test``.
        fingerprint: Of the data set, or SHA-256 of the file.
        states_bonds: Whether its structures state bonds (most of them, in a file).
        crystals: Whether they have a lattice (most of them, in a file).
        reference: At most ``REFERENCE_STRUCTURES`` structures, drawn at random; can be read once.
        holdout: At most ``HOLDOUT_STRUCTURES`` others; can be read once.
        sizes: Number of structures in ``reference`` and in ``holdout``.
        available: Number of structures that each was drawn from.
        skipped: Records of a file that could not be read or have no finite coordinates.
        notes: What a reader must know.
        folder: The data set's, for the cache; None for a file.
    """

    name: str
    holdout_name: str
    fingerprint: str
    states_bonds: bool
    crystals: bool
    reference: Iterable[Structure]
    holdout: Iterable[Structure]
    sizes: tuple[int, int]
    available: tuple[int, int]
    skipped: int = 0
    notes: tuple[str, ...] = ()
    folder: Path | None = None


def open_pool(spec: str | Path) -> Pool:
    """Structures of what a user can name.

    Args:
        spec: A packed data set: ``qm9`` and ``qm9:train`` are its train split with the test split held out,
            ``qm9:valid`` likewise; ``qm9:test`` has the train split held out, but a test split of crystals the valid
            split. Or a structure file, half of which, chosen at random with a fixed seed, is held out; so is half of a
            split where the other split is empty.

    Raises:
        MissingError: There is no such data set or file.
        InputError: It cannot be read, or holds no two structures.
    """
    path = Path(spec)
    if path.suffix == ".npy" or (path.is_dir() and not (path / "meta.json").is_file()):
        raise InputError(
            f"{path} holds no coordinates, which distributions are made of",
            hint="give a data set (--reference qm9) or a structure file as the reference",
        )
    return _file_pool(path) if path.is_file() else _dataset_pool(str(spec))


def is_scorable(structure: Structure) -> bool:
    """Whether it has atoms, all of them with finite coordinates."""
    return len(structure) > 0 and bool(np.isfinite(structure.positions).all())


def _dataset_pool(spec: str) -> Pool:
    name, split = split_spec(spec)
    split = split or "train"
    dataset = open_dataset(name)
    # The floor that papers on crystals print is validation against test.
    other = "valid" if split == "test" and "lattice" in dataset.arrays else _HOLDOUT_SPLIT[split]
    reference, holdout = dataset.indices(split), dataset.indices(other)
    holdout_name = f"{dataset.name}:{other}"
    rng = np.random.default_rng(SEED)
    if not len(holdout):
        reference, holdout = _halves(rng.permutation(reference))
        holdout_name = "the other half of the split"
    if not len(reference) or not len(holdout):
        raise InputError(f"data set {dataset.name} has no two structures in split {split}", hint="name another split")
    chosen = _drawn(rng, reference, REFERENCE_STRUCTURES), _drawn(rng, holdout, HOLDOUT_STRUCTURES)
    return Pool(
        name=f"{dataset.name}:{split}",
        holdout_name=holdout_name,
        fingerprint=dataset.fingerprint,
        states_bonds="bonds" in dataset.arrays,
        crystals="lattice" in dataset.arrays,
        reference=_structures(dataset, chosen[0]),
        holdout=_structures(dataset, chosen[1]),
        sizes=(len(chosen[0]), len(chosen[1])),
        available=(len(reference), len(holdout)),
        folder=dataset.folder,
    )


def _file_pool(path: Path) -> Pool:
    format_of(path)  # a file of an unknown kind is refused before it is hashed
    unreadable: list[str] = []
    kept, seen, unscorable = _sample(
        open_structures(path, on_error=lambda index, reason: unreadable.append(f"record {index + 1}: {reason}")),
        2 * REFERENCE_STRUCTURES,
    )
    if len(kept) < 2:
        why = f"; {unreadable[0]}" if unreadable else ""
        raise InputError(f"{path}: a reference needs at least two readable structures, this file has {len(kept)}{why}")
    reference, holdout = _halves(np.random.default_rng(SEED).permutation(len(kept)))
    chosen = [kept[k] for k in reference[:REFERENCE_STRUCTURES]], [kept[k] for k in holdout[:HOLDOUT_STRUCTURES]]
    with path.open("rb") as file:
        fingerprint = hashlib.file_digest(file, "sha256").hexdigest()
    made = sum(structure.properties.get("geometry") == GEOMETRY for structure in kept)
    return Pool(
        name=path.name,
        holdout_name="the other half of the file",
        fingerprint=fingerprint,
        states_bonds=2 * sum(structure.bonds is not None for structure in kept) > len(kept),
        crystals=2 * sum(structure.lattice is not None for structure in kept) > len(kept),
        reference=chosen[0],
        holdout=chosen[1],
        sizes=(len(chosen[0]), len(chosen[1])),
        available=(seen - seen // 2, seen // 2),
        skipped=len(unreadable) + unscorable,
        notes=(f"the reference's geometries were made from SMILES by {GEOMETRY}",) if made else (),
    )


def _halves(shuffled: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(the larger half, the other)."""
    return shuffled[len(shuffled) // 2 :], shuffled[: len(shuffled) // 2]


def _drawn(rng: np.random.Generator, indices: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most ``most`` of the indices, ascending."""
    return np.sort(rng.choice(indices, min(most, len(indices)), replace=False))


def _structures(dataset: PackedDataset, indices: NDArray[np.int64]) -> Iterator[Structure]:
    return map(dataset.structure, indices.tolist())


def _sample(structures: Iterator[Structure], most: int) -> tuple[list[Structure], int, int]:
    """(at most ``most`` scorable structures, every one as likely; how many there were; how many are not scorable).

    Algorithm R of Vitter (1985): memory does not grow with the stream.
    """
    rng = np.random.default_rng(SEED)
    kept: list[Structure] = []
    seen = unscorable = 0
    for structure in structures:
        if not is_scorable(structure):
            unscorable += 1
            continue
        seen += 1
        if len(kept) < most:
            kept.append(structure)
        elif (place := int(rng.integers(seen))) < most:
            kept[place] = structure
    return kept, seen, unscorable
