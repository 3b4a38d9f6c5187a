"""What every registered model of crystals must keep: the same checks for each denoiser, and for its loss."""

import pytest
import torch

from molgen.randomness import NoiseSource
from molgen.testing import (
    as_molecular,
    assert_crystal_symmetries,
    assert_padding_invariant,
    assert_permutation_equivariant,
    random_crystals,
    random_lattices,
    random_orthogonal,
    relative_difference,
)
from tests.models.adapters import CRYSTAL_ADAPTERS, FEATURES

SIZES = [3, 1, 6, 4]
TIMES = (0.9, 0.2, 0.55, 0.05)
EVERY_MODEL = pytest.mark.parametrize("name", sorted(CRYSTAL_ADAPTERS))
BF16_ERROR = {"diffcsp": 0.06, "crystalflow": 0.25}
"""Largest difference that bf16 may make, over the largest value; with self-conditioning it is made twice."""
LATTICE_NOISE_TURNS = {"diffcsp": True, "crystalflow": False}
"""Whether the noise of the lattice is a matrix, which turns with the crystal, or six numbers, which do not."""


@pytest.fixture
def inputs(generator):
    mask = torch.arange(max(SIZES)) < torch.tensor(SIZES)[:, None]
    real = mask.unsqueeze(-1)
    features = torch.randn(*mask.shape, FEATURES, generator=generator, dtype=torch.float64) * real
    fractional = torch.rand(*mask.shape, 3, generator=generator, dtype=torch.float64) * real
    return features, fractional, random_lattices(len(SIZES), generator), mask


@pytest.fixture
def prepare(make):
    def crystal_network(name):
        model = make(name)

        def network(features, fractional, lattice, mask):
            sizes = mask.sum(1).tolist()
            t = torch.tensor([TIMES[SIZES.index(n)] for n in sizes])  # alone or together, a structure keeps its time
            return CRYSTAL_ADAPTERS[name](model, features, fractional, lattice, mask, t)

        return network

    return crystal_network


@EVERY_MODEL
def test_rotation_reflection_origin_and_images(name, prepare, inputs, generator):
    assert_crystal_symmetries(prepare(name), *inputs, generator)


@EVERY_MODEL
def test_order_of_atoms_and_padding(name, prepare, inputs, generator):
    features, fractional, lattice, mask = inputs
    with_cell = torch.cat([features, lattice.flatten(1).unsqueeze(1) * mask.unsqueeze(-1)], dim=-1)
    assert_permutation_equivariant(as_molecular(prepare(name)), with_cell, fractional, mask, generator)
    assert_padding_invariant(as_molecular(prepare(name)), with_cell, fractional, mask)


@EVERY_MODEL
def test_time_matters(name, make, inputs):
    model = make(name)
    early, late = (CRYSTAL_ADAPTERS[name](model, *inputs, torch.full((len(SIZES),), t)) for t in (0.1, 0.8))
    for one, other in zip(early, late, strict=True):
        assert relative_difference(one, other) > 1e-3


@EVERY_MODEL
def test_error_of_bf16(name, make, inputs):
    """In units of the largest value, with random weights."""
    model, times = make(name).float(), torch.tensor(TIMES)
    features, fractional, lattice, mask = inputs
    single = features.float(), fractional.float(), lattice.float(), mask
    with torch.no_grad():
        exact = CRYSTAL_ADAPTERS[name](model, *single, times)
        with torch.autocast("cpu", torch.bfloat16):
            near = CRYSTAL_ADAPTERS[name](model, *single, times)
    errors = [relative_difference(one, other) for one, other in zip(near, exact, strict=True)]
    assert 0.0 < max(errors) < BF16_ERROR[name], errors


class Turned(NoiseSource):
    """The same draws, those of the lattice multiplied by ``q``."""

    q = torch.eye(3, dtype=torch.float64)

    def normal_structures(self, features):
        rows = super().normal_structures(features)
        return (rows.unflatten(-1, (-1, 3)) @ self.q.T).flatten(1)


def noise(batch, q=Turned.q):
    source = Turned(NoiseSource.seeded(1, *batch.mask.shape).blocks, torch.float64)
    source.q = q
    return source


@EVERY_MODEL
def test_loss_of_a_moved_crystal_is_the_same(name, make, generator):
    """Moving the atoms by one vector, or by any lattice vectors, changes nothing; nor does turning with the noise."""
    model, batch = make(name), random_crystals([5, 6, 4, 5, 1, 3], generator, elements=(1, 6, 8))
    q, real = random_orthogonal(generator, reflect=True), batch.mask.unsqueeze(-1)
    images = torch.randint(-2, 3, batch.positions.shape, generator=generator).double() @ batch.lattice
    with torch.no_grad():
        expected = model.loss(batch, noise(batch))
        moved = model.loss(batch.replace(positions=(batch.positions + 1.3 + images) * real), noise(batch))
        turned = batch.replace(positions=batch.positions @ q.T, lattice=batch.lattice @ q.T)
        together = model.loss(turned, noise(batch, q if LATTICE_NOISE_TURNS[name] else Turned.q))
        other = model.loss(batch.replace(positions=batch.positions * 0.9), noise(batch))
    for part, value in expected.items():
        torch.testing.assert_close(moved[part], value, rtol=1e-9, atol=0)
        torch.testing.assert_close(together[part], value, rtol=1e-9, atol=0)
    assert abs(float(other["loss"] - expected["loss"])) > 1e-6
