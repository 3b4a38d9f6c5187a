"""What a protocol returns: one row per structure and one summary of rates with all that they depend on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from molgen.scoring.rates import Rate

UNREADABLE_LISTED = 100
"""Unreadable records that a summary lists one by one; all are counted, and all have their row."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record of the input. The attributes are the columns of ``rows.csv``.

    Attributes:
        index: Place in the whole input, from 0.
        source: File or data set.
        name: Title of the structure.
        n_atoms: Number of atoms; 0 where the record could not be read.
        stable_atoms: Atoms with an allowed sum of bond orders.
        molecule_stable: Whether all atoms are.
        valid: Whether the molecule has a SMILES.
        smiles: Canonical SMILES of the largest fragment; empty if not valid.
        fragments: Number of pieces; None where it cannot be said.
        unique: Whether this valid molecule is the first with its SMILES; None if not valid.
        novel: Whether the reference lacks this SMILES; None if not valid or without a reference.
        reason: Why it is not stable, not valid or not readable; atoms are counted from 0. Empty if all is well.
    """

    index: int
    source: str
    name: str
    n_atoms: int
    stable_atoms: int = 0
    molecule_stable: bool = False
    valid: bool = False
    smiles: str = ""
    fragments: int | None = None
    unique: bool | None = None
    novel: bool | None = None
    reason: str = ""


class UnreadableList:
    """Counts records that could not be scored at all and keeps the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[Row] = []

    def add(self, row: Row) -> None:
        """Count one."""
        self.count += 1
        if len(self.first) < UNREADABLE_LISTED:
            self.first.append(row)

    def to_dict(self) -> dict[str, Any]:
        """``{"count", "first": [{"index", "source", "reason"}]}``."""
        listed = [{"index": row.index, "source": row.source, "reason": row.reason} for row in self.first]
        return {"count": self.count, "first": listed}


@dataclass(frozen=True)
class Summary:
    """A score is a data split, a bond source, a table version and a denominator; all of them are here.

    Attributes:
        protocol: Name of the protocol.
        table: Version of its tables.
        bond_source: Where bonds come from.
        n: All records, unreadable ones included.
        sources: Records from each file or data set.
        rates: The protocol's own metrics; None where a metric is not defined.
        extra_rates: Others that follow from the same counts.
        definitions: Numerator and denominator of every rate in words.
        reference: Which molecules novelty was measured against, or None.
        unreadable: The records that gave no structure.
        unknown_elements: Atoms of elements that the tables lack, by symbol.
        notes: What a reader must know beside the numbers.
    """

    protocol: str
    table: str
    bond_source: str
    n: int
    sources: dict[str, int]
    rates: dict[str, Rate | None]
    extra_rates: dict[str, Rate | None]
    definitions: dict[str, str]
    reference: dict[str, Any] | None
    unreadable: UnreadableList
    unknown_elements: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; the metrics stand at the top level under their names, null where not defined."""
        rates = self.rates | self.extra_rates
        return {
            "protocol": self.protocol,
            "n": self.n,
            **{name: None if rate is None else rate.to_dict() for name, rate in rates.items()},
            "table": self.table,
            "bond_source": self.bond_source,
            "sources": self.sources,
            "reference": self.reference,
            "definitions": self.definitions,
            "unreadable": self.unreadable.to_dict(),
            "unknown_elements": self.unknown_elements,
            "notes": self.notes,
        }

    def to_text(self) -> str:
        """An aligned table for people, with the notes below it."""
        head = ("metric", "value", "numerator / denominator", "95 % interval")
        rates = self.rates | self.extra_rates
        lines = [head, *((name.replace("_", " "), *_cells(rate)) for name, rate in rates.items())]
        widths = [max(len(line[k]) for line in lines) for k in range(4)]
        aligned = [
            f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}".rstrip() for a, b, c, d in lines
        ]
        sources = ", ".join(self.sources) or "nothing"
        title = f"protocol {self.protocol}, table {self.table}: {self.n:,} records from {sources}"
        reference = []
        if self.reference is not None:
            fingerprint = str(self.reference["fingerprint"])[:16]
            reference = [
                f"reference: {self.reference['name']}, {self.reference['distinct']:,} different SMILES, {fingerprint}"
            ]
        unreadable = [f"unreadable: {self.unreadable.count:,}"] if self.unreadable.count else []
        return "\n".join(
            [title, "", *aligned, "", *reference, *unreadable, *(f"note: {note}" for note in self.notes)]
        ).rstrip()


def _cells(rate: Rate | None) -> tuple[str, str, str]:
    if rate is None or rate.value is None or rate.low is None or rate.high is None:
        return "-", "-" if rate is None else f"{rate.numerator:,} / {rate.denominator:,}", "-"
    counts = f"{rate.numerator:,} / {rate.denominator:,}"
    return f"{100 * rate.value:.2f} %", counts, f"{100 * rate.low:.2f} to {100 * rate.high:.2f} %"
