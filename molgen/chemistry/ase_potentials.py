"""Potentials that are ASE calculators: GFN2-xTB from tblite, and any other by ``module:factory``; how they descend."""

from __future__ import annotations

import importlib
import os
import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from importlib.util import find_spec
from typing import Any

import numpy as np
from rdkit import Chem

from molgen.chemistry.potentials import Minimum, Potential, PotentialError, Settings
from molgen.errors import ConfigError, MissingError
from molgen.structure import Structure


class AsePotential(Potential):
    """Minimises with ASE's BFGS in Cartesian coordinates, steps of 0.2 angstrom at most."""

    @abstractmethod
    def calculator(self) -> Any:
        """An ASE calculator that knows nothing of the structures before."""

    @property
    def energy_version(self) -> str:
        """What the energies alone come from: energies of equal names and versions may be compared."""
        return self.version.partition(", ASE ")[0]

    @property
    def gives_stress(self) -> bool:
        """Whether the calculator says that it knows the stress, without which no cell can be relaxed."""
        return "stress" in getattr(self.calculator(), "implemented_properties", ())

    def minimise(self, mol: Chem.Mol, settings: Settings) -> Minimum:
        return minimise(to_atoms(mol), self.calculator(), settings)

    def static_energies(self, crystals: Sequence[Structure]) -> list[float | PotentialError]:
        """Energy of each crystal as it is, in eV per cell, or why there is none.

        Args:
            crystals: With right-handed cells.
        """
        return [self._static_energy(crystal) for crystal in crystals]

    def _static_energy(self, crystal: Structure) -> float | PotentialError:
        atoms = to_periodic_atoms(crystal)
        with redirect_stdout(sys.stderr):
            try:
                atoms.calc = self.calculator()
                return finite_energy(float(atoms.get_potential_energy()), 0)
            except PotentialError as error:
                return error
            except Exception as error:  # another's code: whatever it raises is this crystal's failure
                return failure(error, 0)


class Gfn2XtbPotential(AsePotential):
    """GFN2-xTB (Bannwarth, Ehlert and Grimme 2019) in the gas phase at 300 K electronic temperature."""

    name = "gfn2-xtb"

    @property
    def version(self) -> str:
        return f"tblite {version_of('tblite')}, ASE {version_of('ase')} BFGS"

    def require(self) -> None:
        if find_spec("tblite") is None:
            raise MissingError("GFN2-xTB needs tblite, which is not installed", hint='pip install "molgen[xtb]"')

    def calculator(self) -> Any:
        from tblite.ase import TBLite

        return TBLite(method="GFN2-xTB", verbosity=0)


