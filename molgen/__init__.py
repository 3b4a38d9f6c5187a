"""molgen: generate molecules and materials, and score them honestly."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molgen.batch import AtomBatch
    from molgen.chemistry.bonds import perceive_bonds
    from molgen.chemistry.fragment import read_fragment
    from molgen.chemistry.unit_cell import canonical_cell
    from molgen.convert import from_ase, from_pymatgen, from_rdkit, to_ase, to_pymatgen, to_rdkit
    from molgen.io import open_writer, read, write
    from molgen.sampling.generator import load
    from molgen.scoring import score
    from molgen.structure import Structure
    from molgen.symmetry.gene import Gene
    from molgen.symmetry.lines import read_genes

__version__ = "0.1.0"

__all__ = [
    "AtomBatch",
    "Gene",
    "Structure",
    "canonical_cell",
    "from_ase",
    "from_pymatgen",
    "from_rdkit",
    "load",
    "open_writer",
    "perceive_bonds",
    "read",
    "read_fragment",
    "read_genes",
    "score",
    "to_ase",
    "to_pymatgen",
    "to_rdkit",
    "write",
]

_MODULES = {
    "molgen.batch": ("AtomBatch",),
    "molgen.structure": ("Structure",),
    "molgen.io": ("open_writer", "read", "write"),
    "molgen.convert": ("from_ase", "from_pymatgen", "from_rdkit", "to_ase", "to_pymatgen", "to_rdkit"),
    "molgen.chemistry.bonds": ("perceive_bonds",),
    "molgen.chemistry.fragment": ("read_fragment",),
    "molgen.chemistry.unit_cell": ("canonical_cell",),
    "molgen.scoring": ("score",),
    "molgen.symmetry.gene": ("Gene",),
    "molgen.symmetry.lines": ("read_genes",),
    "molgen.sampling.generator": ("load",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that ``import molgen`` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'molgen' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
