"""EDM's protocol (Hoogeboom et al. 2022): stability, validity, uniqueness and novelty on bonds found by distance.

Atom stability: atoms whose sum of bond orders is allowed / all atoms. Molecule stability: molecules with only such
atoms / all molecules, connected or not. Validity: molecules that RDKit sanitises without charges / all; each stands for
the SMILES of its largest fragment. Uniqueness: different SMILES / valid. Novelty: different SMILES that the training
set, rebuilt by the same lookup, does not have / different SMILES.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from rdkit import rdBase

from molgen.chemistry.bonds import find_bonds
from molgen.chemistry.rebuild import largest_fragment_smiles, num_fragments, rebuild_molecules, sanitise
from molgen.chemistry.tables import TABLE, edm_tables, table_rows
from molgen.elements import SYMBOLS
from molgen.scoring.hashes import HashSet, contains, smiles_hash
from molgen.scoring.novelty import Reference
from molgen.scoring.rates import ClusteredCount, Rate
from molgen.scoring.records import Chunk, Record, map_chunks
from molgen.scoring.summary import Row, Summary, UnreadableList
from molgen.structure import Structure

ATOMS_NAMED = 3
"""Unstable atoms that a reason names before it says "and k more"."""

DEFINITIONS = {
    "atom_stability": "atoms with an allowed sum of bond orders / atoms of all structures that could be read; "
    "the interval treats molecules, not atoms, as independent",
    "molecule_stability": "structures with only stable atoms / all records, unreadable ones included",
    "validity": "structures that RDKit sanitises without charges / all records, unreadable ones included",
    "uniqueness": "different SMILES of largest fragments / valid structures; falls as the sample grows",
    "novelty": "different SMILES absent from the reference / different SMILES",
    "valid_unique": "different SMILES / all records",
    "valid_unique_novel": "different SMILES absent from the reference / all records",
    "connected": "structures in one piece / all records; plays no part in validity here",
}


class EdmScorer:
    """Scores a stream in constant memory (8 bytes per different molecule apart).

    Args:
        reference: Training molecules for novelty, or None to leave novelty out.
    """

    name = "edm"

    def __init__(self, reference: Reference | None = None) -> None:
        if reference is not None:
            reference.check_table(TABLE)
        self.reference = reference
        self._atoms = ClusteredCount()
        self._seen = HashSet()
        self._counts: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._hydrogens = False
        self._sources: Counter[str] = Counter()
        self._unreadable = UnreadableList()

    def rows(
        self, records: Iterable[Record], *, workers: int = 1, progress: Callable[[int, int | None], None] | None = None
    ) -> Iterator[Row]:
        """One row per record, in order, as the stream is read.

        Args:
            records: Structures and unreadable records.
            workers: Processes; -1 for one per core.
            progress: Called with (done, None) after every chunk.
        """
        for scored in map_chunks(score_chunk, records, workers):
            rows = self._with_uniqueness(scored.rows)
            self._unknown.update(scored.unknown_elements)
            self._hydrogens |= scored.hydrogens
            for row, is_readable in zip(rows, scored.readable, strict=True):
                self._count(row, is_readable)
                yield row
            if progress is not None:
                progress(self._counts["n"], None)

    def _with_uniqueness(self, rows: list[Row]) -> list[Row]:
        valid = [k for k, row in enumerate(rows) if row.valid]
        hashes = np.array([smiles_hash(rows[k].smiles) for k in valid], np.uint64)
        first = self._seen.add(hashes)
        novel = None if self.reference is None else ~contains(self.reference.hashes, hashes)
        rows = list(rows)
        for place, k in enumerate(valid):
            is_novel = None if novel is None else bool(novel[place])
            rows[k] = replace(rows[k], unique=bool(first[place]), novel=is_novel)
        return rows

    def _count(self, row: Row, is_readable: bool) -> None:
        self._sources[row.source or "memory"] += 1
        if row.n_atoms:
            self._atoms.add(row.stable_atoms, row.n_atoms)
        self._counts["n"] += 1
        self._counts["molecule_stable"] += row.molecule_stable
        self._counts["valid"] += row.valid
        self._counts["connected"] += row.fragments == 1
        self._counts["unique"] += bool(row.unique)
        self._counts["novel"] += bool(row.unique and row.novel)
        if not is_readable:
            self._unreadable.add(row)

    def summary(self) -> Summary:
        """Rates over everything seen so far."""
        count, n = self._counts, self._counts["n"]
        novelty = novel_yield = None
        if self.reference is not None:
            novelty = Rate.wilson(count["novel"], count["unique"])
            novel_yield = Rate.wilson(count["novel"], n)
        return Summary(
            protocol=self.name,
            table=TABLE,
            bond_source="lookup of interatomic distances; bonds and charges stated in the files are ignored",
            n=n,
            sources=dict(self._sources),
            rates={
                "atom_stability": self._atoms.rate(),
                "molecule_stability": Rate.wilson(count["molecule_stable"], n),
                "validity": Rate.wilson(count["valid"], n),
                "uniqueness": Rate.wilson(count["unique"], count["valid"]),
                "novelty": novelty,
            },
            extra_rates={
                "valid_unique": Rate.wilson(count["unique"], n),
                "valid_unique_novel": novel_yield,
                "connected": Rate.wilson(count["connected"], n),
            },
            definitions=DEFINITIONS,
            reference=None if self.reference is None else self.reference.describe(),
            unreadable=self._unreadable,
            unknown_elements=dict(self._unknown),
            notes=self._notes(),
        )

    def _notes(self) -> list[str]:
        notes = []
        if self.reference is None:
            notes.append("no reference given: novelty is not defined")
        elif self._counts["valid"] and self.reference.hydrogens is (not self._hydrogens):
            scored, known = ("with", "without") if self._hydrogens else ("without", "with")
            notes.append(
                f"the structures are {scored} hydrogens, reference {self.reference.name} is {known}: their SMILES can "
                "never agree, so novelty means nothing here"
            )
        if self._unknown:
            elements = ", ".join(f"{symbol} ({k} atoms)" for symbol, k in sorted(self._unknown.items()))
            notes.append(f"table {TABLE} has no valence for {elements}: these structures count as unstable and invalid")
        return notes


def score_edm(structures: Iterable[Structure], reference: Reference | None = None) -> tuple[Summary, list[Row]]:
    """Score structures held in memory or streamed.

    Args:
        structures: Molecules; their own bonds and charges are ignored.
        reference: Training molecules, or None.

    Returns:
        The rates and one row per structure.
    """
    scorer = EdmScorer(reference)
    rows = list(scorer.rows(map(Record, structures)))
    return scorer.summary(), rows


@dataclass(frozen=True)
class ScoredChunk:
    """What a worker sends back: rows without uniqueness, which were readable, unknown elements, any hydrogen."""

    rows: list[Row]
    readable: list[bool]
    unknown_elements: Counter[str]
    hydrogens: bool


def score_chunk(chunk: Chunk) -> ScoredChunk:
    """Everything about a chunk that needs no other chunk."""
    tables = edm_tables()
    numbers = table_rows(chunk.numbers)
    bonds = find_bonds(numbers, chunk.positions, chunk.sizes)
    valences = bonds.valences(len(numbers))
    stable = tables.stable(numbers, valences)
    known = tables.known[numbers]
    ends = np.cumsum(chunk.sizes).tolist()
    rows: list[Row] = []
    with rdBase.BlockLogs():
        for k, molecule in enumerate(rebuild_molecules(numbers, bonds, chunk.sizes)):
            row = Row(chunk.start + k, chunk.sources[k], chunk.names[k], int(chunk.num_atoms[k]))
            if chunk.problems[k]:
                rows.append(replace(row, reason=chunk.problems[k]))
                continue
            atoms = slice(ends[k] - int(chunk.sizes[k]), ends[k])
            all_stable, all_known = bool(stable[atoms].all()), bool(known[atoms].all())
            reasons = [] if all_stable else [_unstable(chunk.numbers[atoms], valences[atoms], stable[atoms])]
            fragments = num_fragments(molecule)
            error = sanitise(molecule) if all_known else "an element outside the table"
            if error:
                reasons.append(f"sanitisation: {error}")
            smiles = "" if error else largest_fragment_smiles(molecule)
            rows.append(
                replace(
                    row,
                    stable_atoms=int(stable[atoms].sum()),
                    molecule_stable=all_stable,
                    valid=not error,
                    smiles=smiles,
                    fragments=fragments,
                    reason="; ".join(reasons),
                )
            )
    unknown = Counter(_symbol(z) for z in chunk.numbers[~known].tolist())
    return ScoredChunk(rows, [not problem for problem in chunk.problems], unknown, bool((numbers == 1).any()))


def _unstable(numbers: np.ndarray, valences: np.ndarray, stable: np.ndarray) -> str:
    """Names the first unstable atoms, counted from 0, with what they have and what is allowed."""
    atoms = np.flatnonzero(~stable)
    parts = []
    for atom in atoms[:ATOMS_NAMED].tolist():
        z = int(numbers[atom])
        if allowed := edm_tables().valences(z):
            parts.append(
                f"atom {atom} {_symbol(z)} has valence {valences[atom]}, allowed {' or '.join(map(str, allowed))}"
            )
        else:
            parts.append(f"atom {atom} is {_symbol(z)}, which table {TABLE} does not know")
    if len(atoms) > ATOMS_NAMED:
        parts.append(f"and {len(atoms) - ATOMS_NAMED} more unstable atoms")
    return "; ".join(parts)


def _symbol(number: int) -> str:
    return SYMBOLS[number] if 1 <= number < len(SYMBOLS) else f"Z={number}"
