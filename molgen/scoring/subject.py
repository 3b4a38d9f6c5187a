"""One structure under scoring, with what several protocols need of it computed once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from molgen.chemistry.perception import Perceived, perceive
from molgen.structure import Structure

if TYPE_CHECKING:
    from molgen.chemistry.periodic_distances import CellDistances
    from molgen.chemistry.sanitised import Sanitised


class Subject:
    """A structure and its bonds.

    Args:
        structure: Readable, with at least one atom and finite coordinates.
        bonds: Bond source, a name in ``molgen.chemistry.perception.BOND_SOURCES`` or ``auto``.
    """

    def __init__(self, structure: Structure, bonds: str = "auto") -> None:
        self.structure, self.bonds = structure, bonds

    @cached_property
    def perceived(self) -> Perceived:
        """Bonds and formal charges, stated or perceived."""
        return perceive(self.structure, self.bonds)

    @cached_property
    def sanitised(self) -> Sanitised:
        """The molecule of these bonds after RDKit's sanitisation; it must not be changed."""
        from molgen.chemistry.sanitised import sanitised

        return sanitised(self.perceived)

    @cached_property
    def cell(self) -> CellDistances:
        """The crystal in its Niggli cell; raises InputError where it has no lattice or a flat one."""
        from molgen.chemistry.periodic_distances import CellDistances

        return CellDistances.of(self.structure)
