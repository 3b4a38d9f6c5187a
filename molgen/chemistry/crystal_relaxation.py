"""Relaxing a crystal: atoms and cell to the nearest minimum of a potential, and what changes on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.chemistry.ase_potentials import AsePotential, Descent, descend, largest_force, to_periodic_atoms
from molgen.chemistry.crystal_export import project_on_group
from molgen.chemistry.periodic_distances import CellDistances
from molgen.chemistry.potentials import Potential, PotentialError, Settings
from molgen.chemistry.unit_cell import TOLERANCE, right_handed, space_group, symmetry
from molgen.errors import ConfigError, InputError
from molgen.structure import Structure

OVERLAP = 0.5
"""Angstrom; atoms nearer to each other, or to an own image, are beyond every potential."""
VOLUME_RATIO = 4.0
"""A cell that grows or shrinks by more has left the neighbourhood of what was given."""
LARGEST_STEP = 0.1
"""Of an atom in angstrom; the cell is deformed by as much over the number of atoms."""
EV_PER_CUBIC_ANGSTROM = 160.21766208
"""In GPa (CODATA 2014, the value that CHGNet uses)."""
_EXACT = 1e-3
"""Tolerance in angstrom at which a projected crystal has its operations."""


@dataclass(frozen=True)
class CellSettings:
    """What a relaxation of a crystal may change.

    Attributes:
        cell: ``free``, shape and volume relax too, or ``fixed``.
        keep_symmetry: First make the crystal exactly symmetric in the space group found at 0.1 angstrom, and keep it.
    """

    cell: str = "free"
    keep_symmetry: bool = False

    def __post_init__(self) -> None:
        if self.cell not in ("free", "fixed"):
            raise ConfigError(f"cell is {self.cell!r}", hint="free or fixed")


@dataclass(frozen=True)
class CrystalMinimum:
    """Where an optimisation of a crystal ended; energies are of one cell, in eV.

    Attributes:
        energy_before: Of the crystal as given; where its symmetry is kept, after making it exactly symmetric.
        energy_after: At the end.
        steps: Steps made.
        max_force: Largest force on an atom, eV/angstrom.
        max_stress: Largest component of the stress, GPa; None where the calculator gives none.
        rmsd: Of the atoms in angstrom: changes of fractional coordinates in the final cell, common drift left out.
        volume_change: Final over given volume, minus 1.
    """

    energy_before: float
    energy_after: float
    steps: int
    max_force: float
    max_stress: float | None
    rmsd: float
    volume_change: float


@dataclass(frozen=True)
class CrystalRelaxation:
    """What became of one crystal.

    Attributes:
        structure: In a right-handed cell where the optimiser ended, or as given where it failed.
        reason: ``"kind: detail"`` why it failed or did not converge; empty if it converged.
        minimum: Energies and changes; None where it failed.
        space_group_before: Number at 0.1 angstrom as given; None where none is found or it has no usable cell.
        space_group_after: The same of ``structure``; None where it failed.
    """

    structure: Structure
    reason: str
    minimum: CrystalMinimum | None = None
    space_group_before: int | None = None
    space_group_after: int | None = None

    @property
    def converged(self) -> bool:
        """Whether forces, and the stress on a free cell, are within the tolerance."""
        return not self.reason


def relax_crystal(
    structure: Structure,
    potential: Potential,
    settings: Settings,
    cell: CellSettings | None = None,
    trajectory: Path | None = None,
) -> CrystalRelaxation:
    """Relax one crystal. A failure is a ``reason``, not an exception.

    Args:
        structure: A structure with a lattice.
        potential: What to minimise; one that is an ASE calculator.
        settings: When to end. With a free cell, the virial over the number of atoms (eV) counts as a force, too.
        cell: What may change; everything but the symmetry by chance if None.
        trajectory: File, .extxyz, for the geometry at every step.
    """
    cell = cell or CellSettings()
    if not isinstance(potential, AsePotential):
        return CrystalRelaxation(structure, f"has a lattice: crystals cannot be relaxed with {potential.name}")
    group = space_group(structure)
    try:
        given = prepared(structure)
        minimum, relaxed, converged = _minimised(given, potential, settings, cell, trajectory)
    except (InputError, PotentialError) as error:
        return CrystalRelaxation(structure, str(error), space_group_before=group)
    reason = ""
    if not converged:
        stress = "" if minimum.max_stress is None else f" and a stress of {minimum.max_stress:.3g} GPa"
        reason = f"not converged: a force of {minimum.max_force:.3g} eV/angstrom{stress} after {minimum.steps} steps"
    return CrystalRelaxation(relaxed, reason, minimum, group, space_group(relaxed))


def static_energies(crystals: Sequence[Structure], potential: AsePotential) -> list[float | str]:
    """Energy of each crystal as it is, eV per atom, or ``"kind: detail"`` why there is none; batched where that pays.

    Args:
        crystals: Structures, with a lattice if all is well.
        potential: Where the energies come from.
    """
    answers: list[float | str] = [""] * len(crystals)
    usable: list[tuple[int, Structure]] = []
    for place, crystal in enumerate(crystals):
        try:
            usable.append((place, prepared(crystal)))
        except (InputError, PotentialError) as error:
            answers[place] = str(error)
    energies = potential.static_energies([crystal for _, crystal in usable])
    for (place, crystal), energy in zip(usable, energies, strict=True):
        answers[place] = str(energy) if isinstance(energy, PotentialError) else energy / len(crystal)
    return answers


def prepared(structure: Structure) -> Structure:
    """The crystal with a right-handed lattice, if a potential can say anything about it.

    Raises:
        InputError: No lattice, or one that is not finite or flat, or too skewed to reduce; "kind: detail".
        PotentialError: Atoms overlap.
    """
    crystal = right_handed(structure)
    distances = CellDistances.of(crystal)
    nearest = min(distances.nearest_pair, distances.translation)
    if nearest < OVERLAP:
        raise PotentialError(f"overlapping atoms: {nearest:.3f} angstrom apart")
    return crystal


def _minimised(
    given: Structure, potential: AsePotential, settings: Settings, cell: CellSettings, trajectory: Path | None
) -> tuple[CrystalMinimum, Structure, bool]:
    """Where the optimiser ends from a prepared crystal, the crystal there, and whether it converged."""
    from ase.filters import FrechetCellFilter

    begun = _symmetric(given) if cell.keep_symmetry else given
    atoms = to_periodic_atoms(begun)
    if cell.keep_symmetry:
        from ase.constraints import FixSymmetry

        atoms.set_constraint(FixSymmetry(atoms, symprec=_EXACT))
    moved = FrechetCellFilter if cell.cell == "free" else lambda atoms: atoms
    done = _descended(atoms, potential.calculator(), settings, moved, _watching(atoms, trajectory))
    stress = np.abs(atoms.get_stress()).max() * EV_PER_CUBIC_ANGSTROM if potential.gives_stress else None
    relaxed = given.replace(positions=atoms.get_positions(), lattice=np.array(atoms.cell))
    minimum = CrystalMinimum(
        energy_before=done.before,
        energy_after=done.after,
        steps=done.steps,
        max_force=largest_force(atoms),
        max_stress=None if stress is None else float(stress),
        rmsd=_rmsd(given, relaxed),
        volume_change=float(np.linalg.det(_lattice(relaxed)) / np.linalg.det(_lattice(given)) - 1.0),
    )
    try:
        prepared(relaxed)
    except (InputError, PotentialError) as error:
        raise PotentialError(f"collapsed: after {done.steps} steps: {error}") from error
    return minimum, relaxed, done.converged


def _descended(
    atoms: Any, calculator: Any, settings: Settings, moved: Callable[[Any], Any], watch: Callable[[int, float], None]
) -> Descent:
    """Descend until the forces themselves are within the tolerance.

    A filter that moves the cell states forces in the cell that it began with, so that where the cell has changed much
    it ends a little early; it is begun again then.
    """
    whole: Descent | None = None
    while True:
        made = 0 if whole is None else whole.steps
        left = replace(settings, max_steps=settings.max_steps - made)
        follow = partial(_shifted, watch, made)
        done = descend(atoms, calculator, left, largest_step=LARGEST_STEP, moved=moved, watch=follow)
        before = done.before if whole is None else whole.before
        whole = Descent(before, done.after, made + done.steps, done.converged)
        if not done.converged or not done.steps or largest_force(atoms) <= settings.force_tolerance:
            return whole


def _shifted(watch: Callable[[int, float], None], made: int, step: int, energy: float) -> None:
    if step or not made:  # the beginning of a later part is the end of the one before
        watch(made + step, energy)


def _symmetric(crystal: Structure) -> Structure:
    found = symmetry(crystal, TOLERANCE)
    if found is None:
        raise PotentialError(f"no space group: spglib finds none at {TOLERANCE:g} angstrom, so none can be kept")
    return project_on_group(crystal, found.rotations, found.translations)


def _watching(atoms: Any, trajectory: Path | None) -> Callable[[int, float], None]:
    """Ends a relaxation whose cell explodes or collapses, and writes what it passes through."""
    return partial(_watch, atoms, float(atoms.get_volume()), trajectory)


def _watch(atoms: Any, volume: float, trajectory: Path | None, step: int, energy: float) -> None:
    if trajectory is not None:
        from molgen import io

        frame = Structure(
            numbers=atoms.numbers,
            positions=atoms.get_positions(),
            lattice=np.array(atoms.cell),
            properties={"step": step, "energy": energy},
        )
        with io.open_writer(trajectory, append=step > 0) as writer:
            writer.write(frame)
    ratio = abs(float(atoms.get_volume())) / volume
    if not 1 / VOLUME_RATIO <= ratio <= VOLUME_RATIO:
        raise PotentialError(f"exploded: step {step}: the volume is {ratio:.3g} times the given one")


def _rmsd(given: Structure, relaxed: Structure) -> float:
    before = given.positions @ np.linalg.inv(_lattice(given))
    after = relaxed.positions @ np.linalg.inv(_lattice(relaxed))
    moved = after - before
    moved -= np.round(moved)
    return float(np.sqrt(np.square((moved - moved.mean(0)) @ _lattice(relaxed)).sum(1).mean()))


def _lattice(crystal: Structure) -> NDArray[np.float64]:
    assert crystal.lattice is not None
    return crystal.lattice
