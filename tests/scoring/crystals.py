"""Small crystals whose structure and symmetry are beyond doubt."""

import numpy as np

from molgen.elements import NUMBERS
from molgen.structure import Structure


def crystal(lattice, symbols, fractional, name=""):
    """``symbols`` is a text such as "Na Na Cl"."""
    lattice = np.asarray(lattice, float)
    numbers = [NUMBERS[symbol] for symbol in symbols.split()]
    return Structure(numbers=numbers, positions=np.asarray(fractional, float) @ lattice, lattice=lattice, name=name)


def cubic(edge, symbols, fractional, name=""):
    return crystal(edge * np.eye(3), symbols, fractional, name)


def rock_salt(edge=5.64, symbols="Na Cl", name="NaCl"):
    """Primitive cell of a face-centred lattice; space group 225."""
    lattice = edge / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return crystal(lattice, symbols, [[0, 0, 0], [0.5, 0.5, 0.5]], name)


def caesium_chloride(edge=4.12, symbols="Cs Cl", name="CsCl"):
    """Space group 221."""
    return cubic(edge, symbols, [[0, 0, 0], [0.5, 0.5, 0.5]], name)


def perovskite(edge=3.9, symbols="Sr Ti O O O", name="SrTiO3"):
    """Space group 221."""
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return cubic(edge, symbols, places, name)


def quartz():
    """Alpha quartz, space group 154 (P3_2 2 1), chiral: its twin has 152. Levien et al. 1980."""
    a, c = 4.916, 5.4054
    lattice = [[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]]
    u, (x, y, z) = 0.4697, (0.4135, 0.2669, 0.1191)
    silicon = [[u, 0, 0], [0, u, 2 / 3], [-u, -u, 1 / 3]]
    oxygen = [
        [x, y, z],
        [-y, x - y, z + 2 / 3],
        [-x + y, -x, z + 1 / 3],
        [x - y, -y, -z],
        [y, x, -z + 2 / 3],
        [-x, -x + y, -z + 1 / 3],
    ]
    return crystal(lattice, "Si Si Si O O O O O O", silicon + oxygen, "quartz")


def lone_iron(edge=0.6):
    """One atom whose own images are as near as the edge."""
    return cubic(edge, "Fe", [[0, 0, 0]], "Fe")


def mirrored(structure):
    """The twin of the other hand, in a left-handed cell."""
    flip = np.diag([1.0, 1.0, -1.0])
    return structure.replace(positions=structure.positions @ flip, lattice=structure.lattice @ flip)


def rewritten(structure, seed=0):
    """The same crystal with another choice of cell, origin, order of atoms and orientation."""
    rng = np.random.default_rng(seed)
    change = np.array([[1, 1, 0], [0, 1, 2], [0, 0, 1]])
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    order = rng.permutation(len(structure))
    moved = (structure.positions + rng.normal(size=3)) @ rotation
    lattice = change @ structure.lattice @ rotation
    return structure.replace(numbers=structure.numbers[order], positions=moved[order], lattice=lattice)


def doubled(structure):
    """A supercell of two cells along the first axis."""
    positions = np.concatenate([structure.positions, structure.positions + structure.lattice[0]])
    lattice = structure.lattice * np.array([[2], [1], [1]])
    return structure.replace(numbers=np.tile(structure.numbers, 2), positions=positions, lattice=lattice)
