"""ASE calculators with known answers, and some that misbehave; factories for ``module:factory``."""

import os
import time

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

STIFFNESS, LENGTH = 4.0, 1.3
"""Of the spring between two atoms, in eV/angstrom^2 and angstrom."""


class Spring(Calculator):
    """E = k/2 (r - r0)^2 between the first two atoms."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        along = self.atoms.positions[1] - self.atoms.positions[0]
        r = np.linalg.norm(along)
        forces = np.zeros((len(self.atoms), 3))
        forces[0] = STIFFNESS * (r - LENGTH) * along / r
        forces[1] = -forces[0]
        self.results = {"energy": 0.5 * STIFFNESS * (r - LENGTH) ** 2, "forces": forces}


class ChargeReader(Spring):
    """Energy = 100 charge + spin multiplicity, as both places say where they may be looked up."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        charge, spin = atoms.info["charge"], atoms.info["spin"]
        assert atoms.get_initial_charges().sum() == charge
        assert atoms.get_initial_magnetic_moments().sum() == spin - 1
        self.results = {"energy": 100.0 * charge + spin, "forces": np.zeros((len(atoms), 3))}


class Failing(Spring):
    """Works at the first geometry and does what ``how`` says at the second."""

    how = "raise"

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls < 2:
            return
        if self.how == "raise":
            raise RuntimeError("SCF not converged in 250 cycles")
        self.results = {"energy": float("nan"), "forces": self.results["forces"]}


class Dangerous(Spring):
    """Ends the process for hydrogen fluoride, sleeps for hydrogen chloride and runs for ever for hydrogen bromide."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        print("words on standard output")  # noqa: T201
        if 9 in self.atoms.numbers:
            os._exit(7)
        if 17 in self.atoms.numbers:
            time.sleep(600)
        while 35 in self.atoms.numbers:
            pass


def spring():
    return Spring()


def charge_reader():
    return ChargeReader()


def failing():
    return Failing()


def nan():
    calculator = Failing()
    calculator.how = "nan"
    return calculator


def dangerous():
    return Dangerous()


def needs_argument(path):
    return Spring()


def number():
    return 3


constant = 3
