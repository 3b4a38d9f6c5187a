"""Known crystals, found by composition or by name: what novelty and prediction are measured against."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from molgen.chemistry.composition import Composition, reduced_composition
from molgen.datasets.find import is_dataset_name, is_folder_of_files, open_dataset, split_spec
from molgen.datasets.labels import distinct_labels
from molgen.datasets.packed import PackedDataset
from molgen.errors import InputError
from molgen.structure import Structure


@dataclass
class KnownCrystals:
    """A set of crystals, each read when it is asked for.

    Attributes:
        name: What it was made from, such as ``mp20:test``.
        fingerprint: Of the data set, or SHA-256 of the file.
        names: Name of each crystal.
        labels: The same without spaces and all different: where names are equal or empty, the place is added.
        folder: The data set's, for what is kept beside it; None for a file.
        unusable: Records that could not be read, have no lattice or no atoms; they are not members.
    """

    name: str
    fingerprint: str
    names: list[str]
    unusable: int
    folder: Path | None
    _read: Callable[[int], Structure] = field(repr=False)
    _places: dict[Composition, list[int]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, place: int) -> Structure:
        return self._read(place)

    def __post_init__(self) -> None:
        self.labels = distinct_labels(self.names)
        self._of_name = {label: place for place, label in enumerate(self.labels)}
        self._of_name |= {name: place for place, name in reversed(list(enumerate(self.names)))}

    def with_composition(self, composition: Composition) -> list[int]:
        """Places of the crystals with a reduced composition, ascending."""
        return self._places.get(composition, [])

    def place_of(self, name: str) -> int | None:
        """Place of the first crystal with a name or label, or None."""
        return self._of_name.get(name) if name else None

    def describe(self) -> dict[str, Any]:
        """For the summary."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "table": "crystals",
            "distinct": len(self),
            "structures": len(self) + self.unusable,
            "unusable": self.unusable,
        }


@cache
def known_crystals(spec: str, split: str) -> KnownCrystals:
    """The crystals that a user names; kept, so that every protocol of a process shares them.

    Args:
        spec: A packed data set, with or without a split (``mp20``, ``mp20:test``), or a file or folder.
        split: The split that is meant where a data set is named without one.

    Raises:
        MissingError: There is no such data set or file.
        InputError: It cannot be read, or holds no crystal.
    """
    found = _from_dataset(spec, split) if is_dataset(spec) else _from_files(Path(spec))
    if not len(found):
        raise InputError(
            f"{spec} holds no crystal", hint="name a data set of crystals, such as mp20, or a file of them"
        )
    return found


def is_dataset(spec: str) -> bool:
    """Whether a user means a packed data set or a split of one, and not a file or folder of files."""
    path = Path(spec)
    return not path.is_file() and (not is_folder_of_files(path) or is_dataset_name(spec))


def known_splits(spec: str, dataset: PackedDataset) -> list[str]:
    """The splits that are known before the test split: the one named, else train and valid where they hold anything."""
    asked = split_spec(spec)[1]
    return [asked] if asked else [split for split in ("train", "valid") if len(dataset.indices(split))]


def known_before(spec: str) -> list[KnownCrystals]:
    """Sets of crystals that novelty of genes is measured against; see :func:`known_crystals` and ``known_splits``."""
    if not is_dataset(spec):
        return [known_crystals(spec, "train")]
    name = split_spec(spec)[0]
    return [known_crystals(f"{name}:{split}", split) for split in known_splits(spec, open_dataset(name))]


def _from_dataset(spec: str, split: str) -> KnownCrystals:
    name, asked = split_spec(spec)
    dataset = open_dataset(name)
    if "lattice" not in dataset.arrays:
        raise InputError(f"data set {dataset.name} holds molecules", hint="name a data set of crystals, such as mp20")
    indices = dataset.indices(asked or split).tolist()
    offsets = dataset.arrays["offsets"]
    every = dataset.arrays["numbers"]
    places = _by_composition(every[offsets[i] : offsets[i + 1]].tolist() for i in indices)
    names = [dataset.name_of(i) for i in indices]
    label = f"{dataset.name}:{asked or split}"
    return KnownCrystals(
        label, dataset.fingerprint, names, 0, dataset.folder, lambda k: dataset.structure(indices[k]), places
    )


def _from_files(path: Path) -> KnownCrystals:
    from molgen.scoring.records import read_records

    crystals, unusable = [], 0
    for record in read_records([str(path)]):
        if isinstance(record.item, Structure) and record.item.lattice is not None and not record.problem:
            crystals.append(record.item)
        else:
            unusable += 1
    digest = hashlib.sha256()
    for crystal in crystals:
        for array in (crystal.numbers, crystal.positions, crystal.lattice):
            digest.update(array.tobytes())  # type: ignore[union-attr]
    places = _by_composition(crystal.numbers.tolist() for crystal in crystals)
    names = [crystal.name for crystal in crystals]
    return KnownCrystals(path.name, digest.hexdigest(), names, unusable, None, crystals.__getitem__, places)


def _by_composition(all_numbers: Iterator[Sequence[int]]) -> dict[Composition, list[int]]:
    places: dict[Composition, list[int]] = {}
    for place, numbers in enumerate(all_numbers):
        places.setdefault(reduced_composition(numbers), []).append(place)
    return places
