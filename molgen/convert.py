"""Structures to and from the objects of RDKit, ASE and pymatgen; one object or a list, the same functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import numpy as np

from molgen.elements import SYMBOLS, symbol
from molgen.errors import InputError
from molgen.io.records import Scalar, parse_scalar
from molgen.structure import AROMATIC, Structure

if TYPE_CHECKING:
    import ase
    from pymatgen.core.structure import Molecule
    from pymatgen.core.structure import Structure as Crystal
    from rdkit import Chem

    from molgen.batch import AtomBatch

Item = TypeVar("Item")
CHARGES = "formal_charges"
"""Name of the per-atom array of formal charges in ASE; pymatgen's site property is ``formal_charge``."""

_INT32 = 2**31


@overload
def to_rdkit(structures: Structure) -> Chem.Mol: ...
@overload
def to_rdkit(structures: Iterable[Structure] | AtomBatch) -> list[Chem.Mol]: ...
def to_rdkit(structures: Any) -> Any:
    """RDKit molecules with exactly the given atoms, bonds, formal charges and coordinates; nothing is sanitised.

    Where a structure holds any hydrogen, all of them are taken to be there: its atoms get no implicit ones, so radicals
    stay radicals. A structure without hydrogens leaves RDKit free to count implicit ones.

    Raises:
        InputError: The structure has a lattice, which a Mol cannot hold.
    """
    return _each(_to_rdkit, structures)


@overload
def from_rdkit(mols: Chem.Mol) -> Structure: ...
@overload
def from_rdkit(mols: Iterable[Chem.Mol]) -> list[Structure]: ...
def from_rdkit(mols: Any) -> Any:
    """Structures of molecules with their first conformer, bonds, formal charges, ``_Name`` and properties.

    Implicit hydrogens have no coordinates and are not made up: call ``Chem.AddHs`` before embedding.

    Raises:
        InputError: A molecule is None, has no conformer, or holds a dummy atom or a bond other than 1, 2, 3, aromatic.
    """
    return _each(_from_rdkit, mols)


@overload
def to_ase(structures: Structure) -> ase.Atoms: ...
@overload
def to_ase(structures: Iterable[Structure] | AtomBatch) -> list[ase.Atoms]: ...
def to_ase(structures: Any) -> Any:
    """ASE atoms; lattice as periodic cell, charges as array ``formal_charges``, name and properties in info.

    Bonds have no place in Atoms.
    """
    return _each(_to_ase, structures)


@overload
def from_ase(atoms: ase.Atoms) -> Structure: ...
@overload
def from_ase(atoms: Iterable[ase.Atoms]) -> list[Structure]: ...
def from_ase(atoms: Any) -> Any:
    """Structures of ASE atoms; a cell without periodicity is left out, partial periodicity becomes property ``pbc``.

    Raises:
        InputError: They hold a dummy atom (number 0).
    """
    import ase

    # Atoms is itself a sequence (of Atom), so it must be told from a list of Atoms first.
    return _from_ase(atoms) if isinstance(atoms, ase.Atoms) else [_from_ase(item) for item in atoms]


@overload
def to_pymatgen(structures: Structure) -> Crystal | Molecule: ...
@overload
def to_pymatgen(
    structures: Iterable[Structure] | AtomBatch,
) -> list[Crystal | Molecule]: ...
def to_pymatgen(structures: Any) -> Any:
    """A pymatgen Structure where there is a lattice, else a Molecule; charges as site property, bonds have no place."""
    return _each(_to_pymatgen, structures)


@overload
def from_pymatgen(objects: Crystal | Molecule) -> Structure: ...
@overload
def from_pymatgen(objects: Iterable[Crystal | Molecule]) -> list[Structure]: ...
def from_pymatgen(objects: Any) -> Any:
    """Structures of pymatgen Structures or Molecules; oxidation states are not formal charges and are left out.

    Raises:
        InputError: A site is disordered.
    """

    from pymatgen.core.structure import SiteCollection

    # SiteCollection is itself a sequence (of sites), so it must be told from a list first.
    if isinstance(objects, SiteCollection):
        return _from_pymatgen(cast(Any, objects))
    return [_from_pymatgen(item) for item in objects]


