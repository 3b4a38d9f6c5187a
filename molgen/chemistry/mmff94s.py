"""The force field MMFF94s (Halgren 1999) in RDKit's implementation (Tosco 2014), with RDKit's own optimiser."""

from __future__ import annotations

from typing import Any

import numpy as np
import rdkit
from rdkit import Chem, rdBase
from rdkit.Chem import rdForceFieldHelpers, rdtrajectory  # noqa: F401  the latter declares MinimizeTrajectory's result

from molgen.chemistry.potentials import KCAL_PER_MOL, Minimum, Potential, PotentialError, Settings

ELEMENTS = frozenset({1, 3, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 19, 20, 26, 29, 30, 35, 53})
"""Atomic numbers that MMFF94s has any atom type for."""


class Mmff94sPotential(Potential):
    """MMFF94s as RDKit's ``MMFFOptimizeMolecule`` uses it: fragments do not interact, no distance cut-off below 100.

    RDKit stops at a much smaller gradient than ``Settings.force_tolerance`` usually asks for; that tolerance decides
    whether the end counts as converged.
    """

    name = "mmff94s"

    @property
    def version(self) -> str:
        return f"RDKit {rdkit.__version__}"

    def minimise(self, mol: Chem.Mol, settings: Settings) -> Minimum:
        mol = Chem.Mol(mol)
        with rdBase.BlockLogs():
            field = _field(mol)
            try:
                before = field.CalcEnergy() * KCAL_PER_MOL
                if not np.isfinite(before):
                    raise PotentialError(f"energy is not finite: {before} before relaxation")
                # The same path as Minimize; its snapshots count the steps.
                snapshots = field.MinimizeTrajectory(1, maxIts=settings.max_steps)[1] if settings.max_steps else ()
                after = field.CalcEnergy() * KCAL_PER_MOL
                gradient = np.array(field.CalcGrad()).reshape(-1, 3) * KCAL_PER_MOL
            except (RuntimeError, ValueError) as error:
                raise PotentialError(f"optimiser failed: {error}") from error
        positions = mol.GetConformer().GetPositions()
        if not (np.isfinite(after) and np.isfinite(gradient).all() and np.isfinite(positions).all()):
            raise PotentialError("energy is not finite: after relaxation")
        force = float(np.linalg.norm(gradient, axis=1).max())
        return Minimum(positions, before, after, len(snapshots), force)


def _field(mol: Chem.Mol) -> Any:
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol, "MMFF94s")
    if properties is None:
        unknown = {a.GetSymbol() for a in mol.GetAtoms() if a.GetAtomicNum() not in ELEMENTS}
        detail = f"for {', '.join(sorted(unknown))}" if unknown else "for the surroundings of an atom"
        raise PotentialError(f"no parameters: MMFF94s has none {detail}")
    field = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties)
    if field is None:
        raise PotentialError("no parameters: MMFF94s lacks those of a bond, angle or torsion")
    return field
