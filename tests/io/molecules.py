"""Small structures with known geometry that the tests of files share."""

import numpy as np

from molgen.structure import Structure

METHANE_POSITIONS = np.array(
    [
        [0.0, 0.0, 0.0],
        [0.6291, 0.6291, 0.6291],
        [-0.6291, -0.6291, 0.6291],
        [-0.6291, 0.6291, -0.6291],
        [0.6291, -0.6291, -0.6291],
    ]
)


def water() -> Structure:
    return Structure(
        numbers=[8, 1, 1],
        positions=[[0.0, 0.0, 0.1173], [0.0, 0.7572, -0.4692], [0.0, -0.7572, -0.4692]],
        charges=[0, 0, 0],
        bonds=[[0, 1, 1], [0, 2, 1]],
        name="water",
        properties={"energy": -76.4, "rank": 3, "note": "a b"},
    )


def ammonium() -> Structure:
    bonds = [[0, k, 1] for k in range(1, 5)]
    return Structure(
        numbers=[7, 1, 1, 1, 1], positions=METHANE_POSITIONS, charges=[1, 0, 0, 0, 0], bonds=bonds, name="ammonium"
    )


def methyl() -> Structure:
    return Structure(
        numbers=[6, 1, 1, 1],
        positions=METHANE_POSITIONS[:4],
        charges=np.zeros(4),
        bonds=[[0, 1, 1], [0, 2, 1], [0, 3, 1]],
        name="methyl radical",
    )


def benzene() -> Structure:
    angle = np.arange(6) * np.pi / 3
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    bonds = [[k, (k + 1) % 6, 4] if k < 5 else [0, 5, 4] for k in range(6)] + [[k, k + 6, 1] for k in range(6)]
    return Structure(
        numbers=[6] * 6 + [1] * 6,
        positions=np.concatenate([1.397 * ring, 2.484 * ring]),
        charges=np.zeros(12),
        bonds=bonds,
        name="benzene",
    )


def rock_salt() -> Structure:
    return Structure(
        numbers=[11, 17],
        positions=[[0.0, 0.0, 0.0], [2.82, 0.1, 0.0]],
        lattice=[[0.0, 2.82, 2.82], [2.82, 0.0, 2.82], [2.82, 2.82, 0.5]],
        name="NaCl",
        properties={"band_gap": 5.25},
    )


def assert_same(left: Structure, right: Structure, *, tolerance: float = 1e-4) -> None:
    """Everything that two structures state agrees; bonds in any order."""
    np.testing.assert_array_equal(left.numbers, right.numbers)
    np.testing.assert_allclose(left.positions, right.positions, atol=tolerance)
    for a, b in ((left.charges, right.charges), (left.lattice, right.lattice)):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, atol=tolerance)
    assert (left.bonds is None) == (right.bonds is None)
    if left.bonds is not None and right.bonds is not None:
        assert sorted(map(tuple, left.bonds.tolist())) == sorted(map(tuple, right.bonds.tolist()))
    assert left.name == right.name
    assert left.properties == right.properties
