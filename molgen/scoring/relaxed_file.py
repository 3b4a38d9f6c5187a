"""The file of relaxed structures: results as properties of each, continued after an interruption, and their summary."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from molgen.errors import ConfigError, MolgenError, OutputError
from molgen.io import format_of, open_writer, read
from molgen.io.records import Skipped
from molgen.scoring.relaxed_properties import CONVERGED, INDEX, QUANTITIES, REASON, unit_of
from molgen.structure import Structure

FORMAT = "molgen-relaxed-1"
FLUSH_SECONDS = 5.0


class RelaxSummary:
    """Counts and quantities of relaxed structures, from their properties.

    Args:
        kind: ``molecules`` or ``crystals``, whose quantities are summed up.
    """

    def __init__(self, kind: str = "molecules") -> None:
        self.kind = kind
        self.n = self.converged = 0
        self.failures: Counter[str] = Counter()
        self.unreadable = Skipped()
        self._values: dict[str, list[float]] = {name: [] for name in QUANTITIES[kind]}

    def add(self, structure: Structure) -> None:
        """Count one structure; quantities of those that did not converge are left out."""
        self.n += 1
        values = structure.properties
        if values.get(CONVERGED) != "true":
            self.failures[str(values.get(REASON, "")).partition(":")[0]] += 1
            return
        self.converged += 1
        for name, key in QUANTITIES[self.kind].items():
            if key in values:
                self._values[name].append(float(values[key]))

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        quantities = {}
        for name, key in QUANTITIES[self.kind].items():
            values = np.array(self._values[name])
            quantities[name] = {
                "unit": unit_of(name, key),
                "count": len(values),
                "mean": float(values.mean()) if len(values) else None,
                "median": float(np.median(values)) if len(values) else None,
            }
        return {
            "n": self.n,
            "converged": self.converged,
            "failures": dict(self.failures.most_common()),
            "unreadable": {"count": self.unreadable.total, "reasons": self.unreadable.lines()},
            "quantities": quantities,
        }


class RelaxedFile:
    """Structures of one run, under a name of their own (``.partial.NAME``) until all are there. A context manager.

    Args:
        path: ``.sdf`` or ``.extxyz``, ``.gz`` allowed.
        settings: What decides the result, ready for JSON. An unfinished file is continued only with the same.
        kind: ``molecules`` or ``crystals``, whose quantities are summed up.
        overwrite: Replace ``path``, and begin anew instead of continuing.

    Raises:
        ConfigError: The format holds no properties.
        OutputError: ``path`` exists, or cannot be written.
    """

    def __init__(
        self, path: Path, settings: dict[str, Any], *, kind: str = "molecules", overwrite: bool = False
    ) -> None:
        if "properties" not in format_of(path).keeps:
            raise ConfigError(
                f"{path}: this format holds no properties", hint="end the name with .sdf or .extxyz; .gz may follow"
            )
        if path.exists() and not overwrite:
            raise OutputError(f"{path} exists already", hint="add --overwrite to replace it, or name another file")
        self.path, self.partial = path, path.with_name(f".partial.{path.name}")
        self.summary = RelaxSummary(kind)
        self.start = 0
        self._state = {"format": FORMAT, "settings": json.loads(json.dumps(settings))}
        if not overwrite:
            self._take_up()
        if not self.start:
            self.summary = RelaxSummary(kind)
        self._writer = open_writer(self.partial, append=self.start > 0)
        self._settle()

    def add(self, structures: list[Structure]) -> None:
        """Write some structures; every few seconds they reach the disk."""
        for structure in structures:
            self._writer.write(structure)
            self.summary.add(structure)
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._writer.flush()
            self._settle()

    def finish(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Give the file its name, with its settings and summary beside it in ``NAME.json``; returns the latter.

        Args:
            facts: Further entries, ready for JSON.
        """
        self._writer.close()
        document = self._state | facts | self.summary.to_dict()
        self._save(_sidecar(self.partial), document)
        try:
            self.partial.replace(self.path)
            _sidecar(self.partial).replace(_sidecar(self.path))
        except OSError as error:
            raise OutputError.from_os_error(error, self.path) from error
        return document

    def discard(self) -> None:
        """Remove what was written."""
        self._writer.close()
        self.partial.unlink(missing_ok=True)
        _sidecar(self.partial).unlink(missing_ok=True)

    def __enter__(self) -> RelaxedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()
        if self.partial.exists():
            self._settle()

    def _settle(self) -> None:
        """Note how much of the file is whole: what comes behind was being written when the process ended."""
        self._save(_sidecar(self.partial), self._state | {"bytes": self.partial.stat().st_size})
        self._flushed = time.monotonic()

    def _take_up(self) -> None:
        """Continue an unfinished file of the same settings, if there is one and all of it can be read."""
        try:
            noted = json.loads(_sidecar(self.partial).read_text(encoding="utf-8"))
            whole = noted.pop("bytes")
            if noted != self._state or whole > self.partial.stat().st_size:
                return
            os.truncate(self.partial, whole)
            for structure in read(self.partial):
                self.summary.add(structure)
                self.start = int(structure.properties[INDEX]) + 1
        except (OSError, ValueError, KeyError, TypeError, AttributeError, MolgenError):  # not one of ours
            self.start = 0

    @staticmethod
    def _save(path: Path, document: dict[str, Any]) -> None:
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise OutputError.from_os_error(error, path) from error


def finished(path: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The summary of a finished file of these settings; None where it is another or there is none."""
    document = _document(path)
    return document if document.get("settings") == json.loads(json.dumps(settings)) else None


def is_relaxed_from(path: Path, source: str) -> bool:
    """Whether a finished file holds relaxed crystals of a file, as it is or as it was."""
    found = _document(path).get("settings", {}).get("source")
    return isinstance(found, list) and found[:1] == [source]


def _document(path: Path) -> dict[str, Any]:
    """What lies beside a finished file; empty where it is none of ours."""
    try:
        document = json.loads(_sidecar(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    ours = isinstance(document, dict) and document.get("format") == FORMAT and path.is_file()
    return document if ours else {}


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".json")
