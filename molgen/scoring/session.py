"""One scoring run: a stream of records in, a stream of rows out, and a summary of the rows."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.chemistry.perception import check_source
from molgen.errors import ConfigError
from molgen.scoring.gene_records import InvalidGene
from molgen.scoring.hashes import Hashes, HashSet, contains, smiles_hash
from molgen.scoring.novelty import OtherFormError, Reference
from molgen.scoring.protocol import SMILES_OF_LOOKUP, Gathering, Given, Known, Progress, Protocol, Row
from molgen.scoring.protocols import make_protocol
from molgen.scoring.protocols.novelty import Novelty
from molgen.scoring.protocols.prediction import Match
from molgen.scoring.records import Chunk, Record, in_chunks
from molgen.scoring.summary import Summary
from molgen.scoring.twins import Twins
from molgen.scoring.work import ScoreChunk, Work
from molgen.structure import Structure
from molgen.symmetry.gene import Gene
from molgen.workers import ordered_map

_LOOKUP = (SMILES_OF_LOOKUP, "lookup")
_HYDROGEN = re.compile(r"H(?![a-z])")


def make_protocols(names: Sequence[str], given: Given, bonds: str) -> list[Protocol]:
    """The protocols of a run; what is wrong with its options is noticed here, before minutes of work.

    Raises:
        ConfigError: There is no such protocol or bond source, a protocol is named twice, or needs what is not given.
        MissingError: A protocol needs an optional package that is not installed.
    """
    if not names or len(set(names)) != len(names):
        raise ConfigError(f"need different protocols, got {', '.join(names) or 'none'}")
    check_source(bonds)
    return [make_protocol(name, given) for name in names]


class Session:
    """Scores a stream in memory that does not grow with it, but for 8 bytes per different molecule and quantity.

    Args:
        protocols: Names; see ``molgen.scoring.protocols``.
        reference: What ``Reference.open`` takes, a Reference, or None to leave novelty out. For crystals what
            ``known_crystals`` takes.
        targets: What ``known_crystals`` takes: the crystals that the structures are predictions of; None for none.
        hull: File of reference energies, see ``molgen.scoring.hull_file``; None for none.
        bonds: Bond source for protocols that do not find bonds themselves.
        timeout: Seconds per structure and protocol.
        distributions: Compare with these distributions, or None.
        workers: Processes for building the reference.
        progress: Of building the reference.

    Raises:
        ConfigError: Unknown protocol or bond source.
        MissingError: An optional package, or the reference, is missing.
    """

    def __init__(
        self,
        protocols: Sequence[str] = ("edm",),
        reference: Reference | str | Path | None = None,
        *,
        targets: str | None = None,
        hull: str | None = None,
        bonds: str = "auto",
        timeout: float = 60.0,
        distributions: Any = None,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> None:
        named = "" if reference is None or isinstance(reference, Reference) else str(reference)
        given = Given(named, targets or "", hull or "")
        self.protocols = make_protocols(protocols, given, bonds)
        source = "" if distributions is None else distributions.bonds
        self.work = Work(tuple(protocols), bonds, timeout, source, given)
        self._distributions = distributions
        self._sums: Any = None
        self._notes: list[str] = []
        self._known = self._known_crystals()
        self._references = self._open(reference, workers, progress)
        self._twins = {p: Twins(timeout) for p in self.protocols if p.compares_crystals}
        made = {p.name: p.gathering(workers, progress) for p in self.protocols}
        self._gathered: dict[str, Gathering] = {name: one for name, one in made.items() if one is not None}
        self._known |= {name: one.known for name, one in self._gathered.items() if one.known is not None}
        self._unique_before: dict[int, Row] = {}
        self._seen = {p.name: HashSet() for p in self.protocols if p.identity}
        self._hydrogens = False
        spec = reference.name if isinstance(reference, Reference) else str(reference or targets)
        sets = [known.describe() for known in self._references.values()]
        sets += [known.describe() | {"use": use} for use, known in self._known.items()]
        described = {"spec": spec, "sets": sets} if sets else None
        novelty = {p.name for p in self._telling_apart() if self._form(p) in self._references}
        novelty |= {p.name for p in self.protocols if p.tells_novelty and given.reference}
        self._summary = Summary(self.protocols, bonds, described, novelty)

    def rows(
        self,
        records: Iterable[Record],
        *,
        workers: int = 1,
        dask: str | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Row]:
        """One row per record, in order, as the stream is read; continues behind the rows that were restored.

        Args:
            records: Structures and unreadable records, from the first one on.
            workers: Processes; -1 for one per core.
            dask: Address of a dask scheduler whose workers are used instead.
            progress: Called with (done, None) after every chunk.
        """
        done = self._summary.n
        stream = iter(records)
        self._keep_twins(islice(stream, done))
        chunks = in_chunks(stream, self.work.chunk_structures, done)
        waiting: deque[Chunk] = deque()  # results come back in order, so the first one waiting is theirs
        for scored in ordered_map(ScoreChunk(self.work), _noted(chunks, waiting), workers, dask):
            self._add_twins(scored.rows, waiting.popleft())
            self._add_identity(scored.rows)
            for name, gathered in self._gathered.items():
                gathered.fill(scored.rows, f"{name}.")
            if scored.sums is not None:
                self._sums = scored.sums if self._sums is None else self._sums.merge(scored.sums)
            for row in scored.rows:
                self._count(row)
                yield row
            if progress is not None:
                progress(self._summary.n, None)
        for twins in self._twins.values():
            twins.close()

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the rows, as JSON values."""
        return {
            "protocols": {protocol.name: protocol.version for protocol in self.protocols},
            "bonds": self.work.bonds,
            "timeout": self.work.timeout,
            "crystals": {use: known.fingerprint for use, known in self._known.items()},
            "novelty": {known.table: known.fingerprint for known in self._references.values()},
            "distributions": None if self._distributions is None else self._distributions.description,
        }

    @property
    def state(self) -> Callable[[], Mapping[str, NDArray]]:
        """Makes arrays of what the rows do not hold, sums of features, as it is now, however much is added later."""
        make: Callable[[], Mapping[str, NDArray]] = dict if self._sums is None else self._sums.to_arrays
        return make

    def restore(self, rows: Iterable[Row], state: Mapping[str, NDArray]) -> None:
        """Count the rows of an earlier part of the same run, and take over the arrays of its ``state``."""
        for row in rows:
            self._replay(row)
        if state:
            from molgen.scoring.distributions.histograms import Sums

            self._sums = Sums.from_arrays(state)

    def _replay(self, row: Row) -> None:
        if any(row.get(f"{protocol.name}.unique") for protocol in self._twins):
            self._unique_before[int(row["index"] or 0)] = row
        for name, gathered in self._gathered.items():
            gathered.fill([row], f"{name}.")
        for protocol in self._telling_apart():
            if row.get(f"{protocol.name}.unique"):
                self._seen[protocol.name].add(_hashes([row[f"{protocol.name}.smiles"]]))
        self._count(row)

    def summary(self) -> Summary:
        """Over everything counted so far."""
        summary = self._summary
        if self._distributions is not None and self._sums is not None:
            from molgen.scoring.distributions.compare import compare

            summary.distributions = compare(self._sums, self._distributions)
        summary.computed = {name: gathered.results() for name, gathered in self._gathered.items()}
        summary.notes = [*self._notes, *self._hydrogen_notes(), *self._bond_notes()]
        return summary

    def _count(self, row: Row) -> None:
        self._hydrogens = self._hydrogens or _HYDROGEN.search(str(row["formula"] or "")) is not None
        self._summary.add(row)

    def _open(
        self, reference: Reference | str | Path | None, workers: int, progress: Progress | None
    ) -> dict[tuple[str, str], Reference]:
        """The reference in the form of SMILES of each protocol."""
        if reference is None:
            if self._telling_apart() or any(p.tells_novelty for p in self.protocols):
                self._notes.append("no reference given: novelty is not defined")
            return {}
        found: dict[tuple[str, str], Reference] = {}
        refused: list[OtherFormError] = []
        for form in {self._form(p): None for p in self._telling_apart()}:
            identity, bonds = form
            try:
                if isinstance(reference, Reference):
                    reference.check_table(identity if identity == SMILES_OF_LOOKUP else f"{identity}:{bonds}")
                    found[form] = reference
                else:
                    found[form] = Reference.open(reference, identity, bonds, workers=workers, progress=progress)
            except OtherFormError as error:
                refused.append(error)
        if refused:
            all_refused = OtherFormError(refused[0].reference, *(form for error in refused for form in error.wanted))
            if not found:
                raise all_refused
            names = ", ".join(p.name for p in self._telling_apart() if self._form(p) not in found)
            self._notes.append(f"novelty of {names} is not defined: {all_refused}")
        if not found and not any(protocol.crystals or protocol.tells_novelty for protocol in self.protocols):
            self._notes.append("no protocol here tells molecules apart: the reference plays no part in them")
        if _LOOKUP in found and found[_LOOKUP].table == "SMILES":
            self._notes.append(
                "the reference is SMILES, while protocol edm scores what the lookup makes of coordinates: where the "
                "lookup gets bonds wrong, a known molecule counts as novel; give known coordinates for novelty by edm"
            )
        return found

    def _form(self, protocol: Protocol) -> tuple[str, str]:
        """Identity and bond source of the SMILES of a protocol; the lookup's have no other bonds."""
        if protocol.identity == SMILES_OF_LOOKUP:
            return _LOOKUP
        return protocol.identity, protocol.bonds or self.work.bonds

    def _telling_apart(self) -> list[Protocol]:
        return [protocol for protocol in self.protocols if protocol.identity]

    def _add_identity(self, rows: list[Row]) -> None:
        """Fill in ``unique`` and ``novel`` of the valid rows of a chunk."""
        for protocol in self._telling_apart():
            valid = [row for row in rows if row.get(f"{protocol.name}.valid")]
            hashes = _hashes([row[f"{protocol.name}.smiles"] for row in valid])
            first = self._seen[protocol.name].add(hashes).tolist()
            known = self._references.get(self._form(protocol))
            novel = [None] * len(valid) if known is None else (~contains(known.hashes, hashes)).tolist()
            for row, is_first, is_novel in zip(valid, first, novel, strict=True):
                row |= {f"{protocol.name}.unique": is_first, f"{protocol.name}.novel": is_novel}

    def _known_crystals(self) -> dict[str, Known]:
        """What protocols of crystals are measured against, by its use; read here so that errors come early."""
        found: dict[str, Known]
        found = {p.name: p.known for p in self.protocols if isinstance(p, Novelty) and self.work.given.reference}
        return found | {p.name: p.targets for p in self.protocols if isinstance(p, Match)}

    def _keep_twins(self, records: Iterable[Record]) -> None:
        """Take up the crystals that an earlier part of the run found to be the first of their kind."""
        for index, record in enumerate(records):
            row = self._unique_before.pop(index, None)
            if row is not None and isinstance(record.item, Structure):
                for protocol, twins in self._twins.items():
                    if row.get(f"{protocol.name}.unique"):
                        twins.keep(index, record.item, protocol.kind_of(row, record.item))

    def _add_twins(self, rows: list[Row], chunk: Chunk) -> None:
        """Fill in ``unique`` and ``copy_of`` of the comparable rows of a chunk."""
        for protocol, twins in self._twins.items():
            for index, (row, crystal) in enumerate(zip(rows, chunk.structures, strict=True), chunk.start):
                shared = None if crystal is None else protocol.kind_of(row, crystal)
                if crystal is not None and shared is not None:
                    first = twins.first_of_kind(index, crystal, shared)
                    row |= {f"{protocol.name}.unique": first is None, f"{protocol.name}.copy_of": first}

    def _bond_notes(self) -> list[str]:
        looked_up = self._summary.bonds_used["lookup"]
        if self.work.bonds != "auto" or not looked_up:
            return []
        return [
            f"{looked_up:,} structures state no bonds and got those of EDM's lookup, distances tuned on QM9; "
            "for larger or charged molecules use --bonds xyz2mol"
        ]

    def _hydrogen_notes(self) -> list[str]:
        known = self._references.get(_LOOKUP)
        if known is None or not self._summary.n or known.hydrogens is not (not self._hydrogens):
            return []
        scored, other = ("with", "without") if self._hydrogens else ("without", "with")
        return [
            f"the structures are {scored} hydrogens, reference {known.name} is {other}: their lookup SMILES can never "
            "agree, so novelty by protocol edm means nothing here"
        ]


