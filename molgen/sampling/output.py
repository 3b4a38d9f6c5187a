"""What sampling writes and its sidecar: appended chunk by chunk, continued when the command is run again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import repeat
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from molgen.errors import ConfigError, InputError, OutputError
from molgen.io import Target, Writer, open_writer, target_of
from molgen.io.members import cut, written
from molgen.sampling.rounds import rounds
from molgen.sampling.sizes import Plan
from molgen.structure import Structure
from molgen.symmetry.gene import Gene

FORMAT = "molgen-samples-1"
OF_MOLECULES = (".sdf", ".sd", ".xyz", ".extxyz")
OF_CRYSTALS = (".extxyz", ".cif")
_ANOTHER = "give another --out, or --overwrite to replace it"


class SampleFile:
    """Structures of one run of sampling, in ``path``, with ``path.json`` beside it. A context manager.

    The sidecar is replaced after every chunk, once the chunk's structures are in the file. What lies behind the length
    that it records belongs to a chunk that was interrupted; it is removed and made again.

    Args:
        path: A file, zip or folder; see :func:`molgen.io.formats.target_of`.
        settings: What decides the structures, ready for JSON. An unfinished file is continued only with the same.
        facts: Further provenance, ready for JSON.
        chunks: Chunks of the whole run, as far as they are known.
        prepare: Applied to each structure before it is written; raises InputError for one that cannot be, as
            ``"kind: detail"``.
        count: Numbers to sum over the structures that are written, by name, from what ``prepare`` gave.
        overwrite: Replace a file of other settings.
        periodic: Whether they are crystals.

    Raises:
        ConfigError: The name's ending does not suit such structures in bulk.
        OutputError: The file belongs to something else, was changed, or cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        settings: dict[str, Any],
        facts: dict[str, Any],
        chunks: int,
        *,
        prepare: Callable[[Any], Any] = lambda structure: structure,
        count: Callable[[Any], Mapping[str, int]] = lambda structure: {},
        overwrite: bool = False,
        periodic: bool = False,
    ) -> None:
        self.target = self._target_of(path, periodic)
        self.path = self.target.path
        self.sidecar = self.path.with_name(self.path.name + ".json")
        self.prepare, self.count = prepare, count
        self.state: dict[str, Any] = {"format": FORMAT, "settings": settings, "provenance": facts, "chunks": chunks}
        self.state |= {"chunks_done": 0, "written": 0, "bytes": 0, "seconds": 0.0, "molecules_per_second": None}
        self.state |= {"not_finite": [], "rejected": {}, "rounds": [], "counts": {}, "complete": chunks == 0}
        if not overwrite:
            self._take_up(settings)
        self._writer = self._open()

    @property
    def chunks_done(self) -> int:
        """Chunks that are in the file."""
        return int(self.state["chunks_done"])

    @property
    def written(self) -> int:
        """Structures that are in the file."""
        return int(self.state["written"])

    @property
    def not_finite(self) -> list[dict[str, int]]:
        """Where structures were lost: chunk, row in it, index over all, number of atoms."""
        return list(self.state["not_finite"])

    @property
    def counts(self) -> dict[str, int]:
        """Sums over the structures that are in the file, of what ``count`` gave for each."""
        return dict(self.state["counts"])

    @property
    def rejected(self) -> dict[str, dict[str, Any]]:
        """Structures that were made and not written, by the kind of reason: ``count``, the ``first`` in words, and
        ``request``, whether they are not what was asked for rather than impossible to write."""
        return dict(self.state["rejected"])

    @property
    def made(self) -> int:
        """Structures that were made, written or not."""
        return self.written + len(self.not_finite) + sum(int(one["count"]) for one in self.rejected.values())

    @property
    def not_asked_for(self) -> int:
        """How many of them were not what was asked for."""
        return sum(int(one["count"]) for one in self.rejected.values() if one["request"])

    def extend(self, structures: int, chunks: int) -> None:
        """Expect another round of ``structures`` in ``chunks``."""
        self.state["rounds"] = [*self.state["rounds"], structures]
        self.state["chunks"] += chunks
        self.state["complete"] = False
        self._save()

    def add(
        self, structures: Iterable[Structure | Gene], seconds: float, problems: Iterable[str] | None = None
    ) -> None:
        """Write the next chunk.

        Args:
            structures: Its structures; those with numbers that are not finite are recorded instead of written.
            seconds: Time that making them took.
            problems: Why each is not what was asked for, ``"kind: detail"``, and is not written; empty where it is.

        Raises:
            OutputError: It cannot be written; what was written before stays.
        """
        state, chunk, lost, counts = self.state, self.chunks_done, [], self.counts
        rejected = {kind: dict(one) for kind, one in self.rejected.items()}
        before, start = self._writer.count, self.made
        pairs = (
            zip(structures, repeat(""), strict=False) if problems is None else zip(structures, problems, strict=True)
        )
        for row, (structure, problem) in enumerate(pairs):
            if not self._is_whole(structure):
                lost.append({"chunk": chunk, "row": row, "index": start + row, "atoms": len(structure)})
                continue
            try:
                if problem:
                    raise InputError(problem)
                prepared = self.prepare(structure.replace(name=str(start + row)))
                self._writer.write(prepared)
            except InputError as error:
                first = {"count": 0, "request": bool(problem), "first": f"number {start + row}: {error}"}
                rejected.setdefault(str(error).partition(": ")[0], first)["count"] += 1
                continue
            for name, number in self.count(prepared).items():
                counts[name] = counts.get(name, 0) + number
        self._writer.flush()
        state["chunks_done"] = chunk + 1
        state["written"] += self._writer.count - before
        state["not_finite"] += lost
        state["rejected"] = rejected
        state["counts"] = counts
        state["bytes"] = self._length()
        state["seconds"] = round(state["seconds"] + seconds, 3)
        state["molecules_per_second"] = round(self.made / state["seconds"], 3) if state["seconds"] else None
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
        if sidecar_of(self.target) is None:
            return
        cure, earlier = _ANOTHER, read_sidecar(self.sidecar)
        # JSON turns tuples into lists; compare what was written with what would be.
        wanted = json.loads(json.dumps(settings))
        before = earlier["settings"]
        if differing := [key for key in {**wanted, **before} if before.get(key) != wanted.get(key)]:
            named = ", ".join(f"{key} is {before.get(key)} there and {wanted.get(key)} here" for key in differing)
            raise OutputError(f"{self.path} belongs to other settings: {named}", hint=cure)
        if self._length() < earlier["bytes"]:
            unit = "files" if self.target.container == "folder" else "bytes"
            raise OutputError(
                f"{self.path} was cut: it has {self._length():,} {unit}, {self.sidecar.name} says {earlier['bytes']:,}",
                hint=cure,
            )
        self.state |= earlier | {"provenance": self.state["provenance"]}

    def _open(self) -> Writer:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.chunks_done:
                cut(self.target, self.state["bytes"])
        except OSError as error:
            raise OutputError.from_os_error(error, self.path) from error
        writer = self._writer_of(self.chunks_done > 0)
        self._save()
        return writer

    def _target_of(self, path: str | Path, periodic: bool) -> Target:
        return check_format(path, periodic)

    def _writer_of(self, append: bool) -> Writer:
        return open_writer(self.target.beside(""), append=append)

    @staticmethod
    def _is_whole(structure: Any) -> bool:
        """Whether all its numbers are finite."""
        lattice = structure.lattice
        return bool(np.isfinite(structure.positions).all()) and (lattice is None or bool(np.isfinite(lattice).all()))

    def _length(self) -> int:
        return written(self.target)

    def _save(self) -> None:
        temporary = self.sidecar.with_name(f".{self.sidecar.name}.{os.getpid()}")
        try:
            temporary.write_text(json.dumps(self.state, indent=1) + "\n", encoding="utf-8")
            temporary.replace(self.sidecar)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise OutputError.from_os_error(error, self.sidecar) from error


