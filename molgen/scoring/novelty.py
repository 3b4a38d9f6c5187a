"""The molecules that novelty is measured against, as sorted 64-bit hashes of canonical SMILES.

Which SMILES depends on the protocol's identity and bonds; see ``molgen.scoring.smiles_forms``. Molecules that have none
are left out.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from molgen.errors import InputError, MissingError, OutputError
from molgen.scoring.hashes import Hashes, HashSet
from molgen.scoring.protocol import SMILES_OF_LOOKUP
from molgen.scoring.records import Record, in_chunks, read_records
from molgen.scoring.smiles_forms import HASHES_FILE, SmilesForm, graph_hashes
from molgen.workers import ordered_map

SMILES_SUFFIXES = (".smi", ".smiles", ".txt")
Progress = Callable[[int, int | None], None]


class OtherFormError(MissingError):
    """A reference holds SMILES of another form than those wanted."""

    def __init__(self, reference: Reference, *wanted: str) -> None:
        super().__init__(
            f"reference {reference.name} holds SMILES of form {reference.table}, not {' or '.join(wanted)}",
            hint="give the data set itself as --reference",
        )
        self.reference, self.wanted = reference, wanted


@dataclass(frozen=True)
class Reference:
    """A set of known molecules.

    Attributes:
        name: What it was made from, for example ``qm9:train``.
        hashes: Ascending hashes of the different SMILES, shape ``(m,)``, uint64.
        fingerprint: Fingerprint of the data set, or SHA-256 of the hashes where there is no data set.
        table: Which SMILES the hashes are of: a protocol's identity, with ``:BONDS`` where it depends on the bond
            source; "SMILES" where the molecules were given as SMILES, which are hashed in the forms of every identity.
        structures: Structures it was made from, or None when that was not recorded.
        unusable: Those that gave no SMILES, or None when that was not recorded.
        hydrogens: Whether the molecules have explicit hydrogens; None where both forms are held or it was not recorded.
    """

    name: str
    hashes: Hashes
    fingerprint: str
    table: str = SMILES_OF_LOOKUP
    structures: int | None = None
    unusable: int | None = None
    hydrogens: bool | None = None

    def describe(self) -> dict[str, Any]:
        """Everything but the hashes, with their number under ``distinct``."""
        described = {key: value for key, value in asdict(self).items() if key != "hashes"}
        return described | {"distinct": len(self.hashes)}

    def check_table(self, table: str) -> None:
        """Raise OtherFormError when the hashes are of other SMILES than ``table``: nothing would ever match."""
        if self.table not in (table, "SMILES"):
            raise OtherFormError(self, table)

    @classmethod
    def open(
        cls,
        spec: str | Path,
        identity: str = SMILES_OF_LOOKUP,
        bonds: str = "auto",
        *,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> Reference:
        """Reference from what a user can name.

        Args:
            spec: A packed data set (``qm9`` means its train split, ``qm9:valid`` another one), a structure or SMILES
                file, a checkpoint folder (see ``molgen.scoring.shipped``), or a hashes file (.npy).
            identity: Which SMILES; see ``molgen.scoring.protocol``.
            bonds: Bond source of the structures; plays no part for ``SMILES_OF_LOOKUP``.
            workers: Processes for rebuilding.
            progress: Called with (structures rebuilt, None).

        Raises:
            MissingError: There is no such data set, file or hashes, or the hashes are of other SMILES.
            InputError: It cannot be read.
        """
        path = Path(spec)
        make = SmilesForm(identity, bonds)
        if path.suffix == ".npy" or (path.is_dir() and not (path / "meta.json").is_file()):
            loaded = cls._load(path if path.suffix == ".npy" else _shipped(path, make))
            loaded.check_table(make.table)
            return loaded
        if path.is_file():
            made = cls._from_file(path, make, workers, progress)
            if not len(made.hashes):
                raise InputError(
                    f"{path} holds no molecule that can be a reference ({made.structures} records, none usable)",
                    hint="with an empty reference everything would count as novel",
                )
            return made
        return cls._from_dataset(str(spec), make, workers, progress)

    @classmethod
    def from_records(
        cls,
        records: Iterable[Record],
        name: str,
        identity: str = SMILES_OF_LOOKUP,
        bonds: str = "auto",
        *,
        fingerprint: str = "",
        workers: int = 1,
        progress: Progress | None = None,
    ) -> Reference:
        """Hash every structure's SMILES; records that cannot be read or sanitised are counted as unusable."""
        members, structures, unusable, hydrogens = HashSet(), 0, 0, False
        make = SmilesForm(identity, bonds)
        for hashes, size, any_hydrogen in ordered_map(make, in_chunks(records), workers):
            members.add(hashes)
            structures, unusable = structures + size, unusable + size - len(hashes)
            hydrogens = hydrogens or any_hydrogen
            if progress is not None:
                progress(structures, None)
        hashes = members.sorted()
        return cls(name, hashes, fingerprint or _fingerprint(hashes), make.table, structures, unusable, hydrogens)

    @classmethod
    def from_smiles(cls, smiles: Iterable[str], name: str) -> Reference:
        """Reference from SMILES, each entered with explicit and with implicit hydrogens, without stereochemistry.

        Charged molecules are kept as they are, though the lookup, which knows no charges, can never produce them.
        """
        members, structures, unusable = HashSet(), 0, 0
        for text in smiles:
            hashes = graph_hashes(text)
            members.add(hashes)
            structures, unusable = structures + 1, unusable + (len(hashes) == 0)
        hashes = members.sorted()
        return cls(name, hashes, _fingerprint(hashes), "SMILES", structures, unusable)

    @classmethod
    def _from_file(cls, path: Path, make: SmilesForm, workers: int, progress: Progress | None) -> Reference:
        if Path(path.name.removesuffix(".gz")).suffix.lower() in SMILES_SUFFIXES:
            return cls.from_smiles(_smiles_lines(path), path.name)
        records = read_records([str(path)])
        return cls.from_records(records, path.name, make.identity, make.bonds, workers=workers, progress=progress)

    @classmethod
    def _from_dataset(cls, spec: str, make: SmilesForm, workers: int, progress: Progress | None) -> Reference:
        from molgen.datasets.find import open_dataset, split_spec

        name, split = split_spec(spec)
        split = split or "train"
        dataset = open_dataset(name)
        cache = dataset.folder / make.cache_name(split)
        wanted = f"{dataset.name}:{split}"
        with suppress(MissingError, InputError):
            cached = cls._load(cache)
            if (cached.fingerprint, cached.table, cached.name) == (dataset.fingerprint, make.table, wanted):
                return cached
        made = cls.from_records(
            map(Record, dataset.structures(split)),
            wanted,
            make.identity,
            make.bonds,
            fingerprint=dataset.fingerprint,
            workers=workers,
            progress=progress,
        )
        with suppress(OutputError):  # a data set on a read-only disk is used all the same
            made.save(cache)
        return made

    @classmethod
    def _load(cls, path: Path) -> Reference:
        try:
            hashes = np.load(path, allow_pickle=False)
        except FileNotFoundError as error:
            raise MissingError(
                f"there is no {path}", hint="give a data set (--reference qm9) or a file of training molecules instead"
            ) from error
        except (ValueError, OSError, EOFError) as error:
            raise InputError(f"{path} is not a file of hashes: {error}") from error
        if hashes.ndim != 1 or hashes.dtype != np.uint64 or (hashes[1:] <= hashes[:-1]).any():
            raise InputError(f"{path} does not hold ascending uint64 hashes (found {hashes.dtype} {hashes.shape})")
        described = _read_description(path.with_suffix(".json"), hashes)
        return cls(hashes=hashes, **described) if described else cls(str(path.parent), hashes, _fingerprint(hashes))

    def save(self, path: str | Path) -> None:
        """Write the hashes to ``path`` (.npy) and what they are to the .json beside it, each in one step.

        Raises:
            OutputError: They cannot be written.
        """
        path = Path(path)
        document = self.describe() | {"sha256": _fingerprint(self.hashes)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
            with temporary.open("wb") as file:
                np.save(file, self.hashes, allow_pickle=False)
            temporary.replace(path)
            temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            temporary.replace(path.with_suffix(".json"))
        except OSError as error:
            raise OutputError.from_os_error(error, path) from error


def _shipped(folder: Path, make: SmilesForm) -> Path:
    """The file of a form of SMILES in a checkpoint's folder, the lookup's where there is none."""
    own = folder / make.cache_name("train")
    return own if own.is_file() else folder / HASHES_FILE


def _smiles_lines(path: Path) -> Iterator[str]:
    from molgen.io.streams import BrokenStreamError, check_readable, read_lines

    check_readable(path)
    try:
        for number, line in enumerate(read_lines(path)):
            words = line.split(maxsplit=1)
            if words and not (number == 0 and words[0].lower() == "smiles"):
                yield words[0]
    except BrokenStreamError as error:
        raise InputError(f"{path}: {error}") from error


def _fingerprint(hashes: Hashes) -> str:
    return hashlib.sha256(hashes.astype("<u8").tobytes()).hexdigest()


def _read_description(path: Path, hashes: Hashes) -> dict[str, Any]:
    """What ``Reference.save`` recorded beside the hashes; empty when it is absent or belongs to other hashes."""
    with suppress(OSError, ValueError):
        document = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(document, dict) and document.pop("sha256", "") == _fingerprint(hashes):
            keys = ("name", "fingerprint", "table", "structures", "unusable", "hydrogens")
            return {key: document[key] for key in keys} if all(key in document for key in keys) else {}
    return {}
