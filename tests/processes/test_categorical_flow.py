"""The categorical flow against its definition, and its sampler against a joint distribution known by enumeration."""

import itertools

import pytest
import torch

from molgen.processes.categorical_flow import CategoricalFlow, tempered

MARGINAL = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
K = len(MARGINAL)
PRIORS = pytest.mark.parametrize("prior", ["uniform", "marginal", "mask"])
GRID = 500


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(13)


def even(count=GRID):
    """Draws that fill [0, 1) evenly: shares of them are probabilities up to 1 / count."""
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count


def pairs_of_draws():
    return torch.cartesian_prod(even(), even()).T.contiguous()


def at(time):
    return torch.tensor([time], dtype=torch.float64)


def shares(classes, states):
    return torch.bincount(classes.flatten(), minlength=states).double() / classes.numel()


@PRIORS
def test_corruption_has_the_stated_probabilities(prior):
    flow = CategoricalFlow(prior, MARGINAL)
    keep, other = pairs_of_draws()
    for x0 in range(K):
        for t in (0.0, 0.3, 0.77, 1.0):
            drawn = flow.corrupt(torch.full((1, len(keep)), x0), at(t), keep[None], other[None])
            expected = t * flow.prior
            expected[x0] += 1 - t
            torch.testing.assert_close(shares(drawn, flow.states), expected, rtol=0, atol=2 / GRID)


def joint_by_brute_force(flow, x0, s, t):
    """Share of each (x_s, x_t) when a variable keeps one noise class until a time spread evenly over [0, 1]."""
    joint = torch.zeros(flow.states, flow.states, dtype=torch.float64)
    for jump_time in even(4000).tolist():
        for noise, probability in enumerate(flow.prior.tolist()):
            x_s, x_t = (noise if jump_time < time else x0 for time in (s, t))
            joint[x_s, x_t] += probability / 4000
    return joint


@PRIORS
def test_a_step_is_exact_for_the_conditional_process(prior):
    flow = CategoricalFlow(prior, MARGINAL)
    times = torch.rand(5, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64).sort(dim=1).values
    jump, target = pairs_of_draws()
    for (s, t), x0 in zip(times.tolist(), [0, 1, 2, 0, 1], strict=True):
        joint = joint_by_brute_force(flow, x0, s, t)
        known = torch.nn.functional.one_hot(torch.full((1, len(jump)), x0), K).double()
        at_t = joint.sum(0)
        for x_t in range(flow.states):
            drawn = flow.step(
                torch.full((1, len(jump)), x_t), known, at(t), at(s), (jump[None], target[None])
            )  # p(x_s | x_t)
            actual = shares(drawn, flow.states) * at_t[x_t]
            torch.testing.assert_close(actual, joint[:, x_t], rtol=0, atol=3 / GRID)


@PRIORS
@pytest.mark.parametrize(("eta", "steps"), [(8.0, 50), (3.0, 7), (1000.0, 20)])
def test_noise_injection_keeps_the_distribution_at_every_time(prior, eta, steps, generator):
    """The jumps back and the jumps that make up for them leave (1 - t) [x = x_0] + t prior as it is, in steps of any
    length; the tolerance is five standard deviations of a share counted in 40,000."""
    flow, count, x0 = CategoricalFlow(prior, MARGINAL), 40_000, 1
    draw = lambda: torch.rand(1, count, generator=generator, dtype=torch.float64)  # noqa: E731
    x, jumped_back = flow.noise(draw()), 0
    known = torch.nn.functional.one_hot(torch.full((1, count), x0), K).double()
    times = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    for k in range(1, len(times)):
        before = x
        x = flow.step(x, known, times[k - 1 : k], times[k : k + 1], tuple(draw() for _ in range(4)), eta)
        jumped_back += int(((before == x0) & (x != x0)).sum())
        expected = times[k] * flow.prior
        expected[x0] += 1 - times[k]
        torch.testing.assert_close(shares(x, flow.states), expected, rtol=0, atol=0.0125)
    assert jumped_back > count / 2
    assert bool((x == x0).all())


class Enumerated:
    """A random joint distribution over V variables of K classes, and the exact p(x_0 of each variable | x_t)."""

    variables = 3

    def __init__(self, flow, generator):
        self.flow = flow
        self.clean = torch.tensor(list(itertools.product(range(K), repeat=self.variables)))
        self.states = torch.tensor(list(itertools.product(range(flow.states), repeat=self.variables)))
        weights = 0.1 + torch.rand(len(self.clean), generator=generator, dtype=torch.float64) ** 3
        self.truth = weights / weights.sum()

    def index(self, states, base):
        return (states * base ** torch.arange(self.variables - 1, -1, -1)).sum(-1)

    def posterior(self, t):
        """Shape ``(S^V, V, K)``."""
        same = self.states[:, None] == self.clean[None]
        likelihood = ((1 - t) * same + t * self.flow.prior[self.states][:, None]).prod(-1)
        joint = likelihood * self.truth
        joint = joint / joint.sum(1, keepdim=True).clamp(min=1e-300)
        return torch.einsum("sc,cvk->svk", joint, torch.nn.functional.one_hot(self.clean, K).double())


