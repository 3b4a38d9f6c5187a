"""EDM's latent, loss and read-out, each against its definition computed some other way."""

import math

import pytest
import torch
from torch import nn

from molgen.errors import ConfigError
from molgen.models import DataSummary, build
from molgen.models.edm import EDM, EDMConfig
from molgen.randomness import NoiseSource
from molgen.testing import random_batch

T = 1000


class Draws:
    """Stands for a NoiseSource, with draws that the test knows."""

    def __init__(self, uniform, normal):
        self._uniform, self._normal = uniform, normal

    def uniform(self):
        return self._uniform

    def normal(self, atoms, features):
        assert self._normal.shape[1:] == (atoms, features)
        return self._normal


class Known(nn.Module):
    """Stands for the denoiser: predicts ``function(z)``."""

    def __init__(self, function):
        super().__init__()
        self.function, self.times = function, []

    def forward(self, z, t, mask):
        self.times += t.tolist()
        return self.function(z) * mask.unsqueeze(-1)


def test_encode(make, generator):
    model, batch = make(), random_batch([4, 2], generator)
    z, classes = model.encode(batch)
    assert z.shape == (2, 4, 3 + 5 + 1)
    for row, n in ((0, 4), (1, 2)):
        x = batch.positions[row, :n]
        torch.testing.assert_close(z[row, :n, :3], x - x.mean(0))
        for atom in range(n):
            element = int(batch.elements[row, atom])
            expected = [0.25 if element == e else 0.0 for e in (1, 6, 7, 8, 9)] + [element / 10]
            assert z[row, atom, 3:].tolist() == pytest.approx(expected, abs=1e-12)
            assert int(classes[row, atom]) == (1, 6, 7, 8, 9).index(element)
    assert not z[1, 2:].any()


def test_position_scale_divides_and_finish_multiplies(make, generator):
    batch, mask = random_batch([4], generator), torch.ones(1, 4, dtype=torch.bool)
    plain, scaled = (make(position_scale=scale).encode(batch)[0] for scale in (1.0, 2.0))
    torch.testing.assert_close(scaled[..., :3] * 2.0, plain[..., :3])
    torch.testing.assert_close(scaled[..., 3:], plain[..., 3:])
    model = make(position_scale=2.0)
    model.denoiser = Known(torch.zeros_like)
    still = Draws(None, torch.zeros(1, 4, 9, dtype=torch.float64))
    positions = model.finish(scaled, mask, still).positions
    torch.testing.assert_close(positions, plain[..., :3], rtol=2e-5, atol=1e-6)  # alpha_0 is 0.999995


def test_unknown_element_is_named(make, generator):
    batch = random_batch([3, 3], generator, elements=(6, 17))
    with pytest.raises(ConfigError, match=r"atomic numbers \[17\] are not in the model's vocabulary"):
        make().encode(batch)


def test_scales_must_be_readable_from_the_first_noise():
    summary = DataSummary((1, 6), (0, 1))
    sigma_0 = math.sqrt(1e-5)
    limit = 1 / (8 * sigma_0)  # 39.5
    build(EDMConfig(hidden=4, layers=1, element_scale=limit * 0.99), summary)
    for settings in ({"element_scale": limit * 1.01}, {"number_scale": limit * 1.01}):
        with pytest.raises(ConfigError, match="cannot be read back from noise"):
            build(EDMConfig(hidden=4, layers=1, **settings), summary)
    build(EDMConfig(hidden=4, layers=1, number_scale=limit * 2, atomic_number=False), summary)