class CalculatorPotential(AsePotential):
    """Any ASE calculator.

    Args:
        name: ``module:factory``. The factory is called without arguments, once per process, and returns a calculator; a
            class of calculators is such a factory. The module may lie in the current folder.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def version(self) -> str:
        package = self.name.partition(":")[0].partition(".")[0]
        try:
            return f"{package} {version_of(package)}, ASE {version_of('ase')} BFGS"
        except PackageNotFoundError:
            return f"{package}, ASE {version_of('ase')} BFGS"

    @property
    def energy_version(self) -> str:
        return f"{self.name} of {super().energy_version}"  # a package makes several calculators

    def require(self) -> None:
        _calculator(self.name)

    def calculator(self) -> Any:
        calculator = _calculator(self.name)
        if hasattr(calculator, "reset"):
            calculator.reset()  # results must not depend on the molecules before
        return calculator


def to_atoms(mol: Chem.Mol) -> Any:
    """ASE atoms of a molecule with its total charge and spin in the two places where calculators look for them.

    Formal charges and unpaired electrons of each atom are ``initial_charges`` and ``initial_magmoms``; their sums are
    ``info["charge"]`` and, as multiplicity, ``info["spin"]``.
    """
    import ase

    each = list(mol.GetAtoms())
    charges = [atom.GetFormalCharge() for atom in each]
    unpaired = [atom.GetNumRadicalElectrons() for atom in each]
    return ase.Atoms(
        numbers=[atom.GetAtomicNum() for atom in each],
        positions=mol.GetConformer().GetPositions(),
        charges=charges,
        magmoms=unpaired,
        info={"charge": sum(charges), "spin": sum(unpaired) + 1},
    )


def to_periodic_atoms(crystal: Structure) -> Any:
    """ASE atoms of a crystal, periodic in all directions, without its properties."""
    import ase

    return ase.Atoms(numbers=crystal.numbers, positions=crystal.positions, cell=crystal.lattice, pbc=True)


def minimise(atoms: Any, calculator: Any, settings: Settings) -> Minimum:
    """Minimise the energy of ASE atoms with BFGS; the atoms are moved.

    Raises:
        PotentialError: The calculator fails, or gives an energy or forces that are not finite.
    """
    done = descend(atoms, calculator, settings, largest_step=0.2)
    return Minimum(atoms.get_positions(), done.before, done.after, done.steps, largest_force(atoms))


@dataclass(frozen=True)
class Descent:
    """How an optimisation went.

    Attributes:
        before: Energy at its beginning, eV.
        after: Energy at its end, eV.
        steps: Steps made.
        converged: Whether what was moved has no force above the tolerance.
    """

    before: float
    after: float
    steps: int
    converged: bool


def descend(
    atoms: Any,
    calculator: Any,
    settings: Settings,
    *,
    largest_step: float,
    moved: Callable[[Any], Any] = lambda atoms: atoms,
    watch: Callable[[int, float], None] = lambda step, energy: None,
) -> Descent:
    """Move ASE atoms downhill with BFGS.

    Args:
        atoms: They get the calculator and are moved.
        calculator: An ASE calculator.
        settings: When to end.
        largest_step: Of an atom, in angstrom.
        moved: Makes what the optimiser moves of the atoms, such as a filter that moves the cell too.
        watch: Called with every step's number and energy, the beginning's among them; it may raise PotentialError.

    Raises:
        PotentialError: The calculator fails, or gives an energy or forces that are not finite.
    """
    from ase.optimize import BFGS

    steps, converged = 0, False
    with redirect_stdout(sys.stderr):  # standard output belongs to results
        try:
            atoms.calc = calculator
            before = after = _energy(atoms, steps)
            optimiser = BFGS(moved(atoms), logfile=None, maxstep=largest_step)
            for is_converged in optimiser.irun(fmax=settings.force_tolerance, steps=settings.max_steps):
                steps, converged = optimiser.nsteps, bool(is_converged)
                after = _energy(atoms, steps)
                watch(steps, after)
        except PotentialError:
            raise
        except Exception as error:  # another's code: whatever it raises is this structure's failure
            raise failure(error, steps) from error
    return Descent(before, after, steps, converged)


def largest_force(atoms: Any) -> float:
    """On an atom, eV/angstrom."""
    return float(np.linalg.norm(atoms.get_forces(), axis=1).max())


def failure(error: Exception, step: int) -> PotentialError:
    """The reason that stands for what a calculator raised."""
    words = " ".join(f"{type(error).__name__}: {error}".split())
    kind = "SCF not converged" if "scf not converged" in words.lower() else "calculation failed"
    return PotentialError(f"{kind}: step {step}: {words}")


def finite_energy(energy: float, step: int, forces_finite: bool = True) -> float:
    """The energy itself; PotentialError unless it is finite and the forces are said to be."""
    if not (np.isfinite(energy) and forces_finite):
        raise PotentialError(f"energy is not finite: step {step}: {energy} eV, or a force is not")
    return energy


def _energy(atoms: Any, step: int) -> float:
    energy = float(atoms.get_potential_energy())
    return finite_energy(energy, step, bool(np.isfinite(atoms.get_forces()).all()))


@cache
def _calculator(name: str) -> Any:
    """The calculator that ``module:factory`` makes, once per process."""
    module_name, _, attribute = name.partition(":")
    if not (module_name and attribute):
        raise ConfigError(f"{name!r} is not the name of a calculator", hint="give module:factory")
    module = _module(module_name)
    if not hasattr(module, attribute):
        raise ConfigError(f"{name}: module {module_name} has no {attribute!r}", hint="give module:factory")
    try:
        calculator = getattr(module, attribute)()
    except Exception as error:
        raise ConfigError(
            f"{name}: calling it without arguments failed: {type(error).__name__}: {error}",
            hint="wrap it in a function without arguments that returns the calculator",
        ) from error
    if isinstance(calculator, type) or not all(
        callable(getattr(calculator, method, None)) for method in ("get_potential_energy", "get_forces")
    ):
        raise ConfigError(
            f"{name} made a {type(calculator).__name__}, which is not an ASE calculator",
            hint="it must return an object such as ase.calculators.emt.EMT()",
        )
    return calculator


def _module(name: str) -> Any:
    try:
        if find_spec(name.partition(".")[0]) is None:
            sys.path.append(os.getcwd())  # a console script does not look in the current folder
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingError(
            f"calculator module {name}: there is no module {error.name!r}",
            hint="install its package, or give a file.py of the current folder as file:factory",
        ) from error
    except Exception as error:
        raise ConfigError(f"calculator module {name} cannot be imported: {type(error).__name__}: {error}") from error
