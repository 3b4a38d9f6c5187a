"""S.U.N.: crystals that are stable, unique and novel, and what relaxing changed."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from molgen.chemistry.ase_potentials import AsePotential
from molgen.chemistry.composition import reduced_composition
from molgen.chemistry.crystal_matching import SAME
from molgen.chemistry.crystal_relaxation import static_energies
from molgen.chemistry.hull import METASTABLE, ROUNDING
from molgen.chemistry.periodic_distances import CellDistances
from molgen.errors import ConfigError, InputError, MissingError
from molgen.scoring.hull_building import crystal_potential
from molgen.scoring.hull_file import HullReference, read_hull
from molgen.scoring.protocol import Column, Given, Metric, Quantity, Row, Share
from molgen.scoring.protocols.novelty import Novelty
from molgen.scoring.relaxed_properties import (
    CONVERGED,
    ENERGIES,
    ENERGY_PER_ATOM,
    GROUP_AFTER,
    GROUP_BEFORE,
    REASON,
    RMSD,
    VOLUME_CHANGE,
)
from molgen.scoring.subject import Subject
from molgen.structure import Structure

PHASES_NAMED = 8
STATED = ("energy_per_atom", "energy")
"""Properties of crystals with energies of their own, eV per atom or per cell, for hulls that name no potential."""


class Sun(Novelty):
    """Energy above the hull, uniqueness and novelty in one table; every denominator is all records.

    Energies are those that ``molgen relax`` left in the file, which must be of the hull's potential; crystals without
    are evaluated as they are. Where the hull names no potential (DFT entries, say), crystals must state their energy.

    Args:
        reference: What :func:`known_crystals` takes; empty for none.
        hull: What :func:`read_hull` takes.
    """

    name = "sun"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("energy_per_atom", "float", "eV/atom, of the hull's kind"),
        Column("energy_of", "str", "relaxed, static (the hull's potential, geometry as given) or stated (by the file)"),
        Column("e_above_hull", "float", "eV/atom; below zero where more stable than all known phases together"),
        Column("known_energy", "bool", "e_above_hull is known"),
        Column("phases", "str", "competing phases and their shares of the atoms, largest first"),
        Column("stable", "bool", "e_above_hull is 0 or less"),
        Column("metastable", "bool", f"e_above_hull is {METASTABLE:g} eV/atom or less"),
        Column("converged", "bool", "the relaxation converged"),
        Column("rmsd", "float", "of the atoms by relaxing, angstrom"),
        Column("volume_change", "float", "by relaxing, percent"),
        Column("space_group_before", "int", "as generated, at 0.1 angstrom"),
        Column("space_group_after", "int", "relaxed, at 0.1 angstrom"),
        Column("both_groups", "bool", "both are known"),
        Column("same_space_group", "bool", "both are the same"),
        *Novelty.columns,
    )
    metrics: ClassVar[tuple[Metric, ...]] = (
        Share("sun", ("stable", "unique", "novel"), "stable, unique and novel / all records"),
        Share("metastable_sun", ("metastable", "unique", "novel"), "metastable, unique and novel / all records"),
        Share("stable", ("stable",), "on the hull or below it / all records"),
        Share("metastable", ("metastable",), f"{METASTABLE:g} eV/atom or less above the hull / all records"),
        Share("stable_unique", ("stable", "unique"), "stable and unique / all records"),
        Share("metastable_unique", ("metastable", "unique"), "metastable and unique / all records"),
        Share("unique", ("unique",), "different crystals / all records"),
        Share("unique_novel", ("unique", "novel"), "different crystals absent from the reference / all records"),
        Share("known_energy", ("known_energy",), "with an energy above the hull / all records"),
        Share("converged", ("converged",), "relaxed to convergence / all records"),
        Share("same_space_group", ("same_space_group",), "relaxing kept it / both known", ("both_groups",)),
        Quantity("e_above_hull", "e_above_hull", "eV/atom", "energy above the hull"),
        Quantity("rmsd", "rmsd", "angstrom", "RMSD by relaxing"),
        Quantity("volume_change", "volume_change", "percent", "volume change by relaxing"),
    )

    failed: ClassVar[Row] = {"comparable": False, "known_energy": False}

    def __init__(self, reference: str, hull: str) -> None:
        super().__init__(reference)
        self._hull_spec = hull
        known = self.hull
        source = f"{known.name} {known.fingerprint[:12]}"
        kind = f"{'relaxed' if known.relaxed else 'static'} {known.energies}" if known.calculator else "as stated"
        self.version = f"sun-1 ({SAME}; hull {source}, {kind})"  # type: ignore[misc]  # differs between hulls
        self.notes = _notes(known)  # type: ignore[misc]

    @classmethod
    def of(cls, given: Given) -> Sun:
        if not given.hull:
            raise ConfigError(
                "protocol sun needs reference energies",
                hint="--hull mp20_all_chgnet, which ships, or a file that molgen data hull makes",
            )
        return cls(given.reference, given.hull)

    @cached_property
    def hull(self) -> HullReference:
        """The reference energies."""
        return read_hull(self._hull_spec)

    @cached_property
    def _potential(self) -> AsePotential:
        """The hull's; InputError where it is not installed, or in another version."""
        try:
            potential = crystal_potential(self.hull.calculator)
        except MissingError as error:
            raise InputError(f"not relaxed: its energy as it is cannot be had: {error}") from error
        if potential.energy_version != self.hull.energies:
            raise InputError(
                f"other energies: installed is {potential.energy_version}, the hull is of {self.hull.energies}"
            )
        return potential

    def values(self, subject: Subject, cell: CellDistances) -> Row:
        crystal = subject.structure
        row = super().values(subject, cell) | _relaxed(crystal)
        try:
            energy, kind = self._energy(crystal)
            row |= {"energy_per_atom": energy, "energy_of": kind}
            above = self.hull.hull.above(reduced_composition(crystal.numbers.tolist()), energy)
        except InputError as error:
            return row | {"known_energy": False, "reason": str(error)}
        phases = ", ".join(f"{name} {share:.3f}" for name, share in above.phases[:PHASES_NAMED])
        return row | {
            "e_above_hull": above.energy,
            "known_energy": True,
            "phases": phases,
            "stable": above.energy <= ROUNDING,
            "metastable": above.energy <= METASTABLE + ROUNDING,
        }

    def _energy(self, crystal: Structure) -> tuple[float, str]:
        """In eV per atom, and what it is of.

        Raises:
            InputError: There is none of the hull's kind; "kind: detail".
        """
        properties = crystal.properties
        if not self.hull.calculator:
            stated = next((key for key in STATED if isinstance(properties.get(key), int | float)), None)
            if stated is None:
                raise InputError(f"no energy: the hull names no potential, and the crystal states no {STATED[0]}")
            atoms = 1 if stated == STATED[0] else len(crystal)
            return float(properties[stated]) / atoms, "stated"
        if ENERGY_PER_ATOM in properties:
            if properties.get(ENERGIES) != self.hull.energies:
                raise InputError(
                    f"other energies: relaxed with {properties.get(ENERGIES)}, the hull is of {self.hull.energies}"
                )
            return float(properties[ENERGY_PER_ATOM]), "relaxed"
        if CONVERGED in properties:
            raise InputError(str(properties.get(REASON, "not relaxed: no reason is given")))
        (energy,) = static_energies([crystal], self._potential)
        if isinstance(energy, str):
            raise InputError(energy)
        return energy, "static"


