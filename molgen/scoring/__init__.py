"""Scoring: protocols that turn many structures into rates with numerators, denominators and intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molgen.structure import Structure

if TYPE_CHECKING:
    from molgen.scoring.novelty import Reference
    from molgen.scoring.records import Record
    from molgen.scoring.summary import Row, Summary

__all__ = ["score"]


def score(
    structures: Any, protocol: str = "edm", reference: Reference | str | Path | None = None, *, workers: int = 1
) -> tuple[Summary, list[Row]]:
    """Score molecules.

    Args:
        structures: A file (``"out.sdf"``), a data set (``"qm9:test"``), an AtomBatch, or one or many Structure, RDKit
            Mol (with a conformer), ASE Atoms or pymatgen objects.
        protocol: Name of the protocol.
        reference: Training molecules for novelty: a Reference, or what ``Reference.open`` takes, for example ``"qm9"``.
        workers: Processes; -1 for one per core.

    Returns:
        The summary and one row per structure.

    Raises:
        ConfigError: Unknown protocol.
        InputError: The structures or the reference cannot be read.
        MissingError: They are not there.
    """
    from molgen.scoring.novelty import Reference
    from molgen.scoring.protocols import check_protocol, make_scorer
    from molgen.scoring.records import read_records

    check_protocol(protocol)
    if isinstance(reference, str | Path):
        reference = Reference.open(reference, workers=workers)
    scorer = make_scorer(protocol, reference)
    is_spec = isinstance(structures, str | Path)
    records = read_records([str(structures)]) if is_spec else _records(structures)
    rows = list(scorer.rows(records, workers=workers))
    return scorer.summary(), rows


def _records(structures: Any) -> Iterator[Record]:
    from molgen.batch import AtomBatch
    from molgen.scoring.records import Record

    if isinstance(structures, AtomBatch):
        structures = structures.to_structures()
    many = [structures] if _library(structures) else structures
    if not isinstance(many, Iterable):
        raise TypeError(f"cannot score a {type(structures).__name__}")
    yield from (Record(_structure(item)) for item in many)


def _structure(item: Any) -> Structure:
    from molgen import convert

    if isinstance(item, Structure):
        return item
    converters: dict[str, Callable[[Any], Any]] = {
        "rdkit": convert.from_rdkit,
        "ase": convert.from_ase,
        "pymatgen": convert.from_pymatgen,
    }
    library = _library(item)
    if library not in converters:
        raise TypeError(
            f"cannot score a {type(item).__name__}; need Structure, RDKit Mol, ASE Atoms or pymatgen objects"
        )
    structure: Structure = converters[library](item)
    return structure


def _library(item: Any) -> str:
    """The library whose class (or whose class's base) a single structure is; empty for anything else."""
    roots = {base.__module__.partition(".")[0] for base in type(item).__mro__}
    return next((name for name in ("molgen", "rdkit", "ase", "pymatgen") if name in roots), "")
