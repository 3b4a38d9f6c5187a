"""Validity of crystals: as CDVAE and the papers after it count it, and a strict one that catches what theirs misses."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from molgen.chemistry.charge_balance import TABLE, is_charge_balanced
from molgen.chemistry.periodic_distances import CellDistances
from molgen.errors import InputError
from molgen.scoring.protocol import REASON, Column, Metric, Protocol, Quantity, Row, Share
from molgen.scoring.subject import Subject

NEAREST_PAIR = 0.5
"""Angstrom between different atoms, from which on CDVAE calls a structure valid."""
SMALLEST_VOLUME = 0.1
"""Cubic angstrom."""
CLOSENESS = 0.5
"""Distance over the sum of covalent radii, as in LeMat-GenBench."""
MASS_DENSITY = (0.01, 25.0)
"""Grams per cubic centimetre, as in LeMat-GenBench."""
ATOMIC_DENSITY = (1e-5, 0.5)
"""Atoms per cubic angstrom, as in LeMat-GenBench."""
ELONGATION = 50.0
"""Longest edge of the Niggli cell over its smallest height; MP-20 (up to 20 atoms) stays below 15."""
NO_BONDS = "none needed"


class CrystalProtocol(Protocol):
    """A protocol for structures with a lattice; without one a structure fails with a reason."""

    crystals = True
    bond_source = NO_BONDS
    failed: ClassVar[Row]
    """Values of a structure that has no usable cell; the other columns are None."""

    def check(self, subject: Subject) -> Row:
        try:
            return self.values(subject, subject.cell)
        except InputError as error:
            empty: Row = dict.fromkeys(column.name for column in self.columns)
            return empty | self.failed | {"reason": str(error)}

    @abstractmethod
    def values(self, subject: Subject, cell: CellDistances) -> Row:
        """The columns of a crystal with a cell that could be reduced.

        Raises:
            InputError: They have no values, "kind: detail"; ``failed`` then says what they are.
        """


class Cdvae2021(CrystalProtocol):
    """Validity as CDVAE's ``compute_metrics.py`` has it (Xie et al., ICLR 2022, arXiv 2110.06197).

    Coverage is protocol ``coverage``; Wasserstein distances are among the distributions. Published rows also count as
    invalid what CrystalNN cannot fingerprint: column ``fingerprint`` of ``coverage``.
    """

    name = "cdvae-2021"
    version = f"cdvae-2021-1 ({TABLE})"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("structure_valid", "bool", "different atoms are 0.5 angstrom or more apart, volume 0.1 cubic angstrom"),
        Column("composition_valid", "bool", "one oxidation state per element balances charges, or an alloy or element"),
        Column("valid", "bool", "both"),
        Column("nearest_pair", "float", "shortest distance of different atoms, own images left out, angstrom"),
        REASON,
    )
    metrics: ClassVar[tuple[Metric, ...]] = (
        Share("structure_validity", ("structure_valid",), "no two atoms closer than 0.5 angstrom / all records"),
        Share("composition_validity", ("composition_valid",), "charges can be balanced / all records"),
        Share("validity", ("valid",), "both / all records"),
    )
    failed: ClassVar[Row] = {"structure_valid": False, "valid": False}
    notes: ClassVar[tuple[str, ...]] = (
        f"oxidation states: {TABLE}, pinned; about 90 % of real crystals (MP-20) are valid in composition, so that is "
        "the mark to reach, not 100 %; mixed valence (Fe3O4) counts as invalid",
        "an atom's own images are not looked at: one atom in a cell of 0.6 angstrom is valid here; see protocol strict",
    )

    def check(self, subject: Subject) -> Row:
        balanced = is_charge_balanced(subject.structure.numbers.tolist())
        return super().check(subject) | {"composition_valid": balanced}

    def values(self, subject: Subject, cell: CellDistances) -> Row:
        nearest, problem = cell.nearest_pair, ""
        if not is_structure_valid(cell):
            too_close = nearest < NEAREST_PAIR
            small = f"cell too small: {cell.volume:.3g} cubic angstrom"
            problem = f"atoms too close: {nearest:.3f} angstrom" if too_close else small
        balanced = is_charge_balanced(subject.structure.numbers.tolist())
        return {
            "structure_valid": not problem,
            "composition_valid": balanced,
            "valid": balanced and not problem,
            "nearest_pair": nearest if len(subject.structure) > 1 else None,
            "reason": problem or ("" if balanced else "charges not balanced: no choice of oxidation states is neutral"),
        }


def is_structure_valid(cell: CellDistances) -> bool:
    """Structural validity of CDVAE: no two different atoms closer than 0.5 angstrom, volume 0.1 cubic angstrom."""
    return cell.nearest_pair >= NEAREST_PAIR and cell.volume >= SMALLEST_VOLUME


class Strict(CrystalProtocol):
    """Whether a structure could be a solid at all: distances by radii, own images among them, densities, cell."""

    name = "strict"
    version = "strict-1"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("separated", "bool", "every distance, to own images too, is half the sum of covalent radii or more"),
        Column("dense", "bool", "0.01 to 25 g/cm3 and 1e-5 to 0.5 atoms per cubic angstrom"),
        Column("compact", "bool", f"longest edge of the Niggli cell over smallest height is {ELONGATION:g} or less"),
        Column("valid", "bool", "separated, dense and compact"),
        Column("closeness", "float", "smallest distance over the sum of covalent radii, own images too"),
        Column("self_image", "float", "shortest lattice vector, angstrom"),
        Column("mass_density", "float", "g/cm3"),
        Column("atomic_density", "float", "atoms per cubic angstrom"),
        Column("elongation", "float", "longest edge of the Niggli cell over its smallest height"),
        REASON,
    )
    metrics: ClassVar[tuple[Metric, ...]] = (
        Share("validity", ("valid",), "separated, dense and compact / all records"),
        Share("separated", ("separated",), "no distance below half the sum of covalent radii / all records"),
        Share("dense", ("dense",), "densities of solids / all records"),
        Share("compact", ("compact",), "no needle or plate of a cell / all records"),
        Quantity("closeness", "closeness", "", "smallest distance over the sum of covalent radii"),
        Quantity("mass_density", "mass_density", "g/cm3", "mass density"),
    )
    failed: ClassVar[Row] = {"separated": False, "dense": False, "compact": False, "valid": False}

    def values(self, subject: Subject, cell: CellDistances) -> Row:
        closeness, (i, j) = cell.closeness()
        mass, atoms, elongation = cell.mass_density, cell.atomic_density, cell.elongation
        separated, compact = closeness >= CLOSENESS, elongation <= ELONGATION
        dense = MASS_DENSITY[0] <= mass <= MASS_DENSITY[1] and ATOMIC_DENSITY[0] <= atoms <= ATOMIC_DENSITY[1]
        pair = f"atom {i} and its own image" if i == j else f"atoms {i} and {j}"
        problems = {
            f"atoms too close: {pair} at {closeness:.2f} of the sum of radii": separated,
            f"density: {mass:.4g} g/cm3, {atoms:.3g} atoms per cubic angstrom": dense,
            f"cell shape: longest edge {elongation:.0f} times the smallest height": compact,
        }
        return {
            "separated": separated,
            "dense": dense,
            "compact": compact,
            "valid": separated and dense and compact,
            "closeness": closeness,
            "self_image": cell.translation,
            "mass_density": mass,
            "atomic_density": atoms,
            "elongation": elongation,
            "reason": "; ".join(problem for problem, passed in problems.items() if not passed),
        }
