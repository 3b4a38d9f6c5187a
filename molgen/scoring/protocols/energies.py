"""Energies: how far molecules lie from the nearest minimum of a potential, and how they change on the way there.

With GFN2-xTB these are the relaxation energy, RMSD and geometry changes of "GEOM-Drugs revisited" (Nikitin et al.
2025), which runs ``xtb --opt``; with MMFF94s the energy, strain and RMSD of SemlaFlow (Irwin et al. 2024). An energy
gain is positive here where relaxing lowers the energy; xtb prints it with the opposite sign.
"""

from __future__ import annotations

from typing import ClassVar

from molgen.chemistry.potentials import KCAL_PER_MOL, Minimum, Potential, Settings, make_potential
from molgen.chemistry.relaxation import Relaxation, relax_sanitised
from molgen.scoring.protocol import REASON, Column, Metric, Protocol, Quantity, Row, Share
from molgen.scoring.subject import Subject

SETTINGS = Settings()

COLUMNS = (
    Column("sanitised", "bool", "RDKit's sanitisation accepts the molecule; only then it is relaxed"),
    Column("relaxed", "bool", "relaxed until no force exceeds the tolerance; the columns below are of such molecules"),
    Column("energy_gain", "float", "energy before minus after relaxation, kcal/mol"),
    Column("energy_gain_per_atom", "float", "energy gain over the number of atoms, kcal/mol"),
    Column("rmsd", "float", "between given and relaxed geometry, all atoms, best superposition, angstrom"),
    Column("bond_change", "float", "mean absolute change of bond lengths, angstrom"),
    Column("angle_change", "float", "mean absolute change of bond angles, degree"),
    Column("torsion_change", "float", "mean absolute change of torsions, degree"),
    Column("steps", "int", "steps of the optimiser"),
    REASON,
)
METRICS: tuple[Metric, ...] = (
    Share("relaxed", ("relaxed",), "relaxed / all records"),
    Share("relaxed_of_sanitised", ("relaxed",), "relaxed / sanitised", ("sanitised",)),
    Quantity("energy_gain", "energy_gain", "kcal/mol", "relaxation energy (strain) of relaxed molecules"),
    Quantity("energy_gain_per_atom", "energy_gain_per_atom", "kcal/mol", "relaxation energy over number of atoms"),
    Quantity("rmsd", "rmsd", "angstrom", "RMSD to the relaxed geometry"),
    Quantity("bond_change", "bond_change", "angstrom", "mean absolute change of a molecule's bond lengths"),
    Quantity("angle_change", "angle_change", "degree", "mean absolute change of a molecule's bond angles"),
    Quantity("torsion_change", "torsion_change", "degree", "mean absolute change of a molecule's torsions"),
)
NOTES = (
    f"relaxed until no force on an atom exceeds {SETTINGS.force_tolerance} eV/angstrom, "
    f"in at most {SETTINGS.max_steps} steps; molecules that are not relaxed are in no mean or median",
    "geometry changes are means per molecule; GEOM-Drugs revisited pools the coordinates of all molecules instead",
)
BOND_SOURCE = "those stated by the file or perceived; charge and spin from formal charges and radical electrons"


class Energy(Protocol):
    """Relaxes each molecule that sanitises with one potential.

    Args:
        name: Of the potential, see :func:`molgen.chemistry.potentials.make_potential`, which says what it raises.
    """

    bond_source = BOND_SOURCE
    columns: ClassVar[tuple[Column, ...]] = COLUMNS
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    notes: ClassVar[tuple[str, ...]] = NOTES

    def __init__(self, name: str) -> None:
        self._potential: Potential = make_potential(name)
        self.name = name  # type: ignore[misc]  # differs between calculators
        self.version = f"{name}-1 ({self._potential.version})"  # type: ignore[misc]

    def check(self, subject: Subject) -> Row:
        row: Row = dict.fromkeys(column.name for column in self.columns)
        molecule = subject.sanitised
        row["sanitised"] = molecule.mol is not None
        done = relax_sanitised(subject.perceived, molecule, self._potential, SETTINGS)
        row["reason"] = done.reason
        if molecule.mol is not None:
            row["relaxed"] = done.converged
        if done.converged and done.minimum is not None:
            row |= self.values(done, done.minimum)
        return row

    def values(self, done: Relaxation, minimum: Minimum) -> Row:
        """Columns of a relaxed molecule."""
        gain = done.energy_gain
        return {
            "energy_gain": gain,
            "energy_gain_per_atom": None if gain is None else gain / len(done.structure),
            "rmsd": done.rmsd,
            "bond_change": done.changes.bonds,
            "angle_change": done.changes.angles,
            "torsion_change": done.changes.torsions,
            "steps": minimum.steps,
        }


class Mmff94s(Energy):
    """MMFF94s; it alone has a meaningful zero of energy, so that the energies themselves can be compared."""

    columns = (
        *COLUMNS[:-1],
        Column("energy", "float", "energy of the given geometry, kcal/mol"),
        Column("energy_per_atom", "float", "that energy over the number of atoms, kcal/mol"),
        REASON,
    )
    metrics = (
        *METRICS,
        Quantity("energy", "energy", "kcal/mol", "MMFF94s energy before relaxation"),
        Quantity("energy_per_atom", "energy_per_atom", "kcal/mol", "MMFF94s energy over number of atoms"),
    )
    notes = (
        *NOTES,
        "MMFF94s: fragments do not interact, as is RDKit's default; radicals get a closed shell's parameters",
    )

    def __init__(self) -> None:
        super().__init__("mmff94s")

    def values(self, done: Relaxation, minimum: Minimum) -> Row:
        energy = minimum.energy_before / KCAL_PER_MOL
        return {**super().values(done, minimum), "energy": energy, "energy_per_atom": energy / len(done.structure)}


class Gfn2Xtb(Energy):
    """GFN2-xTB by tblite."""

    def __init__(self) -> None:
        super().__init__("gfn2-xtb")


class CalculatorEnergy(Energy):
    """An ASE calculator, ``module:factory``."""
