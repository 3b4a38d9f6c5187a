"""The columns of every row, whatever the protocols: what the record itself says."""

from __future__ import annotations

from collections.abc import Callable

from molgen.elements import hill_formula
from molgen.scoring.protocol import Row, Value
from molgen.scoring.records import Record
from molgen.structure import Structure
from molgen.symmetry.gene import Gene


def _formula(index: int, record: Record) -> str:
    item = record.item
    if isinstance(item, Gene):
        return item.formula
    return hill_formula(item.numbers.tolist()) if isinstance(item, Structure) and not record.problem else ""


def _name(index: int, record: Record) -> str:
    return record.item.name if isinstance(record.item, Structure | Gene) else ""


def _n_atoms(index: int, record: Record) -> int:
    if isinstance(record.item, Gene):
        return len(record.item.numbers)
    return len(record.item) if isinstance(record.item, Structure) else 0


_COLUMNS: dict[str, tuple[str, Callable[[int, Record], Value]]] = {
    "index": ("int", lambda index, record: index),
    "source": ("str", lambda index, record: record.source),
    "name": ("str", _name),
    "formula": ("str", _formula),
    "n_atoms": ("int", _n_atoms),
    "bonds": ("str", lambda index, record: None),  # known once a protocol has asked for them
    "problem": ("str", lambda index, record: record.problem),
}
COMMON_KINDS = {name: kind for name, (kind, _) in _COLUMNS.items()}
"""Type of each of them (bool, int, float or str), in order."""


def common_columns(index: int, record: Record) -> Row:
    """Their values for one record, ``index`` being its place in the whole stream."""
    return {name: value(index, record) for name, (_, value) in _COLUMNS.items()}
