"""Validity from coordinates alone: bonds are always perceived, whatever the file states.

Valid means, as in Symphony (Daigavane et al., ICLR 2024): the perception finds bonds at the stated total charge (0
where none is stated) and RDKit sanitises the molecule. Neither one piece nor closed shells are asked for there; both
are columns, and the rate ``valid_connected`` asks for one piece. Where bonds were found only by assuming a radical or
another charge, ``note`` says so and the molecule is not valid.
"""

from __future__ import annotations

from typing import ClassVar

from molgen.chemistry.perception import check_source, perceive
from molgen.chemistry.sanitised import sanitised
from molgen.scoring.protocol import REASON, SMILES_OF_GRAPH, Column, Protocol, Row, Share
from molgen.scoring.protocols.explicit import CONNECTED, GRAPH_COLUMNS, NOTE, RADICALS, ZWITTERIONS, graph_values
from molgen.scoring.subject import Subject


class PerceivedProtocol(Protocol):
    """A protocol on the bonds of one source."""

    source: ClassVar[str]
    columns = (
        Column("perceived", "bool", "bonds were found, perhaps by an assumption that note names"),
        Column("valid", "bool", "bonds were found without an assumption, at least one, and sanitised"),
        *GRAPH_COLUMNS,
        Column("smiles", "str", "of the whole molecule, hydrogens implicit, no stereochemistry"),
        NOTE,
        REASON,
    )
    metrics = (
        Share("perceived", ("perceived",), "structures with bonds found / all records"),
        Share("validity", ("valid",), "structures with bonds found at their charge that RDKit sanitises / all records"),
        Share("valid_connected", ("valid", "connected"), "valid structures in one piece / all records"),
        CONNECTED,
        RADICALS,
        ZWITTERIONS,
    )
    identity = SMILES_OF_GRAPH

    def require(self) -> None:
        check_source(self.source)

    def check(self, subject: Subject) -> Row:
        is_shared = subject.bonds == self.source
        perceived = subject.perceived if is_shared else perceive(subject.structure, self.source)
        molecule = subject.sanitised if is_shared else sanitised(perceived)
        reason = molecule.reason or perceived.note
        if not reason and perceived.structure.bonds is not None and not len(perceived.structure.bonds):
            reason = "no bonds: all atoms are far apart"
        return {
            "perceived": not perceived.reason,
            "valid": not reason,
            **graph_values(molecule),
            "smiles": molecule.smiles or None,
            "note": perceived.note,
            "reason": reason,
        }


class Xyz2mol(PerceivedProtocol):
    """RDKit's ``rdDetermineBonds``, charged fragments allowed."""

    name = bonds = source = "xyz2mol"
    version = "xyz2mol-1"
    bond_source = "RDKit DetermineBonds from coordinates; bonds stated in the files are ignored"


class OpenBabel(PerceivedProtocol):
    """Open Babel's perception; formal charges by molgen, for Open Babel gives none."""

    name = bonds = source = "openbabel"
    version = "openbabel-1"
    bond_source = "Open Babel from coordinates; bonds stated in the files are ignored"
    notes = ("radicals and pieces count as valid here: read validity beside radicals and valid_connected",)