def _each(function: Callable[[Any], Item], objects: Any) -> Item | list[Item]:
    """The function of one object, or the list of it over a list or an AtomBatch."""
    if hasattr(objects, "to_structures"):
        objects = objects.to_structures()
    if isinstance(objects, Structure) or not isinstance(objects, Iterable):
        return function(objects)
    return [function(item) for item in objects]


def _scalars(values: dict[str, Any]) -> dict[str, Scalar]:
    """What can travel as a property: numbers, texts and truth values; arrays as text."""
    result: dict[str, Scalar] = {}
    for key, value in values.items():
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, str):
            value = parse_scalar(value)
        elif not isinstance(value, int | float):
            array = np.asarray(value)
            value = " ".join(map(str, array.ravel().tolist())) if array.dtype.kind in "iufb" else str(value)
        result[str(key)] = value
    return result


def _to_rdkit(structure: Structure) -> Chem.Mol:
    from rdkit import Chem

    if structure.lattice is not None:
        raise InputError("a structure with a lattice cannot become an RDKit molecule", hint="use to_ase or to_pymatgen")
    orders = {
        1: Chem.BondType.SINGLE,
        2: Chem.BondType.DOUBLE,
        3: Chem.BondType.TRIPLE,
        AROMATIC: Chem.BondType.AROMATIC,
    }
    numbers = structure.numbers.tolist()
    all_hydrogens = 1 in numbers
    mol = Chem.RWMol()
    charges = [0] * len(numbers) if structure.charges is None else structure.charges.tolist()
    for number, charge in zip(numbers, charges, strict=True):
        atom = Chem.Atom(number)
        atom.SetFormalCharge(charge)
        atom.SetNoImplicit(all_hydrogens)
        mol.AddAtom(atom)
    for i, j, order in [] if structure.bonds is None else structure.bonds.tolist():
        mol.AddBond(i, j, orders[order])
        if order == AROMATIC:
            mol.GetBondBetweenAtoms(i, j).SetIsAromatic(True)
            mol.GetAtomWithIdx(i).SetIsAromatic(True)
            mol.GetAtomWithIdx(j).SetIsAromatic(True)
    conformer = Chem.Conformer(len(numbers))
    conformer.Set3D(True)
    conformer.SetPositions(np.ascontiguousarray(structure.positions))
    mol.AddConformer(conformer, assignId=True)
    mol.UpdatePropertyCache(strict=False)
    mol.SetProp("_Name", structure.name)
    for key, value in structure.properties.items():
        if isinstance(value, int | np.integer) and -_INT32 <= value < _INT32:
            mol.SetIntProp(key, int(value))
        elif isinstance(value, float | np.floating):
            mol.SetDoubleProp(key, float(value))
        else:
            mol.SetProp(key, str(value))
    return mol.GetMol()


def _from_rdkit(mol: Chem.Mol | None) -> Structure:
    from rdkit import Chem

    if mol is None:
        raise InputError("got None for a molecule: RDKit could not read it")
    if not mol.GetNumConformers():
        raise InputError("the molecule has no coordinates", hint="add hydrogens and embed it with RDKit first")
    orders = {
        Chem.BondType.SINGLE: 1,
        Chem.BondType.DOUBLE: 2,
        Chem.BondType.TRIPLE: 3,
        Chem.BondType.AROMATIC: AROMATIC,
    }
    bonds = []
    for bond in mol.GetBonds():
        order = orders.get(bond.GetBondType())
        if order is None:
            raise InputError(
                f"bond {bond.GetIdx()} is of type {bond.GetBondType()}; known: single, double, triple, aromatic"
            )
        ends = sorted((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()))
        bonds.append((*ends, order))
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    _check_numbers(numbers)
    properties = mol.GetPropsAsDict(includePrivate=False, includeComputed=False, autoConvertStrings=False)
    return Structure(
        numbers=np.array(numbers, dtype=np.int64),
        positions=mol.GetConformer().GetPositions(),
        charges=np.array([atom.GetFormalCharge() for atom in mol.GetAtoms()], dtype=np.int64),
        bonds=np.array(bonds, dtype=np.int64).reshape(-1, 3),
        name=mol.GetProp("_Name") if mol.HasProp("_Name") else "",
        properties=_scalars(properties),
    )


