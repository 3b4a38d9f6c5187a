"""What every registered model of molecules must keep: the same checks for each denoiser, and for its loss."""

import pytest
import torch

from molgen.models import MODELS
from molgen.randomness import NoiseSource
from molgen.testing import (
    assert_equivariant,
    assert_padding_invariant,
    assert_permutation_equivariant,
    random_batch,
    random_orthogonal,
    relative_difference,
)
from tests.models.adapters import ADAPTERS, CRYSTAL_ADAPTERS, FEATURES, OF_GENES
from tests.models.conftest import random_molecules

SIZES = [3, 1, 6, 4]
EVERY_MODEL = pytest.mark.parametrize("name", sorted(set(MODELS) - set(CRYSTAL_ADAPTERS) - OF_GENES))
BF16_ERROR = 0.06
"""Largest difference that bf16 may make, over the largest value; measured with random weights: 0.004 to 0.02."""


@pytest.fixture
def denoiser_and_input(make, generator):
    """The denoiser of a model as a function of features and positions, and a noisy batch for it."""

    def prepare(name):
        model = make(name)
        mask = random_batch(SIZES, generator).mask
        real = mask.unsqueeze(-1)
        features = torch.randn(*mask.shape, FEATURES, generator=generator, dtype=torch.float64) * real
        positions = torch.randn(*mask.shape, 3, generator=generator, dtype=torch.float64) * real
        times = (0.9, 0.2, 0.55, 0.05)

        def network(features, positions, mask):
            sizes = mask.sum(1).tolist()
            t = torch.tensor([times[SIZES.index(n)] for n in sizes])  # alone or together, a structure keeps its time
            return ADAPTERS[name](model, features, positions, mask, t)

        return network, (features, positions, mask)

    return prepare


def test_every_model_has_an_adapter():
    assert set(MODELS) <= set(ADAPTERS) | set(CRYSTAL_ADAPTERS) | OF_GENES, "see the text of tests/models/adapters.py"


@EVERY_MODEL
def test_rotation_reflection_translation(name, denoiser_and_input, generator):
    network, inputs = denoiser_and_input(name)
    assert_equivariant(network, *inputs, generator)


@EVERY_MODEL
def test_order_of_atoms(name, denoiser_and_input, generator):
    network, inputs = denoiser_and_input(name)
    assert_permutation_equivariant(network, *inputs, generator)


@EVERY_MODEL
def test_padding(name, denoiser_and_input):
    network, inputs = denoiser_and_input(name)
    assert_padding_invariant(network, *inputs)


@EVERY_MODEL
def test_predicted_vectors_are_centred(name, denoiser_and_input):
    network, inputs = denoiser_and_input(name)
    vectors = network(*inputs)[1]
    torch.testing.assert_close(vectors.sum(1), torch.zeros(len(SIZES), 3, dtype=torch.float64), rtol=0, atol=1e-12)


@EVERY_MODEL
def test_time_matters(name, denoiser_and_input, make):
    _, inputs = denoiser_and_input(name)
    model = make(name)
    early, late = (ADAPTERS[name](model, *inputs, torch.full((len(SIZES),), t)) for t in (0.1, 0.8))
    for one, other in zip(early, late, strict=True):
        assert relative_difference(one, other) > 1e-3


@EVERY_MODEL
def test_error_of_the_symmetry_in_bf16(name, make, generator):
    """Rotating the input of a network that computes in bf16: what its rounding costs, in units of the output."""
    model, mask = make(name).float(), random_batch([9, 7, 8], generator).mask
    real = mask.unsqueeze(-1)
    features = torch.randn(*mask.shape, FEATURES, generator=generator) * real
    positions = torch.randn(*mask.shape, 3, generator=generator) * real
    q, times = random_orthogonal(generator, reflect=True).float(), torch.tensor([0.9, 0.5, 0.1])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        invariants, vectors = ADAPTERS[name](model, features, positions, mask, times)
        turned, turned_vectors = ADAPTERS[name](model, features, positions @ q.T, mask, times)
    errors = relative_difference(turned, invariants), relative_difference(turned_vectors, vectors @ q.T)
    assert max(errors) < BF16_ERROR, f"{name}: {errors[0]:.1e} of the invariants, {errors[1]:.1e} of the vectors"
    assert max(errors) > 0.0
    with torch.no_grad():
        exact = ADAPTERS[name](model, features, positions, mask, times)
    errors = relative_difference(invariants, exact[0]), relative_difference(vectors, exact[1])
    assert max(errors) < BF16_ERROR, f"{name} against float32: {errors[0]:.1e} and {errors[1]:.1e}"


class Turned(NoiseSource):
    """The same draws, those of the positions multiplied by ``q``."""

    q = torch.eye(3, dtype=torch.float64)

    def normal(self, atoms, features):
        draw = super().normal(atoms, features)
        return torch.cat([draw[..., :3] @ self.q.T, draw[..., 3:]], dim=-1)


def noise(batch, q=Turned.q):
    source = Turned(NoiseSource.seeded(1, *batch.mask.shape).blocks, torch.float64)
    source.q = q
    return source


@EVERY_MODEL
def test_loss_of_a_moved_structure_is_the_same(name, make, generator):
    """Moving the structure changes nothing; turning it along with its noise changes nothing."""
    shares = {"formulas": 0.3, "fragments": 0.4} if name == "bondflow" else {}
    model, batch = make(name, **shares), random_molecules([5, 6, 4, 5, 6, 6, 3, 5, 6, 5], generator)
    q = random_orthogonal(generator, reflect=True)
    real = batch.mask.unsqueeze(-1)
    with torch.no_grad():
        expected = model.loss(batch, noise(batch))
        moved = model.loss(batch.replace(positions=(batch.positions + 3.0) * real), noise(batch))
        turned = batch.replace(positions=batch.positions @ q.T)
        together, alone = model.loss(turned, noise(batch, q)), model.loss(turned, noise(batch))
    for part, value in expected.items():
        torch.testing.assert_close(moved[part], value, rtol=1e-9, atol=0)
        torch.testing.assert_close(together[part], value, rtol=1e-9, atol=0)
    assert abs(float(alone["loss"] - expected["loss"])) > 1e-6


def test_bound_of_a_moved_structure_is_the_same(make, generator):
    """EDM's; as the loss."""
    model, batch = make("edm"), random_batch([5, 5], generator)
    q = random_orthogonal(generator, reflect=True)
    with torch.no_grad():
        expected = model.nll(batch, noise(batch))["nll"]
        moved = model.nll(batch.replace(positions=batch.positions + 3.0), noise(batch))["nll"]
        turned = batch.replace(positions=batch.positions @ q.T)
        together, alone = (model.nll(turned, noise(batch, r))["nll"] for r in (q, Turned.q))
    torch.testing.assert_close(moved, expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(together, expected, rtol=1e-9, atol=0)
    assert float((alone - expected).abs().max()) > 1e-6
