"""What RDKit thinks of a generated molecule's own bonds and charges, as properties that travel with it."""

from __future__ import annotations

from rdkit import Chem, rdBase

from molgen.chemistry.rebuild import num_fragments, sanitise
from molgen.convert import to_rdkit
from molgen.structure import Structure

_KINDS = (("Explicit valence", "valence"), ("Can't kekulize", "kekulisation"), ("non-ring atom", "aromaticity"))
"""How RDKit's sentences begin."""


def labelled(structure: Structure) -> Structure:
    """The molecule as it is, with properties ``sanitised`` (1 or 0), ``connected`` (1 or 0: one piece), and where
    RDKit does not sanitise it, ``sanitise_error`` as ``"kind: detail"``.

    Args:
        structure: A molecule with bonds.
    """
    with rdBase.BlockLogs():
        mol = Chem.RWMol(to_rdkit(structure.replace(properties={})))
        connected = num_fragments(mol) == 1
        error = sanitise(mol)
    labels: dict[str, int | str] = {"sanitised": int(not error), "connected": int(connected)}
    if error:
        kind = next((kind for start, kind in _KINDS if error.startswith(start)), "sanitisation")
        labels["sanitise_error"] = f"{kind}: {' '.join(error.split())}"
    return structure.replace(properties={**structure.properties, **labels})


def counted(structure: Structure) -> dict[str, int]:
    """The labels of one molecule as numbers to be summed over many, errors by their kind."""
    properties = structure.properties
    counts: dict[str, int] = {name: int(properties[name]) for name in ("sanitised", "connected") if name in properties}
    if error := properties.get("sanitise_error"):
        counts[f"sanitise_error {str(error).partition(':')[0]}"] = 1
    return counts
