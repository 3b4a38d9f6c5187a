"""What a relaxed structure carries: results as properties, all of which begin with ``relax_``."""

from __future__ import annotations

from typing import Any

from molgen.chemistry.crystal_relaxation import CrystalRelaxation
from molgen.chemistry.relaxation import Relaxation
from molgen.io.crystal import SYMMETRISED
from molgen.structure import Structure

PREFIX = "relax_"
INDEX, CONVERGED, REASON = "relax_index", "relax_converged", "relax_reason"
CALCULATOR = "relax_calculator"
ENERGIES = "relax_energies"
"""Versions of what the energies come from; only energies of equal ones may be compared. Crystals have it."""
ENERGY_PER_ATOM = "relax_energy_eV_per_atom"
RMSD = "relax_rmsd_angstrom"
VOLUME_CHANGE = "relax_volume_change_percent"
GROUP_BEFORE, GROUP_AFTER = "relax_space_group_before", "relax_space_group_after"
OF_GEOMETRY = ("space_group", "space_group_number", "symprec", SYMMETRISED)
"""What ``molgen sample`` says of a crystal that is no longer true of the relaxed one."""
QUANTITIES = {
    "molecules": {
        "energy_gain": "relax_energy_gain_kcal_per_mol",
        "rmsd": RMSD,
        "bond_change": "relax_bond_change_angstrom",
        "angle_change": "relax_angle_change_degree",
        "torsion_change": "relax_torsion_change_degree",
        "steps": "relax_steps",
    },
    "crystals": {
        "energy": ENERGY_PER_ATOM,
        "energy_gain": "relax_energy_gain_eV_per_atom",
        "rmsd": RMSD,
        "volume_change": VOLUME_CHANGE,
        "steps": "relax_steps",
    },
}
"""What a summary is made of, and the property that holds it; its unit ends the name."""


def unit_of(quantity: str, key: str) -> str:
    """``("rmsd", "relax_rmsd_angstrom") -> "angstrom"``; steps have none."""
    return key.removeprefix(f"{PREFIX}{quantity}_").replace("_per_", "/") if quantity != "steps" else ""


def with_results(index: int, calculator: str, energies: str, done: Relaxation | CrystalRelaxation) -> Structure:
    """The relaxed structure with what happened to it as properties.

    Args:
        index: Number of its record in the input, from 0.
        calculator: Name of the potential.
        energies: Its versions.
        done: What happened.
    """
    stale = () if isinstance(done, Relaxation) else OF_GEOMETRY
    properties = {k: v for k, v in done.structure.properties.items() if not k.startswith(PREFIX) and k not in stale}
    values: dict[str, Any] = {INDEX: index, CALCULATOR: calculator}
    values[CONVERGED] = "true" if done.converged else "false"
    own = _of_molecule(done) if isinstance(done, Relaxation) else {ENERGIES: energies} | _of_crystal(done)
    values |= {key: value for key, value in own.items() if value is not None}
    if done.reason:
        values[REASON] = done.reason
    return done.structure.replace(properties=properties | values)


def _of_molecule(done: Relaxation) -> dict[str, Any]:
    if done.minimum is None:
        return {}
    numbers = {
        "energy_gain": done.energy_gain,
        "rmsd": done.rmsd,
        "bond_change": done.changes.bonds,
        "angle_change": done.changes.angles,
        "torsion_change": done.changes.torsions,
        "steps": done.minimum.steps,
    }
    energies = {
        "relax_energy_before_eV": done.minimum.energy_before,
        "relax_energy_after_eV": done.minimum.energy_after,
    }
    named = {QUANTITIES["molecules"][name]: value for name, value in numbers.items()}
    return energies | named | {"relax_max_force_eV_per_angstrom": done.minimum.max_force}


def _of_crystal(done: CrystalRelaxation) -> dict[str, Any]:
    groups = {GROUP_BEFORE: done.space_group_before, GROUP_AFTER: done.space_group_after}
    if done.minimum is None:
        return groups
    minimum, atoms = done.minimum, len(done.structure)
    numbers = {
        "energy": minimum.energy_after / atoms,
        "energy_gain": (minimum.energy_before - minimum.energy_after) / atoms,
        "rmsd": minimum.rmsd,
        "volume_change": 100 * minimum.volume_change,
        "steps": minimum.steps,
    }
    energies = {"relax_energy_before_eV": minimum.energy_before, "relax_energy_after_eV": minimum.energy_after}
    ends = {"relax_max_force_eV_per_angstrom": minimum.max_force, "relax_max_stress_GPa": minimum.max_stress}
    return energies | {QUANTITIES["crystals"][name]: value for name, value in numbers.items()} | ends | groups