def _relaxed(crystal: Structure) -> dict[str, Any]:
    """The columns that follow from what ``molgen relax`` left in the file; None without it."""
    properties = crystal.properties
    before, after = properties.get(GROUP_BEFORE), properties.get(GROUP_AFTER)
    return {
        "converged": {"true": True, "false": False}.get(str(properties.get(CONVERGED))),
        "rmsd": properties.get(RMSD),
        "volume_change": properties.get(VOLUME_CHANGE),
        "space_group_before": before,
        "space_group_after": after,
        "both_groups": before is not None and after is not None,
        "same_space_group": None if before is None or after is None else before == after,
    }


def _notes(known: HullReference) -> tuple[str, ...]:
    notes = [
        "a hull of known phases is an upper bound: each phase that the reference lacks makes crystals look more stable",
        f"stable: e_above_hull of 0 or less; metastable: {METASTABLE:g} eV/atom or less; the elements count, too "
        "(FlowMM leaves them out)",
    ]
    if known.calculator and not known.relaxed:
        notes.append(
            "the hull is of crystals as they are in the data, not relaxed with the potential: relaxed samples have "
            "that advantage"
        )
    if not known.calculator:
        notes.append("the hull names no potential: that its energies and the crystals' are of one kind is on trust")
    return tuple(notes)
