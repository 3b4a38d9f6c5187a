"""Bonds from coordinates by Open Babel (O'Boyle et al., J. Cheminform. 3, 33, 2011, doi:10.1186/1758-2946-3-33).

Open Babel finds neighbours by covalent radii (plus 0.45 angstrom) and bond orders by angles and functional groups. It
assigns no formal charges; ``molgen.chemistry.formal_charges`` does, so that ammonium and zwitterions are not lost.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from molgen.chemistry.formal_charges import assign_charges, stated_charge
from molgen.chemistry.perception import Perceived
from molgen.errors import MissingError

if TYPE_CHECKING:
    from molgen.structure import Structure


@cache
def openbabel() -> Any:
    """The module ``openbabel.openbabel`` with its messages off.

    Raises:
        MissingError: It is not installed.
    """
    try:
        from openbabel import openbabel as library
    except ImportError as error:
        raise MissingError("Open Babel is not installed", hint='pip install "molgen[obabel]"') from error
    library.obErrorLog.StopLogging()
    return library


def perceive_openbabel(structure: Structure) -> Perceived:
    """Kekulised bonds and formal charges of one molecule; those it states are ignored but for the total charge.

    Without a stated charge, charges aim at 0; ``note`` says when the bonds imply another one.

    Raises:
        MissingError: Open Babel is not installed.
    """
    bonds = _bonds(structure)
    if (order := int(bonds[:, 2].max(initial=1))) > 3:
        return Perceived(structure, "openbabel", f"bond orders not found: Open Babel gives order {order}")
    stated = stated_charge(structure)
    made = assign_charges(structure.numbers, bonds, stated)
    total = int(made.charges.sum())
    if stated is not None and total != stated:
        reason = f"total charge not met: the bonds allow {total:+d}, stated is {stated:+d}"
        return Perceived(structure, "openbabel", reason)
    note = f"charge {total:+d} assumed: none is stated, the bonds imply it" if stated is None and total else ""
    return Perceived(structure.replace(bonds=made.bonds, charges=made.charges), "openbabel", note=note)


def _bonds(structure: Structure) -> NDArray[np.int64]:
    library = openbabel()
    mol = library.OBMol()
    mol.BeginModify()
    for number, position in zip(structure.numbers.tolist(), structure.positions.tolist(), strict=True):
        atom = mol.NewAtom()
        atom.SetAtomicNum(number)
        atom.SetVector(*position)
    mol.EndModify()
    mol.ConnectTheDots()
    mol.PerceiveBondOrders()
    rows = [
        (*sorted((bond.GetBeginAtomIdx() - 1, bond.GetEndAtomIdx() - 1)), bond.GetBondOrder())
        for bond in library.OBMolBondIter(mol)
    ]
    return np.array(sorted(rows), np.int64).reshape(-1, 3)
