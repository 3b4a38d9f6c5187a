"""Symmetry of crystals: the space group that spglib finds at stated tolerances, and how many have none."""

from __future__ import annotations

from typing import ClassVar

from molgen.chemistry.crystal_systems import crystal_system
from molgen.chemistry.periodic_distances import CellDistances
from molgen.chemistry.unit_cell import TOLERANCE, space_group
from molgen.scoring.protocol import REASON, Column, Metric, Row, Share
from molgen.scoring.protocols.crystals import CrystalProtocol
from molgen.scoring.subject import Subject

TIGHT = 0.01
"""Tolerance in angstrom, spglib's and pymatgen's default for refined structures."""


class Symmetry(CrystalProtocol):
    """Space groups at 0.1 angstrom, as the Materials Project and WyFormer take them, and at 0.01."""

    name = "symmetry"
    version = f"spglib-1 ({TOLERANCE:g} and {TIGHT:g} angstrom)"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("found", "bool", "spglib finds a space group at 0.1 angstrom"),
        Column("space_group", "int", "its number, 1 to 230"),
        Column("crystal_system", "str", "of the space group"),
        Column("p1", "bool", "space group 1 at 0.1 angstrom: no symmetry but translations"),
        Column("symmetric", "bool", "a space group other than 1 at 0.1 angstrom"),
        Column("tight_space_group", "int", "number of the space group at 0.01 angstrom"),
        Column("tight_p1", "bool", "space group 1 at 0.01 angstrom"),
        Column("same_at_both", "bool", "one space group at both tolerances: it is symmetric, not nearly so"),
        REASON,
    )
    metrics: ClassVar[tuple[Metric, ...]] = (
        Share("p1", ("p1",), "no symmetry but translations at 0.1 angstrom / those with a space group", ("found",)),
        Share("p1_tight", ("tight_p1",), "the same at 0.01 angstrom / those with a space group", ("found",)),
        Share("symmetric", ("symmetric",), "a space group other than P1 at 0.1 angstrom / all records"),
        Share("same_at_both", ("same_at_both",), "same space group at 0.1 and 0.01 angstrom / found", ("found",)),
    )
    failed: ClassVar[Row] = {"found": False, "symmetric": False}

    def values(self, subject: Subject, cell: CellDistances) -> Row:
        loose, tight = (space_group(cell.structure, tolerance) for tolerance in (TOLERANCE, TIGHT))
        return {
            "found": loose is not None,
            "space_group": loose,
            "crystal_system": None if loose is None else crystal_system(loose),
            "p1": None if loose is None else loose == 1,
            "symmetric": loose is not None and loose > 1,
            "tight_space_group": tight,
            "tight_p1": None if tight is None else tight == 1,
            "same_at_both": loose is not None and loose == tight,
            "reason": "" if loose is not None else f"no space group: spglib finds none at {TOLERANCE:g} angstrom",
        }
