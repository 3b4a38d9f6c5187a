"""CHGNet (Deng et al., Nat. Mach. Intell. 5, 1031, 2023): energies of crystals from a network whose weights are in its
package, so that no network connection is needed.

Its own ASE interface differentiates twice and predicts magnetic moments at every step; here one backward pass gives
forces and stress, at about half the time, and energies alone are evaluated in batches without one.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import cache
from importlib.metadata import version as version_of
from importlib.util import find_spec
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from molgen.chemistry.ase_potentials import AsePotential, failure, finite_energy
from molgen.chemistry.potentials import PotentialError
from molgen.errors import MissingError
from molgen.structure import Structure

WEIGHTS = "0.3.0"
"""Trained on MPtrj: PBE and PBE+U with the Materials Project's 2020 corrections."""
HEAVIEST = 94
"""Plutonium, the last element that it knows."""
BATCH_ATOMS = 160
"""Atoms of crystals that are evaluated at once; larger batches are slower on a CPU, whose caches they outgrow."""


class ChgnetPotential(AsePotential):
    """CHGNet for crystals."""

    name = "chgnet"
    gives_stress = True

    @property
    def version(self) -> str:
        return f"chgnet {version_of('chgnet')} weights {WEIGHTS}, ASE {version_of('ase')} BFGS"

    def require(self) -> None:
        if find_spec("chgnet") is None:
            raise MissingError("CHGNet is not installed", hint='pip install "molgen[stability]"')

    def load(self) -> None:
        network()

    def calculator(self) -> Any:
        return ChgnetCalculator()

    def static_energies(self, crystals: Sequence[Structure]) -> list[float | PotentialError]:
        answers: list[float | PotentialError] = []
        graphs: list[Any] = []
        for crystal in crystals:
            try:
                graphs.append(network().graph(crystal))
            except PotentialError as error:
                graphs.append(error)
        known = [graph for graph in graphs if not isinstance(graph, PotentialError)]
        energies = iter(network().energies(known))
        for graph in graphs:
            if isinstance(graph, PotentialError):
                answers.append(graph)
                continue
            try:
                answers.append(finite_energy(next(energies), 0))
            except PotentialError as error:
                answers.append(error)
        return answers


class ChgnetCalculator(Calculator):
    """ASE calculator of energy (eV), forces (eV/angstrom) and stress (eV/cubic angstrom)."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012  the base class has a list

    def calculate(
        self, atoms: Any = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        given: Any = self.atoms
        if not given.pbc.all():
            raise PotentialError("no lattice: CHGNet knows crystals only")
        crystal = Structure(numbers=given.numbers, positions=given.positions, lattice=given.cell.array)
        energy, forces, stress = network().energy_forces_stress(crystal)
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}
        self.results["stress"] = full_3x3_to_voigt_6_stress(stress)


class Network:
    """CHGNet's model on the CPU, frozen."""

    def __init__(self) -> None:
        with warnings.catch_warnings(), redirect_stdout(sys.stderr):  # it says on standard output that it was loaded
            warnings.simplefilter("ignore")
            from chgnet.model.model import CHGNet

            self._model: Any = CHGNet.load(model_name=WEIGHTS, use_device="cpu", verbose=False)
        self._model.eval()
        self._model.requires_grad_(False)
        self._model.graph_converter.set_isolated_atom_response("error")

    def graph(self, crystal: Structure) -> Any:
        """Neighbours within 6 angstrom and angles within 3.

        Raises:
            PotentialError: An element or a geometry that CHGNet cannot treat.
        """
        from pymatgen.core.lattice import Lattice

        from molgen.elements import SYMBOLS

        if (heaviest := int(crystal.numbers.max())) > HEAVIEST:
            raise PotentialError(f"unknown element: CHGNet knows none beyond {SYMBOLS[HEAVIEST]}: {SYMBOLS[heaviest]}")
        assert crystal.lattice is not None
        lattice = Lattice(crystal.lattice)
        cell = _graphed()(lattice, crystal.numbers.tolist(), crystal.positions, coords_are_cartesian=True)
        try:
            return self._model.graph_converter(cell)
        except ValueError as error:
            if "isolated" in str(error):
                raise PotentialError("isolated atoms: one has no neighbour within 6 angstrom") from error
            raise failure(error, 0) from error
        except Exception as error:  # whatever its compiled code makes of odd geometries
            raise failure(error, 0) from error

    def energies(self, graphs: Sequence[Any]) -> list[float]:
        """Energy of each graph's cell in eV, several at a time."""
        import torch

        energies: list[float] = []
        with torch.no_grad():
            for part in _in_batches(graphs):
                found = self._model.predict_graph(part, task="e", batch_size=len(part))
                values = [found] if len(part) == 1 else found
                atoms = [len(graph.atomic_number) for graph in part]
                energies += [float(one["e"]) * n for one, n in zip(values, atoms, strict=True)]
        return energies

    def energy_forces_stress(self, crystal: Structure) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Of one crystal: eV per cell; eV/angstrom, shape ``(N, 3)``; eV/cubic angstrom, shape ``(3, 3)``.

        The stress is of the right sign for cells of both hands.

        Raises:
            PotentialError: An element or a geometry that CHGNet cannot treat.
        """
        import torch
        from chgnet.model.model import BatchedGraph

        model, graph = self._model, self.graph(crystal)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it takes volumes out of the graph of gradients, which do no harm
            batch = BatchedGraph.from_graphs(
                [graph],
                bond_basis_expansion=model.bond_basis_expansion,
                angle_basis_expansion=model.angle_basis_expansion,
                compute_stress=True,
            )
        interaction = model._compute(batch)["e"].sum() * len(crystal)
        forces, strain = torch.autograd.grad(interaction, [batch.atom_positions[0], batch.strains[0]])
        energy = float(interaction) + float(model.composition_model([graph]).sum()) * len(crystal)
        stress = strain / batch.volumes[0].abs()
        return energy, -forces.double().numpy(), stress.double().numpy()


@cache
def network() -> Network:
    """CHGNet, loaded once per process."""
    return Network()


@cache
def _graphed() -> Any:
    """pymatgen's Structure without the file that CHGNet leaves in the current folder where it finds no bond graph."""
    from pymatgen.core.structure import Structure as Crystal

    class Graphed(Crystal):
        def to(self, filename: Any = "", fmt: Any = "", **kwargs: Any) -> str:
            return ""

    return Graphed


def _in_batches(graphs: Sequence[Any]) -> list[list[Any]]:
    batches: list[list[Any]] = []
    atoms = BATCH_ATOMS
    for graph in graphs:
        if atoms >= BATCH_ATOMS:
            batches.append([])
            atoms = 0
        batches[-1].append(graph)
        atoms += len(graph.atomic_number)
    return batches
