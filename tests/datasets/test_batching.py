import numpy as np
import pytest

from molgen.datasets.batching import SizeBatches, ordered_batches

RNG = np.random.default_rng(0)
INDICES = RNG.permutation(5000)[:1000]
SIZES = RNG.integers(3, 30, 1000)
SIZE_OF = dict(zip(INDICES.tolist(), SIZES.tolist(), strict=True))


def make(seed: int = 4, batch_size: int = 32) -> SizeBatches:
    return SizeBatches(INDICES, SIZES, batch_size, seed)


def test_the_batch_of_a_step_depends_on_nothing_but_the_step():
    steps = list(range(70))
    forward = {step: make().at(step).tolist() for step in steps}
    shuffled, batches = RNG.permutation(steps).tolist(), make()
    assert {step: batches.at(step).tolist() for step in shuffled} == forward
    assert any(make(seed=5).at(step).tolist() != forward[step] for step in steps[:3])


def test_every_structure_at_most_once_per_epoch_and_nearly_all_of_them():
    batches = make()
    assert batches.per_epoch == 31
    epochs = [np.concatenate([batches.at(31 * e + k) for k in range(31)]) for e in range(3)]
    for seen in epochs:
        assert len(seen) == len(set(seen.tolist())) == 992
        assert set(seen.tolist()) <= set(INDICES.tolist())
    left_out = [set(INDICES.tolist()) - set(seen.tolist()) for seen in epochs]
    assert left_out[0] != left_out[1]  # not always the same ones


def test_batches_are_homogeneous_and_in_random_order():
    batches = make()
    ranges = [[SIZE_OF[i] for i in batches.at(k).tolist()] for k in range(31)]
    assert np.mean([max(r) - min(r) for r in ranges]) < 2.0
    means = np.array([np.mean(r) for r in ranges])
    assert abs(np.corrcoef(means, np.arange(31))[0, 1]) < 0.6
    assert {tuple(batches.at(k)) for k in range(31)} != {tuple(batches.at(31 + k)) for k in range(31)}


def test_batch_size_larger_than_the_set():
    batches = SizeBatches(INDICES[:5], SIZES[:5], 64, 0)
    assert sorted(batches.at(3).tolist()) == sorted(INDICES[:5].tolist())
    assert batches.per_epoch == 1


@pytest.mark.parametrize("batch_size", [7, 1000, 5000])
def test_evaluation_batches_hold_everything_once_by_size(batch_size):
    parts = ordered_batches(INDICES, SIZES, batch_size)
    together = np.concatenate(parts)
    assert sorted(together.tolist()) == sorted(INDICES.tolist())
    assert (np.diff([SIZE_OF[i] for i in together.tolist()]) >= 0).all()
    assert max(map(len, parts)) <= batch_size
