"""Molecules rebuilt from found bonds, as EDM's validity does it: no formal charges, RDKit's own sanitisation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molgen.chemistry.bonds import BondList

BOND_TYPES = (Chem.BondType.ZERO, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE)


def rebuild_molecules(numbers: NDArray, bonds: BondList, sizes: NDArray) -> Iterator[Chem.RWMol]:
    """One unsanitised molecule per structure, its atoms in the given order.

    Args:
        numbers: Atomic numbers (1 to 118) of all molecules one after another, shape ``(A,)``.
        bonds: Bonds between those atoms, sorted by their higher atom.
        sizes: Atoms of each molecule, shape ``(B,)``.
    """
    ends = np.cumsum(sizes)
    bond_ends = np.searchsorted(bonds.second, ends)
    symbols, second, first = numbers.tolist(), bonds.second.tolist(), bonds.first.tolist()
    order = bonds.order.tolist()
    begin = bond_begin = 0
    for end, bond_end in zip(ends.tolist(), bond_ends.tolist(), strict=True):
        molecule = Chem.RWMol()
        for number in symbols[begin:end]:
            molecule.AddAtom(_atom(number))
        # The reference adds each bond from its higher to its lower atom, by rising atom; kept, so that SMILES agree.
        for k in range(bond_begin, bond_end):
            molecule.AddBond(second[k] - begin, first[k] - begin, BOND_TYPES[order[k]])
        yield molecule
        begin, bond_begin = end, bond_end


def sanitise(molecule: Chem.RWMol) -> str:
    """Sanitise in place; empty when it worked, otherwise RDKit's reason."""
    try:
        Chem.SanitizeMol(molecule)
    except ValueError as error:
        return str(error).strip()
    except RuntimeError as error:  # RDKit gives up on an atom with more than 127 bonds, as coincident atoms have
        return " ".join(str(error).split("RDKIT:")[0].split())
    return ""


def num_fragments(molecule: Chem.Mol) -> int:
    """Number of connected pieces."""
    return len(Chem.GetMolFrags(molecule))


def largest_fragment_smiles(molecule: Chem.Mol) -> str:
    """Canonical SMILES of the fragment with most atoms (the first such one) of a sanitised molecule."""
    if num_fragments(molecule) > 1:
        molecule = max(Chem.GetMolFrags(molecule, asMols=True), key=lambda fragment: fragment.GetNumAtoms())
        Chem.SanitizeMol(molecule)
    smiles: str = Chem.MolToSmiles(molecule)
    return smiles


@cache
def _atom(number: int) -> Chem.Atom:
    return Chem.Atom(number)
