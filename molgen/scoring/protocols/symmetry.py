"""Symmetry of crystals: space groups at stated tolerances, genes, and whether these are new."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from molgen.chemistry.composition import reduced_composition
from molgen.chemistry.crystal_matching import SAME, CrystalMatcher
from molgen.chemistry.crystal_systems import crystal_system
from molgen.chemistry.genes import gene_of, gene_of_symmetry
from molgen.chemistry.periodic_distances import CellDistances
from molgen.chemistry.unit_cell import TIGHT, TOLERANCE, space_group, symmetry
from molgen.errors import InputError
from molgen.scoring.gene_columns import GENE_COLUMNS, gene_metrics, gene_values
from molgen.scoring.gene_gathering import GeneGathering
from molgen.scoring.known_crystals import KnownCrystals, known_before
from molgen.scoring.known_genes import known_genes
from molgen.scoring.protocol import REASON, Column, Given, Metric, Progress, Row, Share
from molgen.scoring.protocols.crystals import CrystalProtocol
from molgen.scoring.subject import Subject
from molgen.structure import Structure
from molgen.symmetry.gene import ASKED, Gene
from molgen.symmetry.lines import is_gene_file


class Symmetry(CrystalProtocol):
    """Space groups at 0.1 angstrom, as the Materials Project and WyFormer take them, and at 0.01; genes at 0.1.

    A crystal is known where a known one has its gene and StructureMatcher calls the two the same (Kazeev et al., ICML
    2025, ``novelty.py``); the same decides whether it is unique.

    Args:
        reference: What :func:`known_genes` takes; empty for none. Of a file of genes the genes alone decide.
    """

    name = "symmetry"
    version = f"spglib-2 ({TOLERANCE:g} and {TIGHT:g} angstrom; genes; {SAME})"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("found", "bool", "spglib finds a space group at 0.1 angstrom"),
        Column("space_group", "int", "its number, 1 to 230"),
        Column("crystal_system", "str", "of the space group"),
        Column("p1", "bool", "space group 1 at 0.1 angstrom: no symmetry but translations"),
        Column("symmetric", "bool", "a space group other than 1 at 0.1 angstrom"),
        Column("tight_space_group", "int", "number of the space group at 0.01 angstrom"),
        Column("tight_p1", "bool", "space group 1 at 0.01 angstrom"),
        Column("same_at_both", "bool", "one space group at both tolerances: it is symmetric, not nearly so"),
        Column("asked", "bool", f"it states the space group that it was made to have, property {ASKED}"),
        Column("as_asked", "bool", "it has exactly that one at 0.1 angstrom"),
        Column("gene_found", "bool", "its orbits at 0.1 angstrom make a gene"),
        Column("unique", "bool", "no record before it has the same gene and is the same crystal"),
        Column("copy_of", "int", "index of the first record that is the same crystal; empty if unique"),
        Column("novel", "bool", "no known crystal has the same gene and is the same crystal"),
        Column("known_as", "str", "the first known crystal that is the same"),
        *GENE_COLUMNS,
        REASON,
    )
    metrics: ClassVar[tuple[Metric, ...]] = (
        Share("p1", ("p1",), "no symmetry but translations at 0.1 angstrom / those with a space group", ("found",)),
        Share("p1_tight", ("tight_p1",), "the same at 0.01 angstrom / those with a space group", ("found",)),
        Share("symmetric", ("symmetric",), "a space group other than P1 at 0.1 angstrom / all records"),
        Share("same_at_both", ("same_at_both",), "same space group at 0.1 and 0.01 angstrom / found", ("found",)),
        Share("as_asked", ("as_asked",), "exactly the space group asked for / those that state one", ("asked",)),
        Share("gene_found", ("gene_found",), "crystals with a gene / all records"),
        *gene_metrics("gene_found", "those with a gene"),
    )
    compares_crystals = True
    failed: ClassVar[Row] = {"found": False, "symmetric": False, "gene_found": False}
    notes: ClassVar[tuple[str, ...]] = (
        "a data set as reference means its train and valid splits, for novelty and for templates, and its test split, "
        "for distances",
    )

    def __init__(self, reference: str = "") -> None:
        self._spec = reference

    @classmethod
    def of(cls, given: Given) -> Symmetry:
        return cls(given.reference)

    def gathering(self, workers: int, progress: Progress | None) -> GeneGathering:
        return GeneGathering(known_genes(self._spec, workers, progress) if self._spec else None)

    def kind_of(self, row: Row, crystal: Structure) -> str | None:
        text = row.get(f"{self.name}.fingerprint")
        return None if text is None else str(text)

    @cached_property
    def _known(self) -> list[KnownCrystals]:
        return known_before(self._spec) if self._spec else []

    @cached_property
    def _matcher(self) -> CrystalMatcher:
        return CrystalMatcher(SAME)

    def check(self, subject: Subject) -> Row:
        row = super().check(subject)
        asked = subject.structure.properties.get(ASKED)
        is_asked = isinstance(asked, int | float)
        return row | {"asked": is_asked, "as_asked": row["space_group"] == asked if is_asked else None}

    def values(self, subject: Subject, cell: CellDistances) -> Row:
        row: Row = dict.fromkeys(column.name for column in self.columns)
        found, tight = symmetry(cell.structure, TOLERANCE), space_group(cell.structure, TIGHT)
        loose = None if found is None else int(found.number)
        row |= {
            "found": loose is not None,
            "space_group": loose,
            "crystal_system": None if loose is None else crystal_system(loose),
            "p1": None if loose is None else loose == 1,
            "symmetric": loose is not None and loose > 1,
            "tight_space_group": tight,
            "tight_p1": None if tight is None else tight == 1,
            "same_at_both": loose is not None and loose == tight,
        }
        try:
            gene = gene_of_symmetry(cell.structure, found)
        except InputError as error:
            return row | {"gene_found": False, "reason": str(error)}
        return row | gene_values(gene) | self._novelty(subject.structure, gene) | {"gene_found": True, "reason": ""}

    def _novelty(self, crystal: Structure, gene: Gene) -> Row:
        """``novel`` and ``known_as``; empty without known crystals: the session compares genes."""
        if not self._spec or is_gene_file(self._spec):
            return {}
        composition = reduced_composition(crystal.numbers.tolist())
        for known in self._known:
            for place in known.with_composition(composition):
                if _has_gene(known[place], gene) and self._matcher.same(crystal, known[place]):
                    return {"novel": False, "known_as": known.labels[place]}
        return {"novel": True, "known_as": None}


def _has_gene(crystal: Structure, gene: Gene) -> bool:
    """Whether a known crystal has a gene, at the same tolerance."""
    try:
        return gene_of(crystal, TOLERANCE).fingerprint == gene.fingerprint
    except InputError:
        return False
