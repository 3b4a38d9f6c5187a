"""Relaxing a molecule: to the nearest minimum of a potential, and what changes on the way."""

from __future__ import annotations

from dataclasses import dataclass

from molgen.chemistry.internal_coordinates import Changes, changes, internal_coordinates
from molgen.chemistry.perception import Perceived, perceive
from molgen.chemistry.potentials import KCAL_PER_MOL, Minimum, Potential, PotentialError, Settings
from molgen.chemistry.sanitised import Sanitised, sanitised
from molgen.chemistry.superposition import kabsch_rmsd
from molgen.structure import Structure

UNCHANGED = Changes(None, None, None)


@dataclass(frozen=True)
class Relaxation:
    """What became of one molecule.

    Attributes:
        structure: With its bonds and charges; where the optimiser ended, or as given where it failed.
        reason: ``"kind: detail"`` why it failed or did not converge; empty if it converged.
        minimum: Energies and steps; None where it failed.
        rmsd: To the given geometry in angstrom, all atoms, best superposition, no permutation; None where it failed.
        changes: Mean absolute changes of bond lengths, angles and torsions.
    """

    structure: Structure
    reason: str
    minimum: Minimum | None = None
    rmsd: float | None = None
    changes: Changes = UNCHANGED

    @property
    def converged(self) -> bool:
        """Whether no force at the end exceeds the tolerance."""
        return not self.reason

    @property
    def energy_gain(self) -> float | None:
        """Energy before minus after, in kcal/mol: positive where relaxing lowers the energy."""
        if self.minimum is None:
            return None
        return (self.minimum.energy_before - self.minimum.energy_after) / KCAL_PER_MOL


def relax(
    structure: Structure, potential: Potential, settings: Settings | None = None, *, bonds: str = "auto"
) -> Relaxation:
    """Relax one molecule. A failure is a ``reason``, not an exception.

    Args:
        structure: A molecule with all its hydrogens and finite coordinates.
        potential: What to minimise, from :func:`molgen.chemistry.potentials.make_potential`.
        settings: When to end.
        bonds: Bond source, a name in ``molgen.chemistry.perception.BOND_SOURCES`` or ``auto``.

    Raises:
        ConfigError: There is no such bond source.
    """
    perceived = perceive(structure, bonds)
    return relax_sanitised(perceived, sanitised(perceived), potential, settings or Settings())


def relax_sanitised(perceived: Perceived, molecule: Sanitised, potential: Potential, settings: Settings) -> Relaxation:
    """Relax a molecule whose bonds are known.

    Args:
        perceived: The molecule.
        molecule: The same, sanitised.
        potential: What to minimise.
        settings: When to end.
    """
    structure, mol = perceived.structure, molecule.mol
    if structure.lattice is not None:
        return Relaxation(structure, "has a lattice: crystals cannot be relaxed")
    if mol is None:
        return Relaxation(structure, molecule.reason)
    if missing := sum(atom.GetTotalNumHs() for atom in mol.GetAtoms()):
        return Relaxation(structure, f"hydrogens missing: {missing} of them have no coordinates")
    try:
        minimum = potential.minimise(mol, settings)
    except PotentialError as error:
        return Relaxation(structure, str(error))
    reason = ""
    if minimum.max_force > settings.force_tolerance:
        reason = f"not converged: a force of {minimum.max_force:.3g} eV/angstrom after {minimum.steps} steps"
    return Relaxation(
        structure=structure.replace(positions=minimum.positions),
        reason=reason,
        minimum=minimum,
        rmsd=kabsch_rmsd(structure.positions, minimum.positions),
        changes=changes(internal_coordinates(mol), structure.positions, minimum.positions),
    )
