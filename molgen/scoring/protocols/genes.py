"""Genes as they were sampled, before any coordinates: whether they can be, whether they are new, how they spread."""

from __future__ import annotations

from typing import ClassVar

from molgen.chemistry.charge_balance import TABLE, is_charge_balanced
from molgen.chemistry.crystal_systems import crystal_system
from molgen.scoring.gene_columns import GENE_COLUMNS, NOVEL, gene_metrics, gene_values
from molgen.scoring.gene_gathering import GeneGathering
from molgen.scoring.gene_records import InvalidGene
from molgen.scoring.known_genes import Progress, known_genes
from molgen.scoring.protocol import REASON, ChunkProtocol, Column, Given, Metric, Row, Share
from molgen.scoring.protocols.crystals import NO_BONDS
from molgen.scoring.records import Chunk, Record
from molgen.scoring.subject import Subject
from molgen.symmetry.gene import Gene


class Genes(ChunkProtocol):
    """Formal validity, composition, novelty and distributions of genes (Kazeev et al., ICML 2025).

    Args:
        reference: What :func:`known_genes` takes; empty for none.
    """

    name = "genes"
    version = f"genes-1 ({TABLE})"
    bond_source = NO_BONDS
    columns: ClassVar[tuple[Column, ...]] = (
        Column("valid", "bool", "real elements on positions of the group, no point without freedom used twice"),
        Column("composition_valid", "bool", "one oxidation state per element balances charges, or an alloy or element"),
        Column("space_group", "int", "its number, 1 to 230"),
        Column("crystal_system", "str", "of the space group"),
        Column("p1", "bool", "space group 1: no symmetry but translations"),
        Column("unique", "bool", "no record before it has its fingerprint"),
        Column("novel", "bool", "no known gene has its fingerprint"),
        *GENE_COLUMNS,
        REASON,
    )
    metrics: ClassVar[tuple[Metric, ...]] = (
        Share("formal_validity", ("valid",), "genes that a crystal can have / all records"),
        Share("composition_validity", ("composition_valid",), "charges can be balanced / valid", ("valid",)),
        Share("p1", ("p1",), "space group 1 / valid", ("valid",)),
        *gene_metrics("valid", "valid"),
        Share("composition_validity_of_novel", ("composition_valid",), "charges can be balanced / novel ones", NOVEL),
    )
    notes: ClassVar[tuple[str, ...]] = (
        "n_atoms and formula are of the primitive cell; a data set as reference means its train and valid splits, for "
        "novelty and for templates, and its test split, for distances",
        f"oxidation states: {TABLE}, pinned; about 90 % of real crystals are valid in composition",
    )

    def __init__(self, reference: str = "") -> None:
        self._spec = reference

    @classmethod
    def of(cls, given: Given) -> Genes:
        return cls(given.reference)

    def gathering(self, workers: int, progress: Progress | None) -> GeneGathering:
        return GeneGathering(known_genes(self._spec, workers, progress) if self._spec else None)

    def check(self, subject: Subject) -> Row:
        raise TypeError("genes are not structures; they are scored in chunks")

    def check_chunk(self, chunk: Chunk) -> list[Row]:
        return [self._values(record) for record in chunk.records]

    def _values(self, record: Record) -> Row:
        if isinstance(record.item, InvalidGene):
            return {"valid": False, "reason": record.item.reason}
        if not isinstance(record.item, Gene):
            return {}
        gene = record.item
        balanced = is_charge_balanced(gene.numbers)
        return {
            "valid": True,
            "composition_valid": balanced,
            "crystal_system": crystal_system(gene.number),
            "p1": gene.number == 1,
            **gene_values(gene),
            "reason": "" if balanced else "charges not balanced: no choice of oxidation states is neutral",
        }
