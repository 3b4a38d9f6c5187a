"""Local-order fingerprint of a crystal: how its atoms are coordinated, averaged over them.

Zimmermann and Jain, RSC Adv. 10, 6063 (2020); the mean over sites of preset "ops" of matminer's CrystalNNFingerprint,
which is what CDVAE compares. Neighbours and order parameters are pymatgen's (CrystalNN, LocalStructOrderParams).
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.structure import Structure

MOTIFS: dict[int, tuple[str, ...]] = {
    1: ("sgl_bd",),
    2: ("L-shaped", "water-like", "bent 120 degrees", "bent 150 degrees", "linear"),
    3: ("trigonal planar", "trigonal non-coplanar", "T-shaped"),
    4: ("square co-planar", "tetrahedral", "rectangular see-saw-like", "see-saw-like", "trigonal pyramidal"),
    5: ("pentagonal planar", "square pyramidal", "trigonal bipyramidal"),
    6: ("hexagonal planar", "octahedral", "pentagonal pyramidal"),
    7: ("hexagonal pyramidal", "pentagonal bipyramidal"),
    8: ("body-centered cubic", "hexagonal bipyramidal"),
    9: ("q2", "q4", "q6"),
    10: ("q2", "q4", "q6"),
    11: ("q2", "q4", "q6"),
    12: ("cuboctahedral", "q2", "q4", "q6"),
}
"""Order parameters of each coordination number; from 13 to 24 only the weight of the number itself counts."""
MOST_NEIGHBOURS = 24
FEATURES = MOST_NEIGHBOURS + sum(map(len, MOTIFS.values()))
"""61."""


def site_fingerprint(structure: Structure) -> NDArray[np.float64]:
    """Mean over sites of: the weight of each coordination number, and its product with each order parameter.

    Args:
        structure: A crystal.

    Returns:
        Shape ``(61,)``.

    Raises:
        ValueError, RuntimeError and others of pymatgen's: No neighbours can be found.
    """
    from molgen.convert import to_pymatgen

    crystal: Any = to_pymatgen(structure.replace(charges=None, properties={}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sites = [_site(crystal, place) for place in range(len(crystal))]
    mean: NDArray[np.float64] = np.mean(sites, axis=0)
    return mean


def _site(crystal: Any, place: int) -> list[float]:
    finder, parameters = _tools()
    found = finder.get_nn_data(crystal, place)
    values: list[float] = []
    for number in range(1, MOST_NEIGHBOURS + 1):
        weight = found.cn_weights.get(number, 0)
        values.append(weight)
        for parameter in parameters.get(number, ()):
            if not weight:
                values.append(0.0)
                continue
            neighbours = [entry["site"] for entry in found.cn_nninfo[number]]
            others = list(range(1, len(neighbours) + 1))
            value = parameter.get_order_parameters([crystal[place], *neighbours], 0, indices_neighs=others)[0]
            values.append(weight * (value or 0.0))
    return values


@cache
def _tools() -> tuple[Any, dict[int, list[Any]]]:
    """Neighbour finder and order parameters by coordination number, with pymatgen's optimised settings."""
    from pymatgen.core.local_env import CN_OPT_PARAMS, CrystalNN, LocalStructOrderParams

    table: Any = CN_OPT_PARAMS
    parameters: dict[int, list[Any]] = {}
    for number, names in MOTIFS.items():
        parameters[number] = []
        for name in names:
            kind, *settings = table.get(number, {}).get(name, [name])
            parameters[number].append(LocalStructOrderParams([kind], parameters=[settings[0] if settings else None]))
    return CrystalNN(), parameters
