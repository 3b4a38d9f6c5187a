import torch

from molgen.networks.by_size import apply_by_size


def mean_and_size(features, positions, mask):
    """Not a network, but its result depends on the structure alone and shows what padding each call had."""
    weight = mask.unsqueeze(-1).float()
    mean = (features * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)
    return (features - mean) * weight, positions * weight


def batch(sizes):
    generator = torch.Generator().manual_seed(0)
    mask = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
    return torch.randn(*mask.shape, 2, generator=generator), torch.randn(*mask.shape, 3, generator=generator), mask


def calls_for(sizes):
    calls = []

    def spy(*inputs):
        calls.append(tuple(inputs[2].shape))
        return mean_and_size(*inputs)

    inputs = batch(sizes)
    for mine, other in zip(apply_by_size(spy, *inputs), mean_and_size(*inputs), strict=True):
        torch.testing.assert_close(mine, other)
    return calls


def test_one_call_when_sizes_are_alike():
    assert calls_for([18, 18, 17, 18]) == [(4, 18)]


def test_groups_when_they_are_not_and_every_structure_once():
    calls = calls_for([20, 3, 11, 4, 20, 19, 3, 12, 5, 20, 2, 18, 9, 9, 9, 10, 20])
    assert len(calls) > 1
    assert sum(rows for rows, _ in calls) == 17
    assert max(atoms for _, atoms in calls) == 20
    assert min(atoms for _, atoms in calls) <= 4


def test_a_single_structure_padded_far():
    features, positions, mask = batch([2, 9])
    assert [tuple(t.shape) for t in apply_by_size(mean_and_size, features[:1], positions[:1], mask[:1])] == [
        (1, 9, 2),
        (1, 9, 3),
    ]
