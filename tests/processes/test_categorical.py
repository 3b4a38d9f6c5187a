"""D3PM against Bayes' rule over explicit matrices, and its reverse chain against the distribution it must give back."""

import math

import pytest
import torch

from molgen.processes.categorical import CategoricalProcess
from molgen.processes.schedule import AdaptiveCosineSchedule

MARGINAL = torch.tensor([0.45, 0.3, 0.2, 0.05], dtype=torch.float64)
K = len(MARGINAL)
PRIORS = pytest.mark.parametrize("prior", ["uniform", "marginal", "mask"])
TIMES = [(1 / 500, 0.0), (0.3, 0.298), (0.3, 0.05), (0.9, 0.0), (1.0, 0.4), (1.0, 0.998)]


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


def make(prior, nu=1.0):
    return CategoricalProcess(AdaptiveCosineSchedule(nu), prior, MARGINAL)


def at(time):
    return torch.tensor([time], dtype=torch.float64)


def transition(process, t, s=None):
    """Q with Q[a, b] = q(z_t = b | z_s = a), from s = 0 where it is not given."""
    alpha = process.schedule.alpha(at(t))
    if s is not None:
        alpha = alpha / process.schedule.alpha(at(s))
    return alpha * torch.eye(process.states, dtype=torch.float64) + (1 - alpha) * process.prior.expand(
        process.states, -1
    )


def bayes(process, t, s):
    """q(z_s = c | z_t = b, x_0 = a) at [a, b, c], NaN where q(z_t = b | x_0 = a) = 0."""
    to_s, step, to_t = transition(process, s), transition(process, t, s), transition(process, t)
    return to_s[:K, None, :] * step.T[None] / to_t[:K, :, None]


@PRIORS
@pytest.mark.parametrize(("t", "s"), TIMES)
def test_posterior_is_that_of_bayes(prior, t, s):
    process = make(prior, nu=1.5)
    expected = bayes(process, t, s)
    x0, z_t = torch.meshgrid(torch.arange(K), torch.arange(process.states), indexing="ij")
    one_hot = torch.nn.functional.one_hot(x0, K).double()
    actual = process.posterior(z_t, one_hot, at(t), at(s))
    known = ~expected.isnan().any(-1)
    assert int(known.sum()) == (
        2 * K if prior == "mask" else K * K
    )  # a mask leads here from everywhere, a class from one
    torch.testing.assert_close(actual[known], expected[known], rtol=1e-8, atol=1e-14)


@PRIORS
@pytest.mark.parametrize(("t", "s"), TIMES)
def test_reverse_is_the_sum_over_predictions(prior, t, s, generator):
    process = make(prior)
    table = bayes(process, t, s)
    prediction = torch.rand(process.states, K, generator=generator, dtype=torch.float64).softmax(-1)
    z_t = torch.arange(process.states)
    actual = process.posterior(z_t, prediction, at(t), at(s))
    for state in z_t.tolist():
        reachable = ~table[:, state].isnan().any(-1)
        weights = torch.where(reachable, prediction[state], torch.zeros(1, dtype=torch.float64))
        expected = (weights[:, None] / weights.sum() * table[:, state].nan_to_num()).sum(0)
        torch.testing.assert_close(actual[state], expected, rtol=1e-8, atol=1e-14)


@PRIORS
def test_at_time_zero_the_reverse_is_the_prediction(prior, generator):
    process = make(prior)
    prediction = torch.rand(2, 3, 3, K, generator=generator, dtype=torch.float64).softmax(-1)
    z_t = torch.randint(K, (2, 3, 3), generator=generator)
    if prior == "mask":
        z_t = torch.full_like(z_t, K)
    actual = process.posterior(z_t, prediction, torch.tensor([0.7, 0.2]), torch.zeros(2))
    torch.testing.assert_close(actual[..., :K], prediction, rtol=1e-12, atol=0)
    assert not actual[..., K:].any()


@PRIORS
def test_corruption_has_the_stated_frequencies(prior):
    process = make(prior)
    draws = (torch.arange(40_000, dtype=torch.float64) + 0.5) / 40_000
    for time in (0.0, 0.004, 0.5, 1.0):
        for x0 in range(K):
            z_t = process.corrupt(torch.full((1, len(draws)), x0), at(time), draws[None])
            frequencies = torch.bincount(z_t[0], minlength=process.states).double() / len(draws)
            torch.testing.assert_close(frequencies, transition(process, time)[x0], rtol=0, atol=1e-4)
    frequencies = torch.bincount(process.start(draws), minlength=process.states).double() / len(draws)
    torch.testing.assert_close(frequencies, process.prior, rtol=0, atol=5e-5)


