"""Crystals with their space groups, as training sees them."""

import numpy as np
import pytest
import torch

from molgen.chemistry.unit_cell import canonical_cell, space_group
from molgen.convert import to_pymatgen
from molgen.datasets.genes import GeneSet
from molgen.datasets.packed import PackedDataset, PackWriter
from molgen.datasets.symmetric import SymmetricSet
from molgen.geometry.periodic import shortest, to_fractional, wrap
from molgen.structure import Structure
from molgen.symmetry.gene import Gene
from molgen.symmetry.random_atoms import random_crystal

GENES = [
    Gene(227, ((12, 0), (13, 3), (8, 4))),
    Gene(62, ((22, 2), (8, 2), (8, 3))),
    Gene(1, ((8, 0), (6, 0), (8, 0))),
    Gene(141, ((22, 0), (8, 4))),
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("data") / "crystals", np.random.default_rng(4)
    made = [canonical_cell(random_crystal(gene, rng)) for gene in GENES]
    doubled = made[3]
    twice = Structure(  # not primitive: two cells
        numbers=np.tile(doubled.numbers, 2),
        positions=np.concatenate([doubled.positions, doubled.positions + doubled.lattice[0]]),
        lattice=doubled.lattice * np.array([[2.0], [1.0], [1.0]]),
    )
    with PackWriter(folder, name="crystals") as writer:
        for one in (*made, canonical_cell(twice)):
            writer.add(one)
        writer.finish(np.array([0, 0, 0, 1, 1]), {})
    return SymmetricSet(GeneSet.open(PackedDataset.open(folder)))


def test_the_same_crystals_in_symmetric_form(dataset):
    from pymatgen.analysis.structure_matcher import StructureMatcher

    batch = dataset.batch([0, 1, 2, 3, 4])
    match = StructureMatcher(primitive_cell=False)
    for index, one in enumerate(batch.to_structures()):
        assert match.get_rms_dist(to_pymatgen(one), to_pymatgen(dataset.structure(index)))[0] < 1e-3
        assert np.linalg.det(one.lattice) > 0
    assert batch.symmetry.groups.tolist() == [227, 62, 1, 141, 0]
    assert [space_group(one, 1e-3) for one in batch.to_structures()][:2] == [227, 62]


def test_atoms_are_on_their_orbits(dataset):
    batch = dataset.batch([1, 0, 2, 4])
    symmetry, real = batch.symmetry, batch.mask.unsqueeze(-1)
    fractional = wrap(to_fractional(batch.positions, batch.lattice)) * real
    assert float((shortest(symmetry.cleaned(fractional) - fractional) * real).abs().max()) < 1e-5
    assert float((shortest(symmetry.place(symmetry.parameters) - fractional) * real).abs().max()) < 1e-5
    assert symmetry.freedom[2, :3].tolist() == [3, 3, 3]


def test_rows_and_devices_take_the_symmetry_along(dataset):
    batch = dataset.batch([0, 1, 2])
    part = batch[1:].to("cpu")
    assert part.symmetry.groups.tolist() == [62, 1]
    assert torch.equal(part.symmetry.sources, batch.symmetry.sources[1:])


def test_it_is_the_data_set(dataset):
    assert dataset.indices("valid").tolist() == [3, 4]
    assert len(dataset) == 5
    assert dataset.sizes.tolist() == dataset.packed.sizes.tolist()
    assert len({dataset.fingerprint, dataset.genes.fingerprint, dataset.packed.fingerprint}) == 3
