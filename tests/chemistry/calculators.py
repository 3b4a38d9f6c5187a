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


SOFTNESS, VOLUME = 0.01, 40.0
"""Of a cell that is a spring, in eV/angstrom^6, and its volume at rest in cubic angstrom."""


class Balloon(Calculator):
    """E = k/2 (V - V0)^2 of the cell; the atoms feel nothing, so the stress is k (V - V0) in all directions."""

    implemented_properties = ("energy", "forces", "stress")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        volume = self.atoms.get_volume()
        self.results = {
            "energy": 0.5 * SOFTNESS * (volume - VOLUME) ** 2,
            "forces": np.zeros((len(self.atoms), 3)),
            "stress": np.array([1.0, 1, 1, 0, 0, 0]) * SOFTNESS * (volume - VOLUME),
        }


class Exploding(Balloon):
    """E = -V: the larger the better."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["energy"] = -self.atoms.get_volume()
        self.results["stress"] = np.array([-1.0, -1, -1, 0, 0, 0])


class DangerousBalloon(Balloon):
    """Ends the process for a crystal with fluorine, runs for ever for one with bromine, has no number for iodine's."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if 9 in self.atoms.numbers:
            os._exit(7)
        while 35 in self.atoms.numbers:
            pass
        if 53 in self.atoms.numbers:
            self.results["forces"] = np.full((len(self.atoms), 3), np.nan)


def balloon():
    return Balloon()


def exploding():
    return Exploding()


def dangerous_balloon():
    return DangerousBalloon()


def emt():
    from ase.calculators.emt import EMT

    return EMT()


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