def sidecar_of(target: Target) -> Path | None:
    """The sidecar of what is there already; None where nothing is.

    Raises:
        OutputError: Something is there, without a sidecar.
    """
    path = target.path
    sidecar = path.with_name(path.name + ".json")
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return None
    if not sidecar.exists():
        raise OutputError(f"{path} exists but {sidecar.name} does not: it cannot be continued", hint=_ANOTHER)
    return sidecar


def rounds_of(
    file: SampleFile, first: Plan, again: Callable[[int, int], Plan], *, by_chance: bool
) -> Iterator[tuple[Plan, int]]:
    """Each round's plan, and how many chunks came before it; those that an earlier run began are the same again.

    Args:
        file: Where the plans' structures are written while this goes on.
        first: Plan of what was asked for.
        again: Takes (structures, seed) and makes another plan of the same kind.
        by_chance: Whether others are made for structures that are not what was asked for.
    """
    later: list[int] = file.state["rounds"]
    known, before = len(later), 0

    def rejected(number: int) -> int:
        if number < known:
            return later[number]
        return file.not_asked_for - sum(file.state["rounds"]) if by_chance else 0

    for index, plan in enumerate(rounds(first, again, rejected)):
        if index > known:
            file.extend(len(plan), len(plan.chunks))
        yield plan, before
        before += len(plan.chunks)


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


def check_format(path: str | Path, periodic: bool = False) -> Target:
    """Where structures are written in bulk.

    Args:
        path: A file, zip or folder.
        periodic: Whether they are crystals.

    Raises:
        InputError: The ending is unknown.
        ConfigError: The format does not suit: one structure per file, no lattice, or bonds needed.
    """
    target = target_of(path)
    suits = "lattice" in target.format.keeps if periodic else bool(set(target.format.extensions) & set(OF_MOLECULES))
    if not suits or (target.format.single and not target.container):
        endings = ", ".join(OF_CRYSTALS if periodic else OF_MOLECULES)
        more = f"{endings}, .zip or / (a folder), .poscar.zip or .poscar/" if periodic else endings
        raise ConfigError(
            f"{path}: samples cannot be written in this format",
            hint=f"end it with one of {more}; .gz may follow a file's; molgen convert makes other formats",
        )
    return target
