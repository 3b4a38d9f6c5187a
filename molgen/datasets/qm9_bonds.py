"""Bonds of QM9: perceived from the geometry, and kept where they are those of the set's own SMILES."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from molgen.datasets.left_out import LeftOut
from molgen.datasets.prepare import OnError, Source
from molgen.errors import InputError
from molgen.structure import Structure

BONDS = "xyz2mol, checked against GDB SMILES, kekulised"
RULE = (
    "RDKit's DetermineBonds at total charge 0; kept where the canonical SMILES without stereochemistry and with "
    "implicit hydrogens equals that of the GDB-17 SMILES, both sanitised by RDKit: Kekule structures of one aromatic "
    "system agree, other resonance structures and tautomers do not"
)
SMILES = "smiles"
"""Property with the GDB-17 SMILES: the first of two in an original file, the other is read from the geometry."""
ARRAY = "smiles_gdb"
"""Array of an .npz file with the GDB-17 SMILES."""
NO_SMILES = "no SMILES to check against"


@dataclass(frozen=True)
class Checked:
    """A molecule with kekulised bonds and formal charges; or as it came, and why it has none ("kind: detail")."""

    structure: Structure
    reason: str = ""


def with_smiles(structures: Source, arrays: dict[str, NDArray] | None, path: Path) -> Source:
    """The source, where it is an .npz file with the SMILES of its array ``smiles_gdb`` as property ``smiles``.

    Args:
        structures: From :func:`molgen.datasets.source.open_source`, as the arrays.
        arrays: Those of an .npz file, or None.
        path: What was opened, for the message.

    Raises:
        InputError: It is an .npz file without that array, or the array does not hold a text for each molecule.
    """
    if arrays is None:
        return structures
    texts = arrays.get(ARRAY)
    if texts is None or texts.dtype.kind != "U" or texts.shape != (len(arrays["n_atoms"]),):
        what = "lacks the array" if texts is None else f"holds {texts.dtype} of shape {texts.shape} in the array"
        raise InputError(
            f"{path} {what} {ARRAY}, the SMILES that bonds are checked against",
            hint=f"give one text for each molecule in {ARRAY}, or take the original archive of QM9",
        )

    def source(on_error: OnError) -> Iterator[Structure]:
        for structure, text in zip(structures(on_error), texts.tolist(), strict=True):
            yield structure.replace(properties={**structure.properties, SMILES: text})

    return source


def check_bonds(structure: Structure) -> Checked:
    """Bonds and charges of a neutral molecule from its geometry, compared with its property ``smiles``.

    What agrees and what not: :func:`molgen.chemistry.agreement.disagreement`.
    """
    from molgen.chemistry.agreement import disagreement
    from molgen.chemistry.perception import perceive

    smiles = structure.properties.get(SMILES)
    if not smiles:
        return Checked(structure, f"{NO_SMILES}: {structure.name or 'a molecule without a name'}")
    rest = {key: value for key, value in structure.properties.items() if key != SMILES}
    perceived = perceive(structure.replace(bonds=None, charges=None, properties={}), "xyz2mol")
    if reason := disagreement(perceived, str(smiles)):
        return Checked(structure, reason)
    return Checked(perceived.structure.replace(properties=rest))


class Agreeing:
    """Lets the molecules pass whose bonds agree; counts the others by reason and split.

    Args:
        identify: Which molecules belong to the data set; what it gives has the property ``gdb_index``.
        split_of: Name of the split of a GDB index.
    """

    def __init__(self, identify: Callable[[Structure], Structure | str | None], split_of: Callable[[int], str]) -> None:
        self.identify, self.split_of = identify, split_of
        self.left_out = LeftOut()

    def __call__(self, checked: Checked) -> Structure | str | None:
        structure = self.identify(checked.structure)
        if not checked.reason or not isinstance(structure, Structure):
            return structure
        self.left_out.add(self.split_of(structure.properties["gdb_index"]), structure.name, checked.reason)
        return None

    def meta(self) -> dict[str, Any]:
        """Entries of meta.json: how the bonds were found, and what was left out."""
        return {"bonds": BONDS, "bond_rule": RULE, "left_out": self.left_out.meta()}
