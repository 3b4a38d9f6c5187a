"""Scoring: protocols that turn many structures into rates with numerators, denominators and intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molgen.structure import Structure
from molgen.symmetry.gene import Gene

if TYPE_CHECKING:
    from pandas import DataFrame

    from molgen.scoring.novelty import Reference
    from molgen.scoring.protocol import Row
    from molgen.scoring.records import Record

__all__ = ["Scores", "score"]


@dataclass(frozen=True)
class Scores:
    """What ``score`` returns.

    Attributes:
        summary: The document that ``molgen score --json`` prints.
        rows: One per structure, in order; columns are named ``protocol.column``.
        text: The tables that ``molgen score`` prints.
    """

    summary: dict[str, Any]
    rows: list[Row]
    text: str

    @property
    def table(self) -> DataFrame:
        """The rows as a table."""
        from pandas import DataFrame

        return DataFrame(self.rows)

    @property
    def metrics(self) -> DataFrame:
        """Every metric of every protocol as a table, with counts and intervals."""
        from pandas import DataFrame

        return DataFrame(
            {"protocol": name, "metric": metric, **(result or {})}
            for name, protocol in self.summary["protocols"].items()
            for metric, result in protocol["metrics"].items()
        )


def score(
    structures: Any,
    protocols: str | Sequence[str] = (),
    reference: Reference | str | Path | None = None,
    *,
    targets: str | None = None,
    hull: str | None = None,
    bonds: str = "auto",
    distributions: bool = False,
    timeout: float = 60.0,
    workers: int = 1,
    dask: str | None = None,
) -> Scores:
    """Score molecules, crystals or genes.

    Args:
        structures: A file (``"out.sdf"``), a data set (``"qm9:test"``), an AtomBatch, or one or many Structure, RDKit
            Mol (with a conformer), ASE Atoms or pymatgen objects; or Genes, or a file of them (``"genes.jsonl"``).
        protocols: Name or names of protocols; none for the usual ones of molecules, of crystals or of genes.
        reference: Known structures for novelty: a Reference, or what ``Reference.open`` takes, for example ``"qm9"``;
            for crystals a data set or a file.
        targets: Known crystals that the structures, named after them, are predictions of: a data set or a file.
        hull: File of reference energies for protocol sun, which ``molgen data hull`` makes.
        bonds: Bond source for protocols that do not find bonds themselves.
        distributions: Compare distributions with those of the reference, which must then be a data set or a file.
        timeout: Seconds per structure and protocol.
        workers: Processes; -1 for one per core.
        dask: Address of a dask scheduler whose workers are used instead.

    Raises:
        ConfigError: Unknown protocol or bond source, a protocol for the other kind of structures, or distributions
            without a reference that has coordinates.
        InputError: The structures or the reference cannot be read.
        MissingError: They, or an optional package, are not there.
    """
    from molgen.scoring.kinds import fitting_protocols
    from molgen.scoring.records import first_scored, scored_records
    from molgen.scoring.session import Session, open_distributions

    names = [protocols] if isinstance(protocols, str) else list(protocols)
    is_spec = isinstance(structures, str | Path)
    records = scored_records([str(structures)]) if is_spec else _records(structures)
    ahead, records = tee(records)
    first = first_scored(ahead)
    del ahead  # or all records behind the first would be held too
    names = fitting_protocols(names, first)
    target = open_distributions(reference, bonds, first, workers=workers) if distributions else None
    session = Session(
        names,
        reference,
        targets=targets,
        hull=hull,
        bonds=bonds,
        timeout=timeout,
        distributions=target,
        workers=workers,
    )
    rows = list(session.rows(records, workers=workers, dask=dask))
    summary = session.summary()
    return Scores(summary.to_dict(), rows, summary.to_text())


def _records(structures: Any) -> Iterator[Record]:
    from molgen.batch import AtomBatch
    from molgen.scoring.records import Record

    if isinstance(structures, AtomBatch):
        structures = structures.to_structures()
    many = [structures] if _library(structures) else structures
    if not isinstance(many, Iterable):
        raise TypeError(f"cannot score a {type(structures).__name__}")
    yield from (Record(_structure(item)) for item in many)


def _structure(item: Any) -> Structure | Gene:
    from molgen import convert

    if isinstance(item, Structure | Gene):
        return item
    converters: dict[str, Callable[[Any], Any]] = {
        "rdkit": convert.from_rdkit,
        "ase": convert.from_ase,
        "pymatgen": convert.from_pymatgen,
    }
    library = _library(item)
    if library not in converters:
        raise TypeError(
            f"cannot score a {type(item).__name__}; need Structure, Gene, RDKit Mol, ASE Atoms or pymatgen objects"
        )
    structure: Structure = converters[library](item)
    return structure


def _library(item: Any) -> str:
    """The library whose class (or whose class's base) a single structure is; empty for anything else."""
    roots = {base.__module__.partition(".")[0] for base in type(item).__mro__}
    return next((name for name in ("molgen", "rdkit", "ase", "pymatgen") if name in roots), "")
