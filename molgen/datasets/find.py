"""Finding data sets by name or folder, and structures by one short text such as ``qm9:test`` or ``out.sdf``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import molgen
from molgen.datasets.layout import SPLITS
from molgen.datasets.packed import PackedDataset
from molgen.errors import InputError, MissingError
from molgen.structure import Structure

REPOSITORY_DATA = Path(molgen.__file__).resolve().parents[1] / "data"
"""The data folder of a clone of the repository; holds the embedded set."""

COMMANDS = {
    "qm9": "qm9",
    "qm9-noh": "qm9 --no-hydrogens",
    "qm9-bonds": "qm9 --bonds",
    "qm9-noh-bonds": "qm9 --no-hydrogens --bonds",
    **{name: name for name in ("mp20", "perov5", "carbon24", "mpts52")},
    "geom-drugs": "geom --source rdkit_folder.tar.gz",
    "geom-drugs-noh": "geom --no-hydrogens --source rdkit_folder.tar.gz",
}
"""Names of published data sets, and what makes them after ``molgen data prepare``."""


def data_home() -> Path:
    """Folder in which data sets are made and looked for first: ``$MOLGEN_DATA``, else ``./data``."""
    return Path(os.environ.get("MOLGEN_DATA") or "data")


def folder_for(name: str) -> Path:
    """Where a data set called ``name`` is made; raises InputError for a name that cannot be found again."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", name) or name == "downloads":
        raise InputError(f"{name!r} cannot name a data set", hint="--name NAME, with letters, digits and _ . + - only")
    return data_home() / name


def data_folders() -> list[Path]:
    """All folders that are searched, in order."""
    home = data_home()
    return [home] if home.resolve() == REPOSITORY_DATA else [home, REPOSITORY_DATA]


def available() -> list[Path]:
    """Every packed folder that can be named, in order of name; the first folder searched wins."""
    found: dict[str, Path] = {}
    for home in data_folders():
        for meta in sorted(home.glob("*/meta.json")):
            if not meta.parent.name.startswith("."):
                found.setdefault(meta.parent.name, meta.parent)
    return [found[name] for name in sorted(found)]


def resolve(spec: str | Path) -> Path:
    """The packed folder that a data set's name or a folder means.

    Raises:
        MissingError: There is none; the hint is the command that makes it.
    """
    text = str(spec)
    candidates = [Path(text)] if os.sep in text else [home / text for home in data_folders()] + [Path(text)]
    for folder in candidates:
        if os.path.isfile(folder / "meta.json"):  # unlike Path's, never raises
            return folder
    command = COMMANDS.get(text)
    searched = ", ".join(str(folder) for folder in candidates)
    raise MissingError(
        f"no data set {text!r} (looked for {searched})",
        hint=f"molgen data prepare {command}"
        if command is not None
        else f"molgen data prepare FILE --name {Path(text).name or 'NAME'}; molgen data list shows what there is",
    )


def open_dataset(spec: str | Path) -> PackedDataset:
    """Open a data set by name or folder; raises what :func:`resolve` and :meth:`PackedDataset.open` raise."""
    return PackedDataset.open(resolve(spec))


def split_spec(spec: str) -> tuple[str, str | None]:
    """``"qm9:test"`` -> ``("qm9", "test")``, ``"qm9"`` -> ``("qm9", None)``; InputError for another word there."""
    name, colon, split = spec.rpartition(":")
    if not colon or os.sep in split:
        return spec, None
    if split not in SPLITS:
        raise InputError(f"{spec}: unknown split {split!r}", hint=f"one of {', '.join(SPLITS)}")
    return name, split


def open_structures(spec: str | Path, on_error: Callable[[int, str], None] | None = None) -> Iterator[Structure]:
    """Stream the structures of a file, a folder or zip of files, or a data set or one split of it (``NAME[:split]``).

    Args:
        spec: What to open.
        on_error: Called with (record index, reason) for each unreadable record of a file, instead of raising.

    Raises:
        MissingError: Neither such a file nor such a data set exists.
        InputError: It cannot be read.
    """
    path = Path(spec)
    if os.path.isfile(path) and path.suffix.lower() == ".zip":
        from molgen.datasets.folder import zip_structures

        return zip_structures(path, on_error)
    if os.path.isfile(path) or (path.suffix and ":" not in path.name and not os.path.isdir(path)):
        from molgen import io

        return io.read(path, on_error=on_error)  # names a missing file as such
    if is_folder_of_files(path) and not is_dataset_name(str(spec)):
        from molgen.datasets.folder import folder_structures

        return folder_structures(path, on_error)
    name, split = split_spec(str(spec))
    return open_dataset(name).structures(split)


def with_split(spec: str, split: str) -> str:
    """``mp20`` -> ``mp20:train``, for a data set by name or folder without a split; anything else as it is."""
    is_packed = is_dataset_name(spec) or os.path.isfile(Path(spec) / "meta.json")
    return f"{spec}:{split}" if is_packed and split_spec(spec)[1] is None else spec


def is_folder_of_files(path: Path) -> bool:
    """Whether a path is a folder that is no packed data set, so that its files are meant."""
    return os.path.isdir(path) and not os.path.isfile(path / "meta.json")


def is_dataset_name(spec: str) -> bool:
    """Whether a name is also that of a data set, which then comes first."""
    return any(os.path.isfile(home / spec / "meta.json") for home in data_folders())


def fingerprint(spec: str) -> list[Any]:
    """What tells whether an input is still the same, for JSON: size and time of a file, a data set's own fingerprint.

    Args:
        spec: As for :func:`open_structures`.

    Raises:
        MissingError: Neither such a file nor such a data set exists.
        InputError: The data set cannot be read.
    """
    path = Path(spec)
    if path.is_file():
        return [spec, path.stat().st_size, path.stat().st_mtime_ns]
    if is_folder_of_files(path) and not is_dataset_name(spec):
        files = sorted((file.name, file.stat()) for file in path.iterdir() if file.is_file())
        return [spec, *([name, about.st_size, about.st_mtime_ns] for name, about in files)]
    return [spec, open_dataset(split_spec(spec)[0]).fingerprint]
