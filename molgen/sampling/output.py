"""The file that sampling writes and its sidecar: appended chunk by chunk, continued when the command is run again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from molgen.errors import ConfigError, InputError, OutputError
from molgen.io import Writer, format_of, open_writer
from molgen.structure import Structure

FORMAT = "molgen-samples-1"
EXTENSIONS = (".sdf", ".sd", ".xyz", ".extxyz")


class SampleFile:
    """Molecules of one run of sampling, in ``path``, with ``path.json`` beside it. A context manager.

    The sidecar is replaced after every chunk, once the chunk's molecules are in the file. What lies behind the length
    that it records belongs to a chunk that was interrupted; it is removed and made again.

    Args:
        path: ``.sdf``, ``.xyz`` or ``.extxyz``, ``.gz`` allowed.
        settings: What decides the molecules, ready for JSON. An unfinished file is continued only with the same.
        facts: Further provenance, ready for JSON.
        chunks: Chunks of the whole run.
        prepare: Applied to each molecule before it is written.
        count: Numbers to sum over the molecules that are written, by name, from what ``prepare`` gave.
        overwrite: Replace a file of other settings.

    Raises:
        ConfigError: The name's ending does not suit molecules in bulk.
        OutputError: The file belongs to something else, was changed, or cannot be written.
    """

    def __init__(
        self,
        path: Path,
        settings: dict[str, Any],
        facts: dict[str, Any],
        chunks: int,
        *,
        prepare: Callable[[Structure], Structure] = lambda structure: structure,
        count: Callable[[Structure], Mapping[str, int]] = lambda structure: {},
        overwrite: bool = False,
    ) -> None:
        check_format(path)
        self.path, self.sidecar = path, path.with_name(path.name + ".json")
        self.prepare, self.count = prepare, count
        self.state: dict[str, Any] = {"format": FORMAT, "settings": settings, "provenance": facts, "chunks": chunks}
        self.state |= {"chunks_done": 0, "written": 0, "bytes": 0, "seconds": 0.0, "molecules_per_second": None}
        self.state |= {"not_finite": [], "counts": {}, "complete": chunks == 0}
        if not overwrite:
            self._take_up(settings)
        self._writer = self._open()

    @property
    def chunks_done(self) -> int:
        """Chunks that are in the file."""
        return int(self.state["chunks_done"])

    @property
    def written(self) -> int:
        """Molecules that are in the file."""
        return int(self.state["written"])

    @property
    def not_finite(self) -> list[dict[str, int]]:
        """Where molecules were lost: chunk, row in it, index over all, number of atoms."""
        return list(self.state["not_finite"])

    @property
    def counts(self) -> dict[str, int]:
        """Sums over the molecules that are in the file, of what ``count`` gave for each."""
        return dict(self.state["counts"])

    def add(self, structures: Iterable[Structure], seconds: float) -> None:
        """Write the next chunk.

        Args:
            structures: Its molecules; those whose coordinates are not finite are recorded instead of written.
            seconds: Time that making them took.

        Raises:
            OutputError: It cannot be written; what was written before stays.
        """
        state, chunk, lost, counts = self.state, self.chunks_done, [], self.counts
        before = self._writer.count
        start = self.written + len(state["not_finite"])
        for row, structure in enumerate(structures):
            if not np.isfinite(structure.positions).all():
                lost.append({"chunk": chunk, "row": row, "index": start + row, "atoms": len(structure)})
                continue
            prepared = self.prepare(structure.replace(name=str(start + row)))
            self._writer.write(prepared)
            for name, number in self.count(prepared).items():
                counts[name] = counts.get(name, 0) + number
        self._writer.flush()
        state["chunks_done"] = chunk + 1
        state["written"] += self._writer.count - before
        state["not_finite"] += lost
        state["counts"] = counts
        state["bytes"] = self._length()
        state["seconds"] = round(state["seconds"] + seconds, 3)
        made = state["written"] + len(state["not_finite"])
        state["molecules_per_second"] = round(made / state["seconds"], 3) if state["seconds"] else None
        state["complete"] = chunk + 1 == state["chunks"]
        self._save()

    def __enter__(self) -> SampleFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()

    def _take_up(self, settings: dict[str, Any]) -> None:
        """Continue the state of an earlier run, if there is one."""
        cure = "give another --out, or --overwrite to replace it"
        if not self.path.exists():
            return
        if not self.sidecar.exists():
            raise OutputError(f"{self.path} exists but {self.sidecar.name} does not: it cannot be continued", hint=cure)
        earlier = read_sidecar(self.sidecar)
        # JSON turns tuples into lists; compare what was written with what would be.
        wanted = json.loads(json.dumps(settings))
        before = earlier["settings"]
        if differing := [key for key in {**wanted, **before} if before.get(key) != wanted.get(key)]:
            named = ", ".join(f"{key} is {before.get(key)} there and {wanted.get(key)} here" for key in differing)
            raise OutputError(f"{self.path} belongs to other settings: {named}", hint=cure)
        if self._length() < earlier["bytes"]:
            raise OutputError(
                f"{self.path} was cut: it has {self._length():,} bytes, {self.sidecar.name} says {earlier['bytes']:,}",
                hint=cure,
            )
        self.state |= earlier | {"provenance": self.state["provenance"]}

    def _open(self) -> Writer:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.chunks_done:
                os.truncate(self.path, self.state["bytes"])
        except OSError as error:
            raise OutputError.from_os_error(error, self.path) from error
        writer = open_writer(self.path, append=self.chunks_done > 0)
        self._save()
        return writer

    def _length(self) -> int:
        return self.path.stat().st_size

    def _save(self) -> None:
        temporary = self.sidecar.with_name(f".{self.sidecar.name}.{os.getpid()}")
        try:
            temporary.write_text(json.dumps(self.state, indent=1) + "\n", encoding="utf-8")
            temporary.replace(self.sidecar)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise OutputError.from_os_error(error, self.sidecar) from error


def read_sidecar(path: Path) -> dict[str, Any]:
    """Contents of a sidecar.

    Raises:
        InputError: It is damaged or something else.
    """
    hint = "--overwrite starts again"
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint=hint) from error
    needed = {"settings": dict, "chunks": int, "chunks_done": int, "written": int, "bytes": int, "not_finite": list}
    needed["seconds"] = float
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise InputError(f"{path} is not a {FORMAT} sidecar", hint=hint)
    if wrong := [key for key, kind in needed.items() if not isinstance(state.get(key), kind)]:
        raise InputError(f"{path} lacks or garbles {', '.join(wrong)}", hint=hint)
    return state


def check_format(path: Path) -> None:
    """Raise ConfigError, or InputError for an unknown ending, unless ``path`` can hold many molecules without bonds."""
    if not set(format_of(path).extensions) & set(EXTENSIONS):
        raise ConfigError(
            f"{path}: samples cannot be written in this format",
            hint=f"end it with one of {', '.join(EXTENSIONS)}; .gz may follow; molgen convert makes other formats",
        )
