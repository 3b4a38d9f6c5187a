"""Small molecules with known geometries, in angstrom."""

import numpy as np

from molgen.structure import Structure

_TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)


def centre_with_hydrogens(number, length, hydrogens, name=""):
    positions = np.concatenate([np.zeros((1, 3)), length * _TETRAHEDRON[:hydrogens]])
    return Structure(numbers=[number] + [1] * hydrogens, positions=positions, name=name)


def on_a_line(numbers, places, name=""):
    return Structure(numbers=numbers, positions=[[x, 0, 0] for x in places], name=name)


def ring(length, hydrogen_length=1.085, name="benzene"):
    """Six CH groups in a regular hexagon with the given C-C distance."""
    angles = np.arange(6) * np.pi / 3
    directions = np.stack([np.cos(angles), np.sin(angles), np.zeros(6)], axis=1)
    positions = np.concatenate([length * directions, (length + hydrogen_length) * directions])
    return Structure(numbers=[6] * 6 + [1] * 6, positions=positions, name=name)


def beside(a, b, distance=10.0, name="two"):
    return Structure(
        numbers=np.concatenate([a.numbers, b.numbers]),
        positions=np.concatenate([a.positions, b.positions + np.array([distance, 0, 0])]),
        name=name,
    )


METHANE = centre_with_hydrogens(6, 1.09, 4, "methane")
AMMONIA = centre_with_hydrogens(7, 1.01, 3, "ammonia")
AMMONIUM = centre_with_hydrogens(7, 1.02, 4, "ammonium")
METHYL = centre_with_hydrogens(6, 1.09, 3, "methyl")
HYDROGEN_SULFIDE = centre_with_hydrogens(16, 1.34, 2, "hydrogen sulfide")
CARBON_DIOXIDE = on_a_line([8, 6, 8], [-1.163, 0, 1.163], "carbon dioxide")
ACETYLENE = on_a_line([1, 6, 6, 1], [-1.062, 0, 1.203, 2.265], "acetylene")