@pytest.mark.parametrize("setting", [{"loss": "l2"}, {"schedule": "linear"}])
def test_settings_that_do_not_exist(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        EDM(EDMConfig(hidden=4, layers=1, **setting), DataSummary((1, 6), (0, 1)))


def log_mass(low, high, std):
    """log of the standard normal's mass between low/std and high/std, with the reference's 1e-10."""
    cdf = [0.5 * (1 + math.erf(v / std / math.sqrt(2))) for v in (low, high)]
    return math.log(cdf[1] - cdf[0] + 1e-10)


def by_hand(model, batch, row, step, epsilon, predict):
    """Squared error, that of positions, log p(h | z) and clean latent of one structure, by the published equations."""
    n = int(batch.num_atoms[row])
    raw = max((1 - (step / T) ** 2) ** 2, 0.001 * (1 - (1 - 1 / T) ** 2) ** 2)
    alpha2 = (1 - 2e-5) * raw + 1e-5
    x = batch.positions[row, :n] - batch.positions[row, :n].mean(0)
    elements = batch.elements[row, :n].tolist()
    onehot = torch.tensor([[float(e == k) for k in model.data.elements] for e in elements], dtype=torch.float64)
    z0 = torch.cat([x, onehot / 4, torch.tensor(elements, dtype=torch.float64)[:, None] / 10], dim=1)
    noise = epsilon[row, :n].clone()
    noise[:, :3] -= noise[:, :3].mean(0)
    z = math.sqrt(alpha2) * z0 + math.sqrt(1 - alpha2) * noise
    error = noise - predict(z)
    std, log_p = math.sqrt(1 - alpha2), 0.0
    for atom, element in enumerate(elements):
        log_p += log_mass(element - 0.5 - 10 * z[atom, -1], element + 0.5 - 10 * z[atom, -1], 10 * std)
        masses = [log_mass(0.5 - 4 * v, 1.5 - 4 * v, 4 * std) for v in z[atom, 3:-1].tolist()]
        log_p += masses[model.data.elements.index(element)] - math.log(sum(map(math.exp, masses)))
    return float(error.square().sum()), float(error[:, :3].square().sum()), log_p, z0


def snr_ratio_minus_one(step):
    def alpha2(k):
        raw = max((1 - (k / T) ** 2) ** 2, 0.001 * (1 - (1 - 1 / T) ** 2) ** 2)
        return (1 - 2e-5) * raw + 1e-5

    a_t, a_s = alpha2(step), alpha2(step - 1)
    return a_s / (1 - a_s) * (1 - a_t) / a_t - 1


@pytest.mark.parametrize("loss", ["simple", "variational"])
@pytest.mark.parametrize("steps", [[1, 400, 1000], [0, 0, 0], [0, 7, 999]])
def test_loss_is_its_definition(make, generator, loss, steps):
    model, batch = make(loss=loss), random_batch([5, 3, 1], generator)
    epsilon = torch.randn(3, 5, 9, generator=generator, dtype=torch.float64)
    centred = lambda z: torch.cat([0.3 * z[..., :3], torch.tanh(z[..., 3:])], dim=-1)  # noqa: E731 (centred if z is)
    model.denoiser = Known(centred)
    uniform = (torch.tensor(steps, dtype=torch.float64) + 0.5) / (T + 1)
    values = []
    for row, step in enumerate(steps):
        squared, positions, log_p, z0 = by_hand(model, batch, row, step, epsilon, centred)
        n, terms = int(batch.num_atoms[row]), (3 + 6) * model.data.max_atoms
        if loss == "simple":
            values.append(0.5 * squared / terms if step else 0.5 * positions / terms - log_p)
            continue
        end = (1 - 2e-5) * 0.001 * (1 - (1 - 1 / T) ** 2) ** 2 + 1e-5
        degrees = 3 * (n - 1) + 6 * n
        prior = 0.5 * (degrees * ((1 - end) - math.log(1 - end) - 1) + end * float(z0.square().sum()))
        constants = 3 * (n - 1) * (0.5 * math.log(1e-5 / (1 - 1e-5)) + 0.5 * math.log(2 * math.pi))
        at_zero = 0.5 * positions + constants - log_p
        values.append((T + 1) * (0.5 * snr_ratio_minus_one(step) * squared if step else at_zero) + prior)
    actual = model.loss(batch, Draws(uniform, epsilon))
    assert float(actual["loss"]) == pytest.approx(sum(values) / 3, rel=1e-7)


def test_every_time_is_drawn_equally_often(make, generator):
    """Uniform draws in [0, 1) reach t = 0 and t = 1, and nothing outside."""
    model, batch = make(), random_batch([2, 2], generator)
    model.denoiser = Known(torch.zeros_like)
    ends = torch.tensor([0.0, 1.0 - 1e-12], dtype=torch.float64)
    model.loss(batch, Draws(ends, torch.zeros(2, 2, 9, dtype=torch.float64)))
    assert model.denoiser.times == [0.0, 1.0]


@pytest.mark.parametrize("atomic_number", [True, False])
def test_every_class_can_be_generated(make, generator, atomic_number):
    """The reference loses the last class when it does not diffuse the atomic number."""
    model = make(atomic_number=atomic_number)
    mask = torch.ones(1, 5, dtype=torch.bool)
    batch = random_batch([5], generator).replace(elements=torch.tensor([[9, 8, 7, 6, 1]]))
    z_0 = model.process.corrupt(model.encode(batch)[0], torch.zeros(1), 0.1 * torch.randn(1, 5, 3 + model.num_features))
    assert model.read_elements(z_0).tolist() == [[9, 8, 7, 6, 1]]
    molecules = model.finish(z_0, mask, NoiseSource.seeded(0, 1, 5))
    assert molecules.elements.tolist() == [[9, 8, 7, 6, 1]]
    assert model.encode(batch)[0].shape[-1] == 3 + 5 + int(atomic_number)


def test_finish_is_centred_padded_and_scattered_as_it_should_be(make, generator):
    model, mask = make(), torch.arange(4) < torch.tensor([[4], [2]])
    z_0 = torch.zeros(2, 4, 9, dtype=torch.float64)
    model.denoiser = Known(torch.zeros_like)
    noise = torch.randn(2, 4, 9, generator=generator, dtype=torch.float64)
    molecules = model.finish(z_0, mask, Draws(None, noise))
    spread = math.sqrt(1e-5 / (1 - 1e-5))
    expected = (noise[1, :2, :3] - noise[1, :2, :3].mean(0)) * spread
    torch.testing.assert_close(molecules.positions[1, :2], expected, rtol=1e-9, atol=1e-12)
    assert not molecules.positions[1, 2:].any()
    assert not molecules.elements[1, 2:].any()


def test_a_network_that_fails_is_not_hidden(make, generator):
    """The reference replaces NaN by zero; here it reaches the loss and the molecules."""
    model, batch = make(), random_batch([4, 3], generator)
    with torch.no_grad():
        next(p for p in model.parameters() if p.dim() == 2).fill_(float("nan"))
    assert not bool(torch.isfinite(model.loss(batch, NoiseSource.seeded(0, 2, 4))["loss"]))
    z_1 = model.start(batch.mask, NoiseSource.seeded(0, 2, 4)).double()
    assert bool(model.denoiser(z_1, torch.ones(2), batch.mask).isnan().any())
    assert bool(model.finish(z_1, batch.mask, NoiseSource.seeded(1, 2, 4)).positions.isnan().any())


def test_start_is_standard_normal_in_the_subspace(make):
    model, mask = make(), torch.ones(4000, 5, dtype=torch.bool)
    z = model.start(mask, NoiseSource.seeded(0, 4000, 5))
    assert float(z[..., :3].sum(1).abs().max()) < 1e-5
    assert float(z[..., :3].var()) == pytest.approx(1 - 1 / 5, abs=0.02)
    assert float(z[..., 3:].var()) == pytest.approx(1.0, abs=0.02)