@PRIORS
@pytest.mark.parametrize("eta", [0.0, 5.0])
def test_the_sampler_gives_back_a_known_joint_distribution(prior, eta, generator):
    """With the exact prediction; 27 outcomes counted in 20,000 samples.

    Counting alone gives a chi-squared of 26 +- 7.2 (26 degrees of freedom). 300 steps in which variables move
    independently add little; 62 is five standard deviations of counting. Independent variables would give 15,000.
    """
    data, count, steps = Enumerated(CategoricalFlow(prior, MARGINAL), generator), 20_000, 300
    draw = lambda: torch.rand(count, data.variables, generator=generator, dtype=torch.float64)  # noqa: E731
    x = data.flow.noise(draw())
    times = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    for k in range(1, steps + 1):
        t, s = times[k - 1 : k], times[k : k + 1]
        predicted = data.posterior(float(t))[data.index(x, data.flow.states)]
        last = k == steps
        x = data.flow.step(x, predicted, t, s, tuple(draw() for _ in range(4)), 0.0 if last else eta)
    observed = torch.bincount(data.index(x, K), minlength=len(data.truth)).double()
    expected = data.truth * count
    chi_squared = float(((observed - expected) ** 2 / expected).sum())
    assert chi_squared < 62
    marginals = torch.nn.functional.one_hot(data.clean, K).double().mul(data.truth[:, None, None]).sum(0)
    independent = marginals[torch.arange(3), data.clean].prod(-1) * count
    assert float(((independent - expected) ** 2 / expected).sum()) > 10_000


def test_noise_at_the_ends_of_its_draws():
    ends = torch.tensor([0.0, 1.0 - 2.0**-24])
    for prior, expected in (("uniform", [0, 2]), ("marginal", [0, 2]), ("mask", [3, 3])):
        assert CategoricalFlow(prior, MARGINAL).noise(ends).tolist() == expected
    assert CategoricalFlow("marginal", torch.tensor([0.0, 1.0, 0.0])).noise(ends).tolist() == [1, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_class_that_is_not_predicted_is_never_drawn(dtype):
    """Even where the others sum to a little less than one, and the draws are the extremes."""
    flow = CategoricalFlow("uniform", MARGINAL)
    weights = torch.rand(2000, 2, generator=torch.Generator().manual_seed(0), dtype=dtype).softmax(-1)
    predicted = torch.nn.functional.pad(weights, (0, 1))[None]
    for u in (0.0, 1.0 - 2.0**-24):
        draws = (torch.zeros(1, 2000, dtype=dtype), torch.full((1, 2000), u, dtype=dtype))
        drawn = flow.step(torch.full((1, 2000), 2), predicted, at(0.5), at(0.0), draws)
        assert set(drawn.unique().tolist()) <= {0, 1}


def test_the_last_step_leaves_no_noise():
    flow = CategoricalFlow("mask", MARGINAL)
    jump = torch.full((1, 3), 1.0 - 2.0**-24)
    x = flow.step(torch.full((1, 3), 3), torch.full((1, 3, 3), 1 / 3), at(0.02), at(0.0), (jump, torch.zeros(1, 3)))
    assert x.tolist() == [[0, 0, 0]]


def test_temperature():
    logits = torch.tensor([1.0, 3.0, 0.5, 3.5], dtype=torch.float64)
    torch.testing.assert_close(tempered(logits, 1.0), logits.softmax(-1))
    torch.testing.assert_close(tempered(logits, 0.5), (logits.exp() ** 2) / (logits.exp() ** 2).sum())
    torch.testing.assert_close(tempered(logits, 1e6), torch.full((4,), 0.25, dtype=torch.float64), rtol=0, atol=1e-5)
    assert tempered(logits, 0.0).tolist() == [0.0, 0.0, 0.0, 1.0]
    for cold in (1e-3, 1e-40, 1e-300):
        torch.testing.assert_close(tempered(logits, cold), tempered(logits, 0.0))
        torch.testing.assert_close(tempered(logits.float(), cold), tempered(logits.float(), 0.0))
    assert tempered(logits.bfloat16(), 0.7).dtype == torch.float32


def test_times_are_per_structure(generator):
    flow = CategoricalFlow("marginal", MARGINAL)
    t, s = torch.tensor([0.9, 0.1]), torch.tensor([0.4, 0.02])
    x, predicted = torch.randint(K, (2, 50), generator=generator), torch.rand(2, 50, K, generator=generator).softmax(-1)
    draws = tuple(torch.rand(2, 50, generator=generator) for _ in range(4))
    together = flow.step(x, predicted, t, s, draws, eta=2.0)
    for row in range(2):
        rows = slice(row, row + 1)
        alone = flow.step(x[rows], predicted[rows], t[rows], s[rows], tuple(d[rows] for d in draws), eta=2.0)
        assert torch.equal(together[rows], alone)


def test_unknown_prior():
    with pytest.raises(ValueError, match="known: uniform, marginal, mask"):
        CategoricalFlow("absorbing", MARGINAL)
