"""What every reader shares: the bad record, and the checks that each record passes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from molgen.elements import NUMBERS, atomic_number
from molgen.structure import Structure

Scalar = float | int | str

LONGEST_RECORD = 1_000_000
"""Lines of one record, or atoms of one frame. A reader keeps no more: the file is of another kind, or damaged."""

LARGEST_CHARGE = 127
"""Formal charges are kept in eight bits by RDKit and by packed data sets; a larger one would come back changed."""

_LONGEST_REASON = 240


@dataclass(frozen=True)
class BadRecord:
    """A record that could not be read. ``reason`` is ``"kind: detail"``; the kind is the same for all records alike.

    The reason may quote the file: it is made one line of printable characters, and not a long one.
    """

    reason: str

    def __post_init__(self) -> None:
        reason = one_line(self.reason[:_LONGEST_REASON])
        reason = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in reason)
        object.__setattr__(self, "reason", reason)


Record = Structure | BadRecord


class RecordError(Exception):
    """Raised inside a parser for the record at hand; becomes a :class:`BadRecord`."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")


@dataclass
class Skipped:
    """Counts the records that were left out, by reason. ``Skipped().add`` serves as the ``on_error`` of ``io.read``."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, index: int, reason: str) -> None:
        """Count one record.

        Args:
            index: Its number in the file, from 0.
            reason: ``"kind: detail"``; the kind is what is counted.
        """
        kind = reason.partition(": ")[0]
        self.counts[kind] += 1
        self.examples.setdefault(kind, f"record {index + 1}: {reason}")

    @property
    def total(self) -> int:
        """How many were left out."""
        return sum(self.counts.values())

    def lines(self) -> list[str]:
        """One line per reason, the commonest first, with the first record as the example."""
        return [f"{count} x {kind} ({self.examples[kind]})" for kind, count in self.counts.most_common()]


def element(symbol: str, line: int) -> int:
    """Atomic number of a symbol; raises RecordError naming the line."""
    number = NUMBERS.get(symbol)
    if number is None:
        try:
            number = atomic_number(symbol[:20])
        except ValueError as error:
            raise RecordError("unknown element", f"line {line}: {error}") from error
    return number


def check_finite(positions: np.ndarray, line: int) -> None:
    """Raise RecordError for NaN or infinite coordinates of shape (N, 3) whose first row is at ``line``."""
    if not np.isfinite(positions).all():
        row = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
        raise RecordError("coordinates are not finite", f"line {line + row}: {' '.join(map(str, positions[row]))}")


def check_charge(charge: int, line: int) -> int:
    """The charge itself; raises RecordError for one that no formal charge can be."""
    if abs(charge) > LARGEST_CHARGE:
        raise RecordError("charge out of range", f"line {line}: a formal charge of {str(charge)[:12]}")
    return charge


def parse_coordinates(rows: Sequence[Sequence[str]], line: int) -> np.ndarray:
    """Positions (N, 3) from three words for each atom, the first of them at ``line``.

    Raises:
        RecordError: One is not a finite number; the line is named.
    """
    try:
        values = [float(word) for row in rows for word in row]
        # Python reads the digits of "1_5" as 15; no file means that.
        if "_" in "".join(map("".join, rows)):
            raise ValueError
    except ValueError:
        row, word = next((k, w) for k, words in enumerate(rows) for w in words if not is_number(w))
        raise RecordError("coordinates are not numbers", f"line {line + row}: {word.strip()[:40]!r}") from None
    positions = np.array(values, dtype=np.float64).reshape(-1, 3)
    check_finite(positions, line)
    return positions


def is_number(text: str) -> bool:
    """Whether a text is a number as files write it; ``nan`` and ``inf`` are."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


_INTEGER = re.compile(r"(0|[+-]?[1-9]\d{0,17})$")
_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?$|nan$|[+-]?inf$")


def parse_scalar(text: str) -> Scalar:
    """An int or float where the text is one, else the text; ``"007"`` stays text."""
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text


def format_scalar(value: object) -> str:
    """The text of a property's value; floats keep all their digits."""
    if isinstance(value, np.generic):
        value = value.item()
    return repr(value) if isinstance(value, float) else str(value)


def one_line(text: str) -> str:
    """The text with every run of line breaks replaced by a space."""
    return " ".join(text.splitlines()) if "\n" in text or "\r" in text else text
