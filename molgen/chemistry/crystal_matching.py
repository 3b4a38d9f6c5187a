"""Whether two crystals are one structure, by pymatgen's StructureMatcher at stated tolerances.

It compares primitive Niggli cells scaled to one volume, over all choices of axes, mirror images among them, and all
origins (Ong et al., Comput. Mater. Sci. 68, 314, 2013). Twins of both hands are one structure to it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from molgen.errors import InputError
from molgen.structure import Structure

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure as Crystal

KEPT = 512
"""Crystals of one matcher whose pymatgen form is kept."""


@dataclass(frozen=True)
class Tolerances:
    """How far two crystals may differ.

    Attributes:
        length: Of a cell edge, as a part of it (``ltol``).
        site: Of an atom, as a part of the cube root of the volume per atom (``stol``).
        angle: Of a cell angle, degrees (``angle_tol``).
    """

    length: float
    site: float
    angle: float

    def __str__(self) -> str:
        return f"ltol {self.length:g}, stol {self.site:g}, angle {self.angle:g}"


PREDICTION = Tolerances(0.3, 0.5, 10.0)
"""As in CDVAE and all papers on crystal structure prediction after it."""
SAME = Tolerances(0.2, 0.3, 5.0)
"""pymatgen's own defaults, by which FlowMM, WyFormer and LeMat-GenBench tell crystals apart."""


class CrystalMatcher:
    """Compares crystals.

    Args:
        tolerances: How far they may differ.
    """

    def __init__(self, tolerances: Tolerances) -> None:
        from pymatgen.core.structure_matcher import StructureMatcher

        self.tolerances = tolerances
        self._matcher = StructureMatcher(ltol=tolerances.length, stol=tolerances.site, angle_tol=tolerances.angle)
        self._kept: OrderedDict[int, tuple[Structure, Crystal]] = OrderedDict()

    def same(self, one: Structure, other: Structure) -> bool:
        """Whether every atom of one can be laid on one of the other within the tolerances.

        Args:
            one: A crystal with a cell that is not flat.
            other: Another.
        """
        return bool(self._matcher.fit(self._crystal(one), self._crystal(other)))

    def rmse(self, sample: Structure, target: Structure) -> float | None:
        """Root mean square distance of matched atoms over the cube root of the volume per atom; None for no match.

        Args:
            sample: A crystal with a cell that is not flat.
            target: Another.
        """
        found = self._matcher.get_rms_dist(self._crystal(sample), self._crystal(target))
        return None if found is None else float(found[0])

    def _crystal(self, structure: Structure) -> Crystal:
        """In pymatgen's form; kept, as one crystal is compared with several."""
        from pymatgen.core.lattice import Lattice
        from pymatgen.core.structure import Structure as Crystal

        if structure.lattice is None:
            raise InputError("no lattice: molecules are not compared here")
        key = id(structure)
        if key in self._kept and self._kept[key][0] is structure:
            self._kept.move_to_end(key)
            return self._kept[key][1]
        lattice = Lattice(structure.lattice)
        crystal = Crystal(lattice, structure.numbers.tolist(), structure.positions, coords_are_cartesian=True)
        self._kept[key] = (structure, crystal)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return crystal
