"""Bonds and formal charges of a structure: those its file states, or perceived from the coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from molgen.chemistry.bonds import perceive_bonds
from molgen.errors import ConfigError
from molgen.structure import Structure


@dataclass(frozen=True)
class Perceived:
    """A structure with its bonds.

    Attributes:
        structure: With bonds and charges; the structure as it came where no bonds could be assigned.
        source: The bond source used, a name in ``BOND_SOURCES``.
        reason: ``"kind: detail"`` why no bonds could be assigned; empty otherwise.
        note: ``"kind: detail"`` what had to be assumed (a radical, a charge) to assign them; empty otherwise.
    """

    structure: Structure
    source: str
    reason: str = ""
    note: str = ""


def _stated(structure: Structure) -> Perceived:
    if structure.bonds is None:
        return Perceived(structure, "file", "no bonds: the file states none")
    return Perceived(structure, "file")


def _lookup(structure: Structure) -> Perceived:
    # Charges stated with bonds are half of a Lewis structure (N+ of a nitro group) that the lookup replaces.
    charges = structure.charges if structure.bonds is None else None
    return Perceived(perceive_bonds(structure).replace(charges=charges), "lookup")


def _xyz2mol(structure: Structure) -> Perceived:
    from molgen.chemistry.perception_rdkit import perceive_xyz2mol

    return perceive_xyz2mol(structure)


def _openbabel(structure: Structure) -> Perceived:
    from molgen.chemistry.perception_openbabel import perceive_openbabel

    return perceive_openbabel(structure)


BOND_SOURCES: dict[str, Callable[[Structure], Perceived]] = {
    "file": _stated,
    "lookup": _lookup,
    "xyz2mol": _xyz2mol,
    "openbabel": _openbabel,
}
"""Ways to know the bonds of a structure, by name: as stated, EDM's distances, RDKit, Open Babel."""


def perceive(structure: Structure, source: str = "auto") -> Perceived:
    """Bonds and charges of one structure.

    Args:
        structure: A molecule.
        source: A name in ``BOND_SOURCES``; ``auto`` is ``file`` where the structure states bonds, else ``lookup``.

    Raises:
        ConfigError: There is no such source.
        MissingError: It is ``openbabel``, which is not installed.
    """
    if source == "auto":
        source = "lookup" if structure.bonds is None else "file"
    if source not in BOND_SOURCES:
        raise _unknown(source)
    return BOND_SOURCES[source](structure)


def check_source(source: str) -> None:
    """Raise ConfigError when there is no such bond source, MissingError when its package is not installed."""
    if source != "auto" and source not in BOND_SOURCES:
        raise _unknown(source)
    if source == "openbabel":
        from molgen.chemistry.perception_openbabel import openbabel

        openbabel()


def _unknown(source: str) -> ConfigError:
    return ConfigError(f"unknown bond source {source!r}", hint=f"one of auto, {', '.join(BOND_SOURCES)}")
