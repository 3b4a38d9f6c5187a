"""What every registered model must keep: the same checks for each denoiser, and for the loss that it is trained by."""

import pytest
import torch

from molgen.denoiser import project
from molgen.models import MODELS
from molgen.randomness import NoiseSource
from molgen.testing import (
    assert_equivariant,
    assert_padding_invariant,
    assert_permutation_equivariant,
    random_batch,
    random_orthogonal,
)

SIZES = [3, 1, 6, 4]
EVERY_MODEL = pytest.mark.parametrize("name", [name for name in sorted(MODELS) if name == "edm"])


@pytest.fixture
def denoiser_and_input(make, generator):
    """The denoiser of a model as a function of features and positions, and a batch of noisy latents for it."""

    def prepare(name):
        model = make(name)
        mask = random_batch(SIZES, generator).mask
        latent = torch.randn(*mask.shape, 3 + model.num_features, generator=generator, dtype=torch.float64)
        z = project(latent, mask)
        times = (0.9, 0.2, 0.55, 0.0)

        def network(features, positions, mask):
            sizes = mask.sum(1).tolist()
            t = torch.tensor([times[SIZES.index(n)] for n in sizes])  # alone or together, a structure keeps its time
            noise = model.denoiser(torch.cat([positions, features], dim=-1), t, mask)
            return noise[..., 3:], noise[..., :3]

        return network, (z[..., 3:], z[..., :3], mask)

    return prepare


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
def test_predicted_noise_of_positions_is_centred(name, denoiser_and_input):
    network, (features, positions, mask) = denoiser_and_input(name)
    noise = network(features, positions, mask)[1]
    torch.testing.assert_close(noise.sum(1), torch.zeros(len(SIZES), 3, dtype=torch.float64), rtol=0, atol=1e-12)


@EVERY_MODEL
def test_time_matters(name, denoiser_and_input, make):
    _, (features, positions, mask) = denoiser_and_input(name)
    model, z = make(name), torch.cat([positions, features], dim=-1)
    outputs = [model.denoiser(z, torch.full((len(SIZES),), t), mask) for t in (0.1, 0.8)]
    assert float((outputs[0] - outputs[1]).detach().abs().max()) > 1e-3


@EVERY_MODEL
def test_bound_of_a_moved_structure_is_the_same(name, make, generator):
    """Moving the structure changes nothing; turning it along with its noise changes nothing."""
    model, batch = make(name), random_batch([5, 5], generator)
    q = random_orthogonal(generator, reflect=True)

    class Turned(NoiseSource):
        def normal(self, atoms, features):
            draw = super().normal(atoms, features)
            return torch.cat([draw[..., :3] @ q.T, draw[..., 3:]], dim=-1)

    def bound(batch, kind):
        blocks = NoiseSource.seeded(1, 2, 5).blocks
        with torch.no_grad():
            return model.nll(batch, kind(blocks, torch.float64))["nll"]

    expected = bound(batch, NoiseSource)
    torch.testing.assert_close(
        bound(batch.replace(positions=batch.positions + 3.0), NoiseSource), expected, rtol=1e-9, atol=0
    )
    torch.testing.assert_close(
        bound(batch.replace(positions=batch.positions @ q.T), Turned), expected, rtol=1e-9, atol=0
    )
    assert float((bound(batch.replace(positions=batch.positions @ q.T), NoiseSource) - expected).abs().max()) > 1e-6
