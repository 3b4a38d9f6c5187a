"""What one crystal adds to the distributions."""

from __future__ import annotations

import numpy as np

from molgen.chemistry.crystal_systems import SYSTEMS, crystal_system
from molgen.chemistry.unit_cell import space_group
from molgen.errors import InputError
from molgen.scoring.distributions.metrics import CRYSTAL_METRICS, Cells
from molgen.scoring.subject import Subject


def crystal_cells(subject: Subject) -> dict[str, Cells]:
    """Cell of each value by metric; empty where the lattice is missing, flat or cannot be reduced."""
    try:
        cell = subject.cell
    except InputError:
        return {}
    numbers = cell.structure.numbers
    values: dict[str, object] = {
        "density": cell.mass_density,
        "n_elements": len(np.unique(numbers)),
        "n_atoms": len(numbers),
        "atom_volume": 1 / cell.atomic_density,
        "closeness": cell.closeness()[0],
    }
    if (group := space_group(cell.structure)) is not None:
        values |= {"space_group": group, "crystal_system": list(SYSTEMS).index(crystal_system(group))}
    cells = {name: CRYSTAL_METRICS[name].cells(np.array([value], np.float64)) for name, value in values.items()}
    return cells | {"element": CRYSTAL_METRICS["element"].cells(numbers)}
