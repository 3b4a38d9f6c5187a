import numpy as np
import pytest
import torch

from molgen.batch import AtomBatch
from molgen.structure import Structure
from tests.io.molecules import ammonium, assert_same, benzene, rock_salt, water


def batch():
    return AtomBatch.from_structures([water(), ammonium(), benzene()], dtype=torch.float64)


def test_padding_comes_last_and_is_zero():
    padded = batch()
    assert padded.mask.shape == (3, 12)
    assert padded.num_atoms.tolist() == [3, 5, 12]
    assert padded.elements[0].tolist() == [8, 1, 1] + [0] * 9
    outside = ~padded.mask
    assert not padded.elements[outside].any()
    assert not padded.positions[outside].any()
    assert not padded.charges[outside].any()
    assert not padded.bonds[outside].any()
    assert (padded.bonds == padded.bonds.transpose(1, 2)).all()


def test_round_trip():
    structures = [water(), ammonium(), benzene()]
    for one, other in zip(structures, batch().to_structures(), strict=True):
        assert_same(one.replace(name="", properties={}), other, tolerance=1e-12)


def test_round_trip_of_crystals_and_properties():
    crystals = AtomBatch.from_structures([rock_salt(), rock_salt()]).replace(
        properties={"gap": torch.tensor([1.5, 2.5])}
    )
    first, second = crystals.to_structures()
    np.testing.assert_allclose(first.lattice, rock_salt().lattice, atol=1e-6)
    assert first.bonds is None
    assert (first.properties, second.properties) == ({"gap": 1.5}, {"gap": 2.5})


def test_what_not_every_structure_states_is_left_out():
    mixed = AtomBatch.from_structures([water(), water().replace(charges=None, bonds=None), rock_salt()])
    assert mixed.charges is None
    assert mixed.bonds is None
    assert mixed.lattice is None


@pytest.mark.parametrize("rows", [slice(1, 3), torch.tensor([1, 2]), torch.tensor([False, True, True])])
def test_slicing(rows):
    part = batch().replace(properties={"x": torch.arange(3)})[rows]
    assert len(part) == 2
    assert part.num_atoms.tolist() == [5, 12]
    assert part.properties["x"].tolist() == [1, 2]
    assert_same(ammonium().replace(name="", properties={"x": 1}), part.to_structures()[0], tolerance=1e-12)


def test_empty_batches_and_bondless_structures():
    empty = AtomBatch.from_structures([])
    assert len(empty) == 0
    assert empty.to_structures() == []
    atoms = [Structure(numbers=[k], positions=[[0, 0, k]], bonds=np.empty((0, 3))) for k in (1, 2)]
    for one, other in zip(atoms, AtomBatch.from_structures(atoms).to_structures(), strict=True):
        assert_same(one, other)


def test_moving_keeps_everything():
    moved = batch().to("cpu")
    assert moved.device == torch.device("cpu")
    assert torch.equal(moved.bonds, batch().bonds)
