"""Potentials that are ASE calculators: GFN2-xTB from tblite, and any other by ``module:factory``."""

from __future__ import annotations

import importlib
import os
import sys
from abc import abstractmethod
from contextlib import redirect_stdout
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from importlib.util import find_spec
from typing import Any

import numpy as np
from rdkit import Chem

from molgen.chemistry.potentials import Minimum, Potential, PotentialError, Settings
from molgen.errors import ConfigError, MissingError


class AsePotential(Potential):
    """Minimises with ASE's BFGS in Cartesian coordinates, steps of 0.2 angstrom at most."""

    @abstractmethod
    def calculator(self) -> Any:
        """An ASE calculator that knows nothing of the molecules before."""

    def minimise(self, mol: Chem.Mol, settings: Settings) -> Minimum:
        return minimise(to_atoms(mol), self.calculator(), settings)


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


def minimise(atoms: Any, calculator: Any, settings: Settings) -> Minimum:
    """Minimise the energy of ASE atoms with BFGS; the atoms are moved.

    Raises:
        PotentialError: The calculator fails, or gives an energy or forces that are not finite.
    """
    from ase.optimize import BFGS

    steps = 0
    with redirect_stdout(sys.stderr):  # standard output belongs to results
        try:
            atoms.calc = calculator
            before = _energy(atoms, steps)
            optimiser = BFGS(atoms, logfile=None)
            for _ in optimiser.irun(fmax=settings.force_tolerance, steps=settings.max_steps):
                steps = optimiser.nsteps
                after = _energy(atoms, steps)
            force = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
        except PotentialError:
            raise
        except Exception as error:  # another's code: whatever it raises is this molecule's failure
            words = " ".join(f"{type(error).__name__}: {error}".split())
            kind = "SCF not converged" if "scf not converged" in words.lower() else "calculation failed"
            raise PotentialError(f"{kind}: step {steps}: {words}") from error
    return Minimum(atoms.get_positions(), before, after, steps, force)


def _energy(atoms: Any, step: int) -> float:
    energy = float(atoms.get_potential_energy())
    if not (np.isfinite(energy) and np.isfinite(atoms.get_forces()).all()):
        raise PotentialError(f"energy is not finite: step {step}: {energy} eV, or a force is not")
    return energy


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
