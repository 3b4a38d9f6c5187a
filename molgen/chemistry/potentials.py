"""Potentials that relax molecules or crystals, by name: MMFF94s, GFN2-xTB, CHGNet, or any ASE calculator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from molgen.errors import ConfigError

if TYPE_CHECKING:
    from rdkit import Chem

KCAL_PER_MOL = 4184.0 / 96485.33212331
"""One kcal/mol in eV: joules per kilocalorie over the Faraday constant in C/mol (SI 2019)."""
POTENTIALS = ("mmff94s", "gfn2-xtb", "chgnet")
"""Names beside ``module:factory``."""


@dataclass(frozen=True)
class Settings:
    """When a relaxation ends.

    Attributes:
        max_steps: Steps of the optimiser.
        force_tolerance: It has converged once no force on an atom is larger, in eV/angstrom. At ASE's habitual 0.05,
            floppy molecules stop several kcal/mol above their minimum.
    """

    max_steps: int = 500
    force_tolerance: float = 0.01

    def __post_init__(self) -> None:
        if self.max_steps < 0 or not 0 < self.force_tolerance < np.inf:
            raise ConfigError(f"need max_steps >= 0 and force_tolerance > 0, got {self}")


@dataclass(frozen=True)
class Minimum:
    """Where an optimisation ended.

    Attributes:
        positions: In angstrom, shape ``(N, 3)``.
        energy_before: Of the geometry it began with, in eV.
        energy_after: Of ``positions``, in eV.
        steps: Steps made.
        max_force: Largest force on an atom at ``positions``, in eV/angstrom.
    """

    positions: NDArray[np.float64]
    energy_before: float
    energy_after: float
    steps: int
    max_force: float


class PotentialError(Exception):
    """A potential cannot treat this structure; the message is a reason, ``"kind: detail"``."""


class Potential(ABC):
    """An energy that can be minimised.

    Attributes:
        name: As in ``--calculator``.
    """

    name: str

    @property
    @abstractmethod
    def version(self) -> str:
        """What the energies come from, with versions."""

    def require(self) -> None:  # noqa: B027  some need nothing more
        """Raise what keeps it from being used at all: MissingError or ConfigError."""

    def load(self) -> None:  # noqa: B027  most have nothing to load
        """Load now what takes time, so that it is not the first structure's."""

    @abstractmethod
    def minimise(self, mol: Chem.Mol, settings: Settings) -> Minimum:
        """Minimise the energy of a molecule from its conformer on.

        Args:
            mol: Sanitised, all hydrogens as atoms; it is not changed.
            settings: When to end.

        Raises:
            PotentialError: The energy or a force cannot be had.
        """


def make_potential(name: str) -> Potential:
    """The potential of a name: one of ``POTENTIALS`` or ``module:factory``.

    Raises:
        ConfigError: There is no such potential, or the factory does not make a calculator.
        MissingError: A package is not installed.
    """
    potential: Potential
    if name == "mmff94s":
        from molgen.chemistry.mmff94s import Mmff94sPotential

        potential = Mmff94sPotential()
    elif name == "gfn2-xtb":
        from molgen.chemistry.ase_potentials import Gfn2XtbPotential

        potential = Gfn2XtbPotential()
    elif name == "chgnet":
        from molgen.chemistry.chgnet import ChgnetPotential

        potential = ChgnetPotential()
    elif ":" in name:
        from molgen.chemistry.ase_potentials import CalculatorPotential

        potential = CalculatorPotential(name)
    else:
        raise ConfigError(
            f"unknown calculator {name!r}",
            hint=f"one of {', '.join(POTENTIALS)}, or module:factory for an ASE calculator",
        )
    potential.require()
    return potential
