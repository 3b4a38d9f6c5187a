"""Forms of SMILES that molecules are told apart by, and the hashes of a chunk's molecules in one of them.

Which SMILES depends on the protocol's identity. For EDM's, as in its code, each molecule is rebuilt from its
coordinates by the lookup, and its SMILES is that of the whole molecule, pieces and all. For the others it is that of
the stated or perceived bonds and charges. Molecules that RDKit cannot sanitise have none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from molgen.chemistry.bonds import find_bonds
from molgen.chemistry.tables import edm_tables, table_rows
from molgen.scoring.hashes import Hashes, smiles_hash
from molgen.scoring.protocol import SMILES_OF_LOOKUP
from molgen.scoring.records import Chunk

HASHES_FILE = "training_hashes.npy"
"""Of the lookup's SMILES of a train split."""


@dataclass(frozen=True)
class SmilesForm:
    """Called with a chunk: hashes of its molecules that sanitise, its size, and whether any atom is a hydrogen.

    Attributes:
        identity: Of a protocol; see ``molgen.scoring.protocol``.
        bonds: Bond source; plays no part for ``SMILES_OF_LOOKUP``.
    """

    identity: str
    bonds: str

    @property
    def table(self) -> str:
        """What the hashes are of; see ``Reference.table``."""
        return self.identity if self.identity == SMILES_OF_LOOKUP else f"{self.identity}:{self.bonds}"

    def cache_name(self, split: str) -> str:
        """Name of the file of a split's hashes in the folder of a data set or, for train, of a checkpoint."""
        if self.identity == SMILES_OF_LOOKUP:
            return HASHES_FILE if split == "train" else f"{split}_hashes.npy"
        return f"{split}_{self.identity}_{self.bonds}_hashes.npy"

    def __call__(self, chunk: Chunk) -> tuple[Hashes, int, bool]:
        from rdkit import rdBase

        with rdBase.BlockLogs():
            smiles = _lookup_smiles(chunk) if self.identity == SMILES_OF_LOOKUP else _graph_smiles(chunk, self.bonds)
            return np.array([smiles_hash(s) for s in smiles], np.uint64), len(chunk), bool((chunk.numbers == 1).any())


def _lookup_smiles(chunk: Chunk) -> Iterator[str]:
    from rdkit import Chem

    from molgen.chemistry.rebuild import rebuild_molecules, sanitise

    numbers = table_rows(chunk.numbers)
    bonds = find_bonds(numbers, chunk.positions, chunk.sizes)
    ends = np.cumsum(chunk.sizes)
    strangers = np.concatenate([[0], np.cumsum(~edm_tables().known[numbers])])
    usable = (chunk.sizes > 0) & (strangers[ends] == strangers[ends - chunk.sizes])
    for molecule, is_usable in zip(rebuild_molecules(numbers, bonds, chunk.sizes), usable.tolist(), strict=True):
        if is_usable and not sanitise(molecule):
            yield Chem.MolToSmiles(molecule)


def _graph_smiles(chunk: Chunk, bonds: str) -> Iterator[str]:
    from molgen.scoring.subject import Subject

    for structure in chunk.structures:
        if structure is not None and (smiles := Subject(structure, bonds).sanitised.smiles):
            yield smiles


def graph_hashes(smiles: str) -> Hashes:
    """Hashes of a molecule's SMILES with implicit and with explicit hydrogens; empty when RDKit cannot read it."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None or not molecule.GetNumAtoms():
            return np.zeros(0, np.uint64)
        Chem.RemoveStereochemistry(molecule)
        return np.array([smiles_hash(Chem.MolToSmiles(m)) for m in (molecule, Chem.AddHs(molecule))], np.uint64)
