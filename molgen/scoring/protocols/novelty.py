"""Which crystals differ from those before them, and from known ones."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from molgen.chemistry.composition import Composition, reduced_composition
from molgen.chemistry.crystal_matching import SAME, CrystalMatcher
from molgen.chemistry.periodic_distances import CellDistances
from molgen.scoring.known_crystals import KnownCrystals, known_crystals
from molgen.scoring.protocol import REASON, Column, Given, Metric, Row, Share
from molgen.scoring.protocols.crystals import CrystalProtocol
from molgen.scoring.subject import Subject
from molgen.structure import Structure


class Novelty(CrystalProtocol):
    """Uniqueness and novelty by StructureMatcher.

    Only crystals of the same reduced composition are compared: the matcher can call no others the same, so that this
    loses nothing. ``unique`` needs the records before a record; the session fills it in.

    Args:
        reference: What :func:`known_crystals` takes; empty for none.
    """

    name = "novelty"
    version = f"structure-matcher-1 ({SAME})"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("comparable", "bool", "it has a cell that can be reduced"),
        Column("unique", "bool", "no comparable record before it is the same crystal"),
        Column("copy_of", "int", "index of the first record that is the same crystal; empty if unique"),
        Column("novel", "bool", "no known crystal is the same"),
        Column("known_as", "str", "the first known crystal that is the same"),
        REASON,
    )
    metrics: ClassVar[tuple[Metric, ...]] = (
        Share("uniqueness", ("unique",), "different crystals / comparable; falls as the sample grows", ("comparable",)),
        Share("novelty", ("unique", "novel"), "different crystals absent from the reference / different", ("unique",)),
        Share("unique_of_all", ("unique",), "different crystals / all records"),
        Share("unique_novel", ("unique", "novel"), "different crystals absent from the reference / all records"),
    )
    compares_crystals = True
    failed: ClassVar[Row] = {"comparable": False}

    def __init__(self, reference: str = "") -> None:
        self._spec = reference

    @classmethod
    def of(cls, given: Given) -> Novelty:
        return cls(given.reference)

    def kind_of(self, row: Row, crystal: Structure) -> Composition | None:
        return reduced_composition(crystal.numbers.tolist()) if row.get(f"{self.name}.comparable") else None

    @cached_property
    def known(self) -> KnownCrystals:
        """The known crystals; a data set named without a split means its train split."""
        return known_crystals(self._spec, "train")

    @cached_property
    def _matcher(self) -> CrystalMatcher:
        return CrystalMatcher(SAME)

    def values(self, subject: Subject, cell: CellDistances) -> Row:
        row: Row = dict.fromkeys(column.name for column in self.columns)
        row |= {"comparable": True, "reason": ""}
        if self._spec:
            structure = subject.structure
            alike = self.known.with_composition(reduced_composition(structure.numbers.tolist()))
            found = next((place for place in alike if self._matcher.same(structure, self.known[place])), None)
            row |= {"novel": found is None, "known_as": None if found is None else self.known.labels[found]}
        return row
