"""What RDKit thinks of molecules, as properties beside bonds that stay as they were."""

import numpy as np
import pytest

from molgen.chemistry.labels import counted, labelled
from molgen.structure import Structure
from tests.scoring import molecules

METHANE = molecules.METHANE.replace(charges=[0] * 5, bonds=[[0, k, 1] for k in range(1, 5)])


def test_a_sound_molecule():
    result = labelled(METHANE.replace(properties={"x": 1}))
    assert result.properties == {"x": 1, "sanitised": 1, "connected": 1}
    assert np.array_equal(result.bonds, METHANE.bonds)
    assert counted(result) == {"sanitised": 1, "connected": 1}


def ring(n, order, numbers=None):
    angle = 2 * np.pi * np.arange(n) / n
    positions = np.stack([1.4 * np.cos(angle), 1.4 * np.sin(angle), 0 * angle], axis=1)
    bonds = [[min(i, (i + 1) % n), max(i, (i + 1) % n), order] for i in range(n)]
    return Structure(numbers=numbers or [6] * n, positions=positions, charges=[0] * n, bonds=bonds)


@pytest.mark.parametrize(
    ("structure", "kind", "connected"),
    [
        (METHANE.replace(bonds=[*METHANE.bonds, [1, 2, 1]]), "valence", 1),
        (ring(5, 3), "valence", 1),
        (ring(5, 4), "kekulisation", 1),
        (METHANE.replace(numbers=[6, 1, 1, 1, 8], bonds=[[0, 1, 1], [0, 2, 1], [0, 3, 3]]), "valence", 0),
    ],
)
def test_what_does_not_sanitise(structure, kind, connected):
    result = labelled(structure)
    assert (result.properties["sanitised"], result.properties["connected"]) == (0, connected)
    assert result.properties["sanitise_error"].startswith(f"{kind}: ")
    assert "\n" not in result.properties["sanitise_error"]
    assert np.array_equal(result.bonds, structure.bonds)
    assert counted(result) == {"sanitised": 0, "connected": connected, f"sanitise_error {kind}": 1}


def test_pieces_and_charges():
    two = Structure(numbers=[8, 1, 11], positions=np.eye(3) * 3, charges=[-1, 0, 1], bonds=[[0, 1, 1]])
    assert labelled(two).properties == {"sanitised": 1, "connected": 0}
    kekule = ring(6, 1).replace(bonds=[[0, 1, 2], [1, 2, 1], [2, 3, 2], [3, 4, 1], [4, 5, 2], [0, 5, 1]])
    assert np.array_equal(labelled(kekule).bonds, kekule.bonds)  # not made aromatic
    assert counted(METHANE) == {}
