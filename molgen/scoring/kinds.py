"""Whether molecules or crystals are scored, and the protocols that fit them."""

from __future__ import annotations

from collections.abc import Sequence

from molgen.errors import ConfigError
from molgen.scoring.protocols import CRYSTAL_PROTOCOLS, DEFAULTS, PROTOCOLS, check_protocol
from molgen.structure import Structure


def fitting_protocols(names: Sequence[str], first: Structure | None, source: str = "the input") -> list[str]:
    """The protocols asked for, or the usual ones for what is scored.

    Args:
        names: As the user gave them; empty for the usual ones.
        first: The first structure that can be read: with a lattice, crystals are scored; None tells nothing.
        source: What is scored, in words.

    Raises:
        ConfigError: There is no such protocol, or it scores the other kind of structures.
    """
    for name in names:
        check_protocol(name)
    if first is None:
        return list(names or DEFAULTS["molecules"])
    kind, other = ("molecules", "crystals") if first.lattice is None else ("crystals", "molecules")
    wrong = [name for name in names if (name in CRYSTAL_PROTOCOLS) != (kind == "crystals")]
    if wrong:
        fitting = [name for name in PROTOCOLS if (name in CRYSTAL_PROTOCOLS) == (kind == "crystals")]
        has = "has a lattice" if kind == "crystals" else "has no lattice"
        raise ConfigError(
            f"protocol {', '.join(wrong)} scores {other}, but the first structure of {source} {has}",
            hint=f"for {kind}: --protocol {','.join(DEFAULTS[kind])} (also {', '.join(fitting)})",
        )
    return list(names or DEFAULTS[kind])