def _to_ase(structure: Structure) -> ase.Atoms:
    import ase

    info = dict(structure.properties)
    periodic: bool | list[bool] = structure.lattice is not None
    if periodic and "pbc" in info:
        periodic = [word == "T" for word in str(info.pop("pbc")).split()]
    atoms = ase.Atoms(
        numbers=structure.numbers, positions=structure.positions, cell=structure.lattice, pbc=periodic, info=info
    )
    if structure.charges is not None:
        atoms.set_array(CHARGES, structure.charges)
    if structure.name:
        atoms.info["name"] = structure.name
    return atoms


def _from_ase(atoms: ase.Atoms) -> Structure:
    _check_numbers(atoms.numbers.tolist())
    info = dict(atoms.info)
    if atoms.calc is not None:
        # Reading a file, ASE moves "energy" and its like from the comment line to a calculator.
        results = getattr(atoms.calc, "results", {})
        info.update({key: value for key, value in results.items() if np.ndim(value) == 0})
    name = str(info.pop("name", ""))
    properties = _scalars(info)
    lattice = np.array(atoms.cell) if atoms.pbc.any() else None
    if lattice is not None and not atoms.pbc.all():
        properties["pbc"] = " ".join("T" if periodic else "F" for periodic in atoms.pbc)
    return Structure(
        numbers=atoms.numbers.copy(),
        positions=atoms.positions.copy(),
        charges=atoms.arrays[CHARGES].copy() if CHARGES in atoms.arrays else None,
        lattice=lattice,
        name=name,
        properties=properties,
    )


def _to_pymatgen(structure: Structure) -> Crystal | Molecule:
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Molecule
    from pymatgen.core.structure import Structure as Crystal

    species = [SYMBOLS[number] for number in structure.numbers.tolist()]
    properties: dict[str, Any] = dict(structure.properties)
    if structure.name:
        properties["name"] = structure.name
    charges = None if structure.charges is None else structure.charges.tolist()
    common: dict[str, Any] = {"properties": properties}
    if charges is not None:
        common |= {"site_properties": {"formal_charge": charges}, "charge": sum(charges)}
    if structure.lattice is None:
        return Molecule(species, structure.positions, charge_spin_check=False, **common)
    return Crystal(Lattice(structure.lattice), species, structure.positions, coords_are_cartesian=True, **common)


def _from_pymatgen(crystal: Crystal | Molecule) -> Structure:
    if not crystal.is_ordered:
        raise InputError("a site is shared by several elements or partly empty; only ordered structures can be taken")
    properties = _scalars(crystal.properties)
    name = str(properties.pop("name", ""))
    numbers = [site.specie.Z for site in crystal]
    _check_numbers(numbers)
    charges = crystal.site_properties.get("formal_charge")
    lattice = getattr(crystal, "lattice", None)
    return Structure(
        numbers=np.array(numbers, dtype=np.int64),
        positions=np.array(crystal.cart_coords),
        charges=None if charges is None else np.array(charges, dtype=np.int64),
        lattice=None if lattice is None else np.array(lattice.matrix),
        name=name,
        properties=properties,
    )


def _check_numbers(numbers: list[int]) -> None:
    try:
        for number in set(numbers):
            symbol(number)
    except ValueError as error:
        raise InputError(f"cannot take this structure: {error}") from error
