"""Stability and validity of molecules by the bonds and formal charges that a file states, or that were perceived.

Bonds count as they are stated, before RDKit's sanitisation, as the scripts of "GEOM-Drugs Revisited" and of MiDi count
them: an aromatic bond is one that the file calls aromatic. Both ways to write a ring pass, for the tables hold them
both (a carbon of benzene has two aromatic bonds and 1, or 4). Aromatising first would make some radicals stable (the
carbon of a cyclopentadienyl radical) and some sound rings unstable (boron has no aromatic entry). Molecules whose bonds
are unknown and cannot be perceived are unstable and invalid.
"""

from __future__ import annotations

from typing import ClassVar

from molgen.chemistry.sanitised import Sanitised, largest_fragment, sanitised
from molgen.chemistry.valence_tables import ValenceTable, geom_drugs_table, legacy_table, sulfoxide_table
from molgen.scoring.protocol import REASON, SMILES_OF_GRAPH, Column, Metric, Protocol, Row, Share, UnitShare
from molgen.scoring.subject import Subject

GRAPH_COLUMNS = (
    Column("sanitised", "bool", "RDKit sanitises the whole molecule"),
    Column("fragments", "int", "pieces"),
    Column("connected", "bool", "one piece"),
    Column("net_charge", "int", "sum of formal charges, elementary charges"),
    Column("radical_electrons", "int", "unpaired electrons by RDKit's count; empty unless sanitised"),
    Column("radical", "bool", "any unpaired electron; empty unless sanitised"),
    Column("zwitterion", "bool", "positive and negative charges in one piece, other than on neighbours"),
)
"""What every protocol on a molecular graph says about it; ``graph_values`` fills them."""
NOTE = Column("note", "str", "kind: detail of what was assumed to perceive bonds; empty if nothing")

CONNECTED = Share("connected", ("connected",), "structures in one piece / all records")
RADICALS = Share("radicals", ("radical",), "structures with unpaired electrons / those that sanitise", ("sanitised",))
ZWITTERIONS = Share(
    "zwitterions", ("zwitterion",), "structures with separate opposite charges / those that sanitise", ("sanitised",)
)


def graph_values(molecule: Sanitised) -> Row:
    """Values of ``GRAPH_COLUMNS``."""
    radicals = molecule.radical_electrons
    return {
        "sanitised": molecule.mol is not None,
        "fragments": molecule.fragments,
        "connected": None if molecule.fragments is None else molecule.fragments == 1,
        "net_charge": molecule.net_charge,
        "radical_electrons": radicals,
        "radical": None if radicals is None else radicals > 0,
        "zwitterion": molecule.zwitterion,
    }


class Explicit(Protocol):
    """Stability by the table of Nikitin et al. 2025; valid: RDKit sanitises it and it is one piece."""

    name = "explicit"
    version = "geom-drugs-revisited-1"
    bond_source = "stated by the file or perceived, see bonds"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("stable_atoms", "int", "atoms whose aromatic and other bonds are allowed at their formal charge"),
        Column("molecule_stable", "bool", "all atoms are stable"),
        Column("valid", "bool", "sanitised and connected"),
        *GRAPH_COLUMNS,
        Column("smiles", "str", "of the whole molecule, hydrogens implicit, no stereochemistry"),
        NOTE,
        REASON,
    )
    metrics: ClassVar[tuple[Metric, ...]] = (
        UnitShare(
            "atom_stability",
            "stable_atoms",
            "n_atoms",
            "atoms with allowed bonds / atoms of all structures that could be read; the interval treats molecules, not "
            "atoms, as independent",
        ),
        Share("molecule_stability", ("molecule_stable",), "structures with only stable atoms / all records"),
        Share("validity", ("valid",), "structures in one piece that RDKit sanitises / all records"),
        CONNECTED,
        RADICALS,
        ZWITTERIONS,
    )
    identity = SMILES_OF_GRAPH
    notes: ClassVar[tuple[str, ...]] = (
        "bonds count as stated, before sanitisation: only bonds that the file calls aromatic are aromatic",
    )

    def table(self) -> ValenceTable:
        """The valences by which atoms are judged."""
        return geom_drugs_table()

    def check(self, subject: Subject) -> Row:
        perceived, molecule = subject.perceived, subject.sanitised
        if perceived.reason:
            failed: Row = dict.fromkeys(column.name for column in self.columns)
            return failed | {
                "stable_atoms": 0,
                "molecule_stable": False,
                "valid": False,
                "sanitised": False,
                "reason": perceived.reason,
            }
        structure, table = perceived.structure, self.table()
        stable = table.stable(structure)
        is_valid, smiles, problem = self.validity(subject, molecule)
        reasons = [] if stable.all() else [f"unstable: {table.describe_unstable(structure, stable)}"]
        return {
            "stable_atoms": int(stable.sum()),
            "molecule_stable": bool(stable.all()),
            "valid": is_valid,
            **graph_values(molecule),
            "smiles": smiles or None,
            "note": perceived.note,
            "reason": "; ".join([*reasons, problem] if problem else reasons),
        }

    def validity(self, subject: Subject, molecule: Sanitised) -> tuple[bool, str, str]:
        """Whether a molecule with bonds is valid, the SMILES it counts as, and what is wrong with it."""
        problem = molecule.reason or ("" if molecule.fragments == 1 else f"disconnected: {molecule.fragments} pieces")
        return not problem, molecule.smiles, problem


class ExplicitSulfoxide(Explicit):
    """As ``explicit``, with neutral S(IV) allowed."""

    name = "explicit-sulfoxide"
    version = "geom-drugs-revisited-1+sulfoxide-1"

    def table(self) -> ValenceTable:
        return sulfoxide_table()


class ExplicitLegacy(Explicit):
    """As most papers from MiDi to SemlaFlow scored: aromatic bonds count as 1, valid if the largest fragment sanitises.

    The truncation of 1.5 to 1 is a known bug (cvignac/MiDi issue 12), kept so that published rows can be compared: an
    aromatic carbon counts 3, and "aromatic water" H:O:H is stable. An unlisted formal charge is judged as charge 0, as
    MiDi and EQGAT-diff do; SemlaFlow calls it unstable.
    """

    name = "explicit-legacy"
    version = "legacy-integer-1"
    columns = tuple(
        {
            "valid": Column("valid", "bool", "RDKit sanitises the largest fragment"),
            "smiles": Column("smiles", "str", "of the largest fragment, hydrogens implicit, no stereochemistry"),
        }.get(column.name, column)
        for column in Explicit.columns
    )
    metrics = tuple(
        {
            "validity": Share(
                "validity",
                ("valid",),
                "structures whose largest fragment RDKit sanitises / all records, connected or not",
            )
        }.get(metric.name, metric)
        for metric in Explicit.metrics
    )
    notes = (
        *Explicit.notes,
        "an aromatic bond counts as 1 and an unlisted charge as 0: comparable with published rows, not with chemistry",
    )

    def table(self) -> ValenceTable:
        return legacy_table()

    def validity(self, subject: Subject, molecule: Sanitised) -> tuple[bool, str, str]:
        largest = molecule if molecule.fragments == 1 else sanitised(largest_fragment(subject.perceived))
        return not largest.reason, largest.smiles, largest.reason
