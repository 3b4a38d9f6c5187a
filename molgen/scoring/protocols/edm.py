"""EDM's protocol (Hoogeboom et al. 2022): stability, validity, uniqueness and novelty on bonds found by distance.

Atom stability: atoms whose sum of bond orders is allowed / all atoms. Molecule stability: molecules with only such
atoms / all molecules, connected or not. Validity: molecules that RDKit sanitises without charges / all; each stands for
the SMILES of its largest fragment. Uniqueness: different SMILES / valid. Novelty: different SMILES that the training
set, rebuilt by the same lookup, does not have / different SMILES.
"""

from __future__ import annotations

import numpy as np
from rdkit import rdBase

from molgen.chemistry.bonds import find_bonds
from molgen.chemistry.rebuild import largest_fragment_smiles, num_fragments, rebuild_molecules, sanitise
from molgen.chemistry.tables import TABLE, edm_tables, table_rows
from molgen.elements import SYMBOLS
from molgen.scoring.protocol import REASON, SMILES_OF_LOOKUP, ChunkProtocol, Column, Row, Share, UnitShare
from molgen.scoring.records import Chunk, Record
from molgen.scoring.subject import Subject

ATOMS_NAMED = 3
"""Unstable atoms that a reason names before it says "and k more"."""


class Edm(ChunkProtocol):
    """See the module."""

    name = "edm"
    version = TABLE
    bond_source = "lookup of interatomic distances; bonds and charges stated in the files are ignored"
    columns = (
        Column("stable_atoms", "int", "atoms with an allowed sum of bond orders"),
        Column("molecule_stable", "bool", "all atoms are stable"),
        Column("valid", "bool", "RDKit sanitises it without charges"),
        Column("fragments", "int", "pieces"),
        Column("connected", "bool", "one piece; plays no part in validity here"),
        Column("smiles", "str", "of the largest fragment, hydrogens explicit"),
        REASON,
    )
    metrics = (
        UnitShare(
            "atom_stability",
            "stable_atoms",
            "n_atoms",
            "atoms with an allowed sum of bond orders / atoms of all structures that could be read; the interval "
            "treats molecules, not atoms, as independent",
        ),
        Share("molecule_stability", ("molecule_stable",), "structures with only stable atoms / all records"),
        Share("validity", ("valid",), "structures that RDKit sanitises without charges / all records"),
        Share("connected", ("connected",), "structures in one piece / all records; plays no part in validity here"),
    )
    identity = SMILES_OF_LOOKUP

    def check(self, subject: Subject) -> Row:
        return self.check_chunk(Chunk(0, [Record(subject.structure)]))[0]

    def check_chunk(self, chunk: Chunk) -> list[Row]:
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
                if chunk.structures[k] is None:
                    rows.append({})
                    continue
                atoms = slice(ends[k] - int(chunk.sizes[k]), ends[k])
                all_stable, strangers = bool(stable[atoms].all()), chunk.numbers[atoms][~known[atoms]]
                reasons = [] if all_stable else [_unstable(chunk.numbers[atoms], valences[atoms], stable[atoms])]
                if len(strangers):
                    reasons.insert(0, f"unknown element: {_symbol(strangers[0])}, which table {TABLE} lacks")
                fragments = num_fragments(molecule)
                error = "an element outside the table" if len(strangers) else sanitise(molecule)
                if error:
                    reasons.append(f"sanitisation: {error}")
                rows.append(
                    {
                        "stable_atoms": int(stable[atoms].sum()),
                        "molecule_stable": all_stable,
                        "valid": not error,
                        "fragments": fragments,
                        "connected": fragments == 1,
                        "smiles": None if error else largest_fragment_smiles(molecule),
                        "reason": "; ".join(reasons),
                    }
                )
        return rows


def _unstable(numbers: np.ndarray, valences: np.ndarray, stable: np.ndarray) -> str:
    """Names the first unstable atoms, counted from 0, with what they have and what is allowed."""
    atoms = np.flatnonzero(~stable)
    parts = []
    for atom in atoms[:ATOMS_NAMED].tolist():
        z = int(numbers[atom])
        allowed = " or ".join(map(str, edm_tables().valences(z))) or "nothing"
        parts.append(f"atom {atom} {_symbol(z)} has valence {valences[atom]}, allowed {allowed}")
    if len(atoms) > ATOMS_NAMED:
        parts.append(f"and {len(atoms) - ATOMS_NAMED} more unstable atoms")
    return "unstable: " + ", ".join(parts)


def _symbol(number: int) -> str:
    return SYMBOLS[number] if 1 <= number < len(SYMBOLS) else f"Z={number}"