def exact_prediction(process, truth, t):
    """p(x_0 | z_t) for every z_t, when x_0 has the distribution ``truth``, shape ``(S, K)``."""
    joint = truth[:, None] * transition(process, t)[:K]
    return (joint / joint.sum(0).clamp(min=1e-300)).T


@PRIORS
@pytest.mark.parametrize("times", [torch.linspace(1, 0, 501), torch.tensor([1.0, 0.83, 0.3, 0.05, 0.0])])
def test_the_reverse_chain_gives_back_the_distribution(prior, times):
    """With the exact p(x_0 | z_t) every step is exact, however long it is."""
    process, truth = make(prior, nu=2.5), torch.tensor([0.1, 0.6, 0.05, 0.25], dtype=torch.float64)
    states = torch.arange(process.states)
    now = process.prior
    for t, s in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        now = now @ process.posterior(states, exact_prediction(process, truth, t), at(t), at(s))
        torch.testing.assert_close(now, truth @ transition(process, s)[:K], rtol=0, atol=1e-5)
    torch.testing.assert_close(now[:K], truth, rtol=0, atol=1e-5)


@PRIORS
@pytest.mark.parametrize(("t", "s"), TIMES)
def test_bound_term_is_the_divergence(prior, t, s, generator):
    process = make(prior)
    logits = torch.randn(1, 60, K, generator=generator, dtype=torch.float64)
    x0 = torch.randint(K, (1, 60), generator=generator)
    z_t = process.corrupt(x0, at(t), torch.rand(1, 60, generator=generator, dtype=torch.float64))
    table, prediction = bayes(process, t, s).nan_to_num(), logits.softmax(-1)
    expected = []
    for a, b, guess in zip(x0[0].tolist(), z_t[0].tolist(), prediction[0], strict=True):
        reachable = transition(process, t)[:K, b] > 0
        modelled = (guess * reachable / (guess * reachable).sum()) @ table[:, b]
        exact = table[a, b]
        expected.append(sum(float(q * (q / p).log()) for q, p in zip(exact, modelled, strict=True) if q > 0))
    actual = process.bound_term(z_t, x0, logits, at(t), at(s))[0]
    assert actual.tolist() == pytest.approx(expected, rel=1e-6, abs=1e-10)
    if s == 0.0 and prior != "mask":
        entropy = torch.nn.functional.cross_entropy(logits[0], x0[0], reduction="none")
        torch.testing.assert_close(actual, entropy, rtol=1e-9, atol=1e-12)


@PRIORS
def test_gradients_of_the_bound_are_finite(prior):
    process = make(prior)
    logits = torch.zeros(1, process.states, K, requires_grad=True)
    x0 = torch.arange(process.states).clamp(max=K - 1)[None]
    process.bound_term(torch.arange(process.states)[None], x0, logits, at(0.002), at(0.0)).sum().backward()
    assert bool(torch.isfinite(logits.grad).all())


@PRIORS
def test_float32_is_enough(prior, generator):
    process = make(prior, nu=1.5)
    prediction = torch.randn(1, 500, K, generator=generator, dtype=torch.float64).mul(4).softmax(-1)
    z_t = torch.randint(process.states, (1, 500), generator=generator)
    for t, s in TIMES:
        exact = process.posterior(z_t, prediction, at(t), at(s))
        rounded = process.posterior(z_t, prediction.float(), at(t), at(s))
        torch.testing.assert_close(rounded.double(), exact, rtol=0, atol=1e-5)


def test_times_are_per_structure(generator):
    process = make("marginal")
    times, earlier = torch.tensor([0.9, 0.1]), torch.tensor([0.5, 0.02])
    prediction = torch.rand(2, 3, 3, K, generator=generator, dtype=torch.float64).softmax(-1)
    z_t = torch.randint(K, (2, 3, 3), generator=generator)
    together = process.posterior(z_t, prediction, times, earlier)
    for row in range(2):
        alone = process.posterior(z_t[row : row + 1], prediction[row : row + 1], times[row], earlier[row])
        torch.testing.assert_close(together[row : row + 1], alone)


def test_one_class_alone():
    process = CategoricalProcess(AdaptiveCosineSchedule(1.0), "marginal", torch.tensor([7.0]))
    x0 = torch.zeros(1, 4, dtype=torch.int64)
    assert not process.corrupt(x0, at(0.5), torch.rand(1, 4)).any()
    assert process.posterior(x0, torch.ones(1, 4, 1), at(0.5), at(0.1)).tolist() == [[[1.0]] * 4]
    assert math.isclose(float(process.bound_term(x0, x0, torch.zeros(1, 4, 1), at(0.5), at(0.1)).sum()), 0.0)


def test_unknown_prior():
    with pytest.raises(ValueError, match="known: uniform, marginal, mask"):
        make("absorbing")
