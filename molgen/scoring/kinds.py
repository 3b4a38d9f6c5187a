"""Whether molecules, crystals or genes are scored, and the protocols that fit them."""

from __future__ import annotations

from collections.abc import Sequence

from molgen.errors import ConfigError
from molgen.scoring.gene_records import InvalidGene
from molgen.scoring.protocols import CRYSTAL_PROTOCOLS, DEFAULTS, GENE_PROTOCOLS, PROTOCOLS, check_protocol
from molgen.structure import Structure
from molgen.symmetry.gene import Gene

_IS = {"molecules": "has no lattice", "crystals": "has a lattice", "genes": "is a gene"}


def fitting_protocols(
    names: Sequence[str], first: Structure | Gene | InvalidGene | None, source: str = "the input"
) -> list[str]:
    """The protocols asked for, or the usual ones for what is scored.

    Args:
        names: As the user gave them; empty for the usual ones.
        first: The first gene, or structure that can be read: with a lattice, crystals are scored; None tells nothing.
        source: What is scored, in words.

    Raises:
        ConfigError: There is no such protocol, or it scores structures of another kind.
    """
    for name in names:
        check_protocol(name)
    if first is None:
        return list(names or DEFAULTS["molecules"])
    kind = "genes"
    if isinstance(first, Structure):
        kind = "molecules" if first.lattice is None else "crystals"
    wrong = [name for name in names if _scored_by(name) != kind]
    if wrong:
        fitting = [name for name in PROTOCOLS if _scored_by(name) == kind]
        raise ConfigError(
            f"protocol {', '.join(wrong)} scores {_scored_by(wrong[0])}, "
            f"but the first {'record' if kind == 'genes' else 'structure'} of {source} {_IS[kind]}",
            hint=f"for {kind}: --protocol {','.join(DEFAULTS[kind])} (also {', '.join(fitting)})",
        )
    return list(names or DEFAULTS[kind])


def _scored_by(name: str) -> str:
    """What a protocol scores; an ASE calculator scores molecules."""
    return "genes" if name in GENE_PROTOCOLS else "crystals" if name in CRYSTAL_PROTOCOLS else "molecules"
