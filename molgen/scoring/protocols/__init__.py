"""The scoring protocols by name. A protocol is frozen: another table or denominator gets another name."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

from molgen.errors import ConfigError
from molgen.scoring.protocol import Given, Protocol

NOTHING = Given()
PROTOCOLS = {
    "edm": "edm:Edm",
    "explicit": "explicit:Explicit",
    "explicit-sulfoxide": "explicit:ExplicitSulfoxide",
    "explicit-legacy": "explicit:ExplicitLegacy",
    "xyz2mol": "perceived:Xyz2mol",
    "openbabel": "perceived:OpenBabel",
    "posebusters": "posebusters:PoseBusters",
    "mmff94s": "energies:Mmff94s",
    "gfn2-xtb": "energies:Gfn2Xtb",
    "cdvae-2021": "crystals:Cdvae2021",
    "strict": "crystals:Strict",
    "symmetry": "symmetry:Symmetry",
    "novelty": "novelty:Novelty",
    "match": "prediction:Match",
    "coverage": "coverage:Coverage",
    "sun": "sun:Sun",
    "genes": "genes:Genes",
}
"""Name -> module in this package and class. A name with a colon is an ASE calculator, ``module:factory``."""


CRYSTAL_PROTOCOLS = ("cdvae-2021", "strict", "symmetry", "novelty", "match", "coverage", "sun")
"""Those of structures with a lattice; the others score molecules or genes."""
GENE_PROTOCOLS = ("genes",)
DEFAULTS = {"molecules": ("edm",), "crystals": ("cdvae-2021", "strict", "symmetry"), "genes": GENE_PROTOCOLS}


def make_protocol(name: str, given: Given = NOTHING) -> Protocol:
    """The protocol of a name.

    Args:
        name: A key of ``PROTOCOLS``, or ``module:factory``.
        given: What it may be measured against.

    Raises:
        ConfigError: There is no such protocol, or it needs something that is not given.
        MissingError: It needs an optional package that is not installed; the message names the extra.
    """
    protocol: Protocol
    if ":" in name:
        from molgen.scoring.protocols.energies import CalculatorEnergy

        protocol = CalculatorEnergy(name)
    else:
        check_protocol(name)
        module, _, kind = PROTOCOLS[name].partition(":")
        protocol = getattr(import_module(f"{__name__}.{module}"), kind).of(given)
    protocol.require()
    return protocol


def check_protocol(name: str) -> None:
    """Raise ConfigError, with the nearest name, when there is no such protocol."""
    if name not in PROTOCOLS and ":" not in name:
        near = get_close_matches(name.lower(), PROTOCOLS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(PROTOCOLS)}, or module:factory"
        raise ConfigError(f"unknown scoring protocol {name!r}", hint=hint)
