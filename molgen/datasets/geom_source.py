"""Where GEOM-Drugs comes from: the archive of one pickle per molecule, or the MiDi family's pickle per split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from molgen.datasets.archive import NOTES, members
from molgen.datasets.geom_pickles import RawMolecule, split_molecules
from molgen.datasets.geom_split import NAMES
from molgen.datasets.layout import SPLITS
from molgen.datasets.pickle_instructions import DamagedPickleError, ForbiddenPickleError
from molgen.errors import InputError, MissingError

LARGEST_PICKLE = 1 << 28
"""Bytes of one molecule's pickle; the largest ensembles have some thousand conformers of one or two kilobytes."""
FOLDER = "drugs"
"""Folder of the archive with the drug-like molecules; the others hold QM9 and MoleculeNet."""
WHERE = (
    "get rdkit_folder.tar.gz (50 GB) from Harvard Dataverse, doi:10.7910/DVN/JNGTDF "
    "(https://dataverse.harvard.edu/api/access/datafile/4327252), or the MiDi family's train_data.pickle, "
    "val_data.pickle and test_data.pickle (https://bits.csb.pitt.edu/files/geom_raw/, doi:10.5281/zenodo.19150583), "
    "and give the archive or the folder with --source"
)
"""What to tell somebody without the data. Neither publisher's checksum is known, so molgen does not download them."""


@dataclass(frozen=True)
class Record:
    """One molecule of a source.

    Attributes:
        name: Where it was found.
        content: A pickle of the archive, or a molecule of a split's pickle.
        split: Code of its split, where the source has splits.
    """

    name: str
    content: bytes | RawMolecule
    split: int | None = None


class GeomSource:
    """The molecules of a source, one in memory at a time (a batch, for a split's pickle). Use :func:`open_geom`.

    Attributes:
        path: What was given.
        read: The part that has been read so far, 0 to 1; 0 where it cannot be told.
        has_splits: Whether the source says which split a molecule belongs to.
        too_large: Names of pickles that were passed over for their size.
    """

    has_splits = False

    def __init__(self, path: Path) -> None:
        self.path, self.read = path, 0.0
        self.too_large: list[str] = []

    def records(self, count: int) -> Iterator[Record]:
        """All molecules, those of split pickles with their first ``count`` conformers.

        Raises:
            InputError: The source is damaged, or not what it should be.
        """
        raise NotImplementedError


class _Archive(GeomSource):
    """``rdkit_folder.tar.gz``, packed or unpacked."""

    def records(self, count: int) -> Iterator[Record]:
        found = False
        for name, content in members(self.path, self._wanted, self._progress):
            found = True
            yield Record(name, content)
        if not found:
            raise InputError(f"{self.path} holds no molecule of GEOM-Drugs (no {FOLDER}/*.pickle)", hint=WHERE)

    def _wanted(self, name: str, size: int) -> bool:
        path = PurePosixPath(name)
        if path.name.startswith(".") or path.suffix.lower() in (".json", *NOTES):
            return False
        if path.suffix != ".pickle":
            raise InputError(f"{self.path} is not GEOM's rdkit_folder.tar.gz: it holds {name}", hint=WHERE)
        in_folder = path.parent.name == FOLDER or (self.path.name == FOLDER and len(path.parts) == 1)
        if in_folder and size > LARGEST_PICKLE:
            self.too_large.append(name)
        return in_folder and size <= LARGEST_PICKLE

    def _progress(self, done: int, size: int) -> None:
        self.read = done / max(size, 1)


class _SplitPickles(GeomSource):
    """``train_data.pickle``, ``val_data.pickle`` and ``test_data.pickle`` in a folder."""

    has_splits = True

    def __init__(self, path: Path, files: list[Path]) -> None:
        super().__init__(path)
        self.files = files

    def records(self, count: int) -> Iterator[Record]:
        before, size = 0, sum(path.stat().st_size for path in self.files)
        for code, path in enumerate(self.files):
            with path.open("rb") as file:
                try:
                    for number, molecule in enumerate(split_molecules(file, count)):
                        self.read = (before + file.tell()) / max(size, 1)
                        yield Record(f"{path.name}, molecule {number + 1}", molecule, code)
                except (DamagedPickleError, ForbiddenPickleError) as error:
                    raise InputError(f"{path}: {error}", hint=error.hint or WHERE) from error
            before += path.stat().st_size


def open_geom(path: Path) -> GeomSource:
    """The source that a path means.

    Args:
        path: ``rdkit_folder.tar.gz`` (any tar or zip of that content), what it unpacks to, or a folder with the three
            pickles of the MiDi family.

    Raises:
        MissingError: There is no such path, or one of the three pickles is not there.
        InputError: It is none of these.
    """
    if not path.exists():
        raise MissingError(f"there is no {path}", hint=WHERE)
    if path.suffix == ".pickle":
        raise InputError(
            f"{path} is one pickle, and GEOM-Drugs needs those of three splits",
            hint=f"give their folder: --source {path.parent}",
        )
    if not path.is_dir():
        return _Archive(path)
    found = {split: _split_pickle(path, split) for split in SPLITS}
    if any(found.values()):
        if absent := [f"{NAMES[split][0]}_data.pickle" for split in SPLITS if found[split] is None]:
            raise MissingError(f"{path} lacks {' and '.join(absent)}", hint=WHERE)
        return _SplitPickles(path, [file for file in found.values() if file is not None])
    for folder in (path, path / FOLDER, path / "rdkit_folder" / FOLDER):
        if folder.name == FOLDER and folder.is_dir():
            return _Archive(folder)
    raise InputError(f"{path} holds neither {FOLDER}/ nor train_data.pickle", hint=WHERE)


def _split_pickle(folder: Path, split: str) -> Path | None:
    candidates = (folder / f"{name}_data.pickle" for name in NAMES[split])
    return next((path for path in candidates if path.is_file()), None)
