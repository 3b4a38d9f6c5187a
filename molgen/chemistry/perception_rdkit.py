"""Bonds from coordinates by RDKit's ``rdDetermineBonds``, the xyz2mol of Jensen and coworkers.

Atoms within 1.3 times the sum of their covalent radii are neighbours; bond orders and formal charges follow by search
for a combination of valences that gives the total charge (Kim and Kim, Bull. Korean Chem. Soc. 36, 1769, 2015,
doi:10.1002/bkcs.10334). Charged fragments are allowed, because that keeps what a neutral octet cannot draw (nitro,
N-oxide, azide, zwitterion); the price is that a biradical comes out as a zwitterion.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds

from molgen.chemistry.formal_charges import stated_charge
from molgen.chemistry.perception import Perceived
from molgen.chemistry.rebuild import sanitise
from molgen.convert import from_rdkit, to_rdkit
from molgen.elements import SYMBOLS

if TYPE_CHECKING:
    from molgen.structure import Structure

MAX_COMBINATIONS = 10_000
"""Combinations of valences tried before giving up; 1.3 s at 430 atoms. Molecules of up to 88 atoms need fewer."""

_ERRORS = (ValueError, RuntimeError)
_COORDINATION = re.compile(r"valence of atom (\d+) with atomic number (\d+) and (\d+) bonds")


def perceive_xyz2mol(structure: Structure) -> Perceived:
    """Kekulised bonds and formal charges of one molecule; those it states are ignored but for the total charge.

    The total charge is the stated one, else 0. If no closed-shell molecule has charge 0 and the number of electrons is
    odd, the molecule is taken as a radical with one unpaired electron; if no bond orders do that either and no charge
    was stated, as a closed-shell cation (+1), then anion (-1). ``note`` says so.
    """
    stated = stated_charge(structure)
    charge = stated or 0
    bare = structure.replace(bonds=None, charges=None, lattice=None, name="", properties={})
    with rdBase.BlockLogs():
        try:
            return _perceived(structure, _determine(bare, charge), "")
        except _ERRORS as error:
            reason = _reason(error)
        if charge or not int(structure.numbers.sum()) % 2:
            return Perceived(structure, "xyz2mol", reason)
        if (mol := _doublet(bare)) is not None:
            note = "radical assumed: no closed shell has total charge 0, one unpaired electron does"
            return _perceived(structure, mol, note)
        for guess in (1, -1) if stated is None else ():
            try:
                mol = _determine(bare, guess)
            except _ERRORS:
                continue
            note = f"charge {guess:+d} assumed: none is stated, no bond orders give total charge 0"
            return _perceived(structure, mol, note)
    return Perceived(structure, "xyz2mol", reason)


def _determine(bare: Structure, charge: int, charged_fragments: bool = True) -> Chem.Mol:
    mol = to_rdkit(bare)
    rdDetermineBonds.DetermineBonds(
        mol,
        charge=charge,
        allowChargedFragments=charged_fragments,
        embedChiral=False,
        maxIterations=MAX_COMBINATIONS,
    )
    return mol


def _doublet(bare: Structure) -> Chem.Mol | None:
    """The neutral molecule with exactly one unpaired electron, or None; RDKit offers 5 of them for pyridinium."""
    try:
        mol = _determine(bare, 0, charged_fragments=False)
    except _ERRORS:
        return None
    copy = Chem.RWMol(mol)
    is_sane = not sanitise(copy)
    return mol if is_sane and sum(atom.GetNumRadicalElectrons() for atom in copy.GetAtoms()) == 1 else None


def _perceived(structure: Structure, mol: Chem.Mol, note: str) -> Perceived:
    found = from_rdkit(mol)
    assert found.bonds is not None
    rank = np.lexsort(found.bonds.T[1::-1])
    return Perceived(structure.replace(bonds=found.bonds[rank], charges=found.charges), "xyz2mol", note=note)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if match := _COORDINATION.search(text):
        atom, number, neighbours = map(int, match.groups())
        return f"impossible coordination: atom {atom} {SYMBOLS[number]} has {neighbours} neighbours"
    if "Iterations" in text:
        return f"bond orders not found: {MAX_COMBINATIONS:,} combinations of valences tried"
    return f"bond orders not found: {text}"