def _noted(chunks: Iterable[Chunk], waiting: deque[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        waiting.append(chunk)
        yield chunk


def _hashes(smiles: Iterable[Any]) -> Hashes:
    return np.array([smiles_hash(str(text)) for text in smiles], np.uint64)


def open_distributions(
    reference: Reference | str | Path | None,
    bonds: str,
    first: Structure | Gene | InvalidGene | None = None,
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Any:
    """The distributions that structures are compared with, their bonds found as those of the structures are.

    Args:
        reference: A data set or a file.
        bonds: Bond source.
        first: The first readable structure to be scored: with ``auto``, if it states no bonds, those of the reference
            are looked up too. Genes have no coordinates to compare.
        workers: Processes.
        progress: Called with (done, all).

    Raises:
        ConfigError: The reference or what is scored has no coordinates.
    """
    from molgen.scoring.distributions.reference import DistributionReference

    if reference is None or isinstance(reference, Reference):
        raise ConfigError(
            "distributions need a reference with coordinates", hint="--reference qm9, or a structure file"
        )
    if isinstance(first, Gene | InvalidGene):
        raise ConfigError("genes have no coordinates to compare", hint="protocol genes has their distances by itself")
    if bonds == "auto" and first is not None and first.bonds is None and first.lattice is None:
        bonds = "lookup"
    return DistributionReference.open(str(reference), bonds, workers=workers, progress=progress)
