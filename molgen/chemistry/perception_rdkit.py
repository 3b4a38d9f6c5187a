"""Bonds from coordinates by RDKit's ``rdDetermineBonds``, the xyz2mol of Jensen and coworkers.

Neighbours come from RDKit's connect-the-dots; bond orders and formal charges from a search for a combination of
valences that gives the total charge (Kim and Kim, Bull. Korean Chem. Soc. 36, 1769, 2015, doi:10.1002/bkcs.10334).
Charged fragments are allowed, because that keeps what a neutral octet cannot draw (nitro, N-oxide, azide, zwitterion);
the price is that a biradical comes out as a zwitterion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds

from molgen.chemistry.formal_charges import stated_charge
from molgen.chemistry.perception import Perceived
from molgen.chemistry.rebuild import sanitise
from molgen.convert import from_rdkit, to_rdkit
from molgen.elements import COVALENT_RADII, SYMBOLS

if TYPE_CHECKING:
    from molgen.structure import Structure

MAX_COMBINATIONS = 10_000
"""Combinations of valences tried before giving up: 1.3 s at 430 atoms. Molecules of up to 88 atoms need fewer."""
MAX_NEIGHBOURS = {1: 1, 5: 4, 6: 4, 7: 4, 8: 3, 9: 1}
"""Neighbours that an atom can have, by atomic number."""
STRETCHED = 1.15
"""A bond this many times the sum of covalent radii is a contact where an atom has too many neighbours."""
UNKNOWN_RADIUS = 1.7
"""Covalent radius in angstrom of the elements beyond curium, which have no measured one."""
CONTACTS_NAMED = 3
"""Contacts that a note names before it says "and k more"."""

_ERRORS = (ValueError, RuntimeError)


def perceive_xyz2mol(structure: Structure) -> Perceived:
    """Kekulised bonds and formal charges of one molecule; those it states are ignored but for the total charge.

    The total charge is the stated one, else 0. Where no closed-shell molecule has it, ``note`` says which of these was
    assumed, the first that works, alone or in this order together:

    1. Contacts are not bonds: an atom with too many neighbours loses those at more than 1.15 times the covalent radii
       (RDKit bonds carbons across bicyclo[1.1.1]pentane, at 1.9 angstrom).
    2. With an odd number of electrons at charge 0, a radical with one unpaired electron.
    3. With an odd number of electrons and no stated charge, a cation (+1), then an anion (-1).
    """
    stated = stated_charge(structure)
    charge = stated or 0
    with rdBase.BlockLogs():
        connected, note = _neighbours(structure)
        if connected is None:
            return Perceived(structure, "xyz2mol", note)
        try:
            return _perceived(structure, _with_orders(connected, charge), note)
        except _ERRORS as error:
            reason = _reason(error)
        if not charge and structure.numbers.sum() % 2:
            mol, guess = _odd_electrons(connected, may_be_charged=stated is None)
            if mol is not None:
                return _perceived(structure, mol, note, guess)
    return Perceived(structure, "xyz2mol", reason)


def _neighbours(structure: Structure) -> tuple[Chem.Mol | None, str]:
    """The molecule with single bonds between neighbours, and contacts left out; None and a reason if impossible."""
    mol = to_rdkit(structure.replace(bonds=None, charges=None, lattice=None, name="", properties={}))
    try:
        rdDetermineBonds.DetermineConnectivity(mol)
    except _ERRORS as error:
        return None, _reason(error)
    crowded = _crowded(mol)
    if crowded is None:
        return mol, ""
    trimmed, note = _without_contacts(mol)
    if trimmed is None:
        return None, f"too many neighbours: atom {crowded.GetIdx()} {crowded.GetSymbol()} has {crowded.GetDegree()}"
    return trimmed, note


def _odd_electrons(connected: Chem.Mol, may_be_charged: bool) -> tuple[Chem.Mol | None, str]:
    """A radical or ion with an odd sum of atomic numbers, and what was assumed."""
    if (doublet := _doublet(connected)) is not None:
        return doublet, "radical assumed: no closed shell has charge 0, one unpaired electron does"
    for charge in (1, -1) if may_be_charged else ():
        try:
            mol = _with_orders(connected, charge)
        except _ERRORS:
            continue
        return mol, f"charge {charge:+d} assumed: none is stated, no bond orders give charge 0"
    return None, ""


def _with_orders(connected: Chem.Mol, charge: int, charged_fragments: bool = True) -> Chem.Mol:
    mol = Chem.Mol(connected)
    rdDetermineBonds.DetermineBondOrders(
        mol,
        charge=charge,
        allowChargedFragments=charged_fragments,
        embedChiral=False,
        maxIterations=MAX_COMBINATIONS,
    )
    return mol


def _crowded(mol: Chem.Mol) -> Chem.Atom | None:
    """The first atom with more neighbours than it can have."""
    atoms = (a for a in mol.GetAtoms() if a.GetDegree() > MAX_NEIGHBOURS.get(a.GetAtomicNum(), a.GetDegree()))
    return next(atoms, None)


def _without_contacts(mol: Chem.Mol) -> tuple[Chem.Mol | None, str]:
    """The molecule without the stretched bonds of crowded atoms, and which; None where that leaves one crowded."""
    trimmed, positions, dropped = Chem.RWMol(mol), mol.GetConformer().GetPositions(), []
    while (atom := _crowded(trimmed)) is not None:
        i, z = atom.GetIdx(), atom.GetAtomicNum()
        lengths = {a.GetIdx(): float(np.linalg.norm(positions[i] - positions[a.GetIdx()])) for a in atom.GetNeighbors()}
        stretch = {a.GetIdx(): lengths[a.GetIdx()] / _radii(z, a.GetAtomicNum()) for a in atom.GetNeighbors()}
        j = max(stretch, key=lambda other: stretch[other])
        if stretch[j] < STRETCHED:
            return None, ""
        trimmed.RemoveBond(i, j)
        dropped.append(f"{SYMBOLS[z]}{i}-{trimmed.GetAtomWithIdx(j).GetSymbol()}{j} at {lengths[j]:.2f} angstrom")
    more = [f"and {len(dropped) - CONTACTS_NAMED} more"] if len(dropped) > CONTACTS_NAMED else []
    return trimmed.GetMol(), f"contacts not bonded: {', '.join([*dropped[:CONTACTS_NAMED], *more])}"


def _radii(number: int, other: int) -> float:
    return sum(COVALENT_RADII.get(z, UNKNOWN_RADIUS) for z in (number, other))


def _doublet(connected: Chem.Mol) -> Chem.Mol | None:
    """The neutral molecule with exactly one unpaired electron, or None; RDKit offers 5 of them for pyridinium."""
    try:
        mol = _with_orders(connected, 0, charged_fragments=False)
    except _ERRORS:
        return None
    copy = Chem.RWMol(mol)
    is_sane = not sanitise(copy)
    return mol if is_sane and sum(atom.GetNumRadicalElectrons() for atom in copy.GetAtoms()) == 1 else None


def _perceived(structure: Structure, mol: Chem.Mol, *notes: str) -> Perceived:
    found = from_rdkit(mol)
    assert found.bonds is not None
    rank = np.lexsort(found.bonds.T[1::-1])
    note = "; ".join(filter(None, notes))
    return Perceived(structure.replace(bonds=found.bonds[rank], charges=found.charges), "xyz2mol", note=note)


def _reason(error: Exception) -> str:
    if "Iterations" in str(error):
        return f"bond orders not found: {MAX_COMBINATIONS:,} combinations of valences tried"
    return f"bond orders not found: {' '.join(str(error).split())}"
