import torch

from molgen.geometry.centering import remove_mean


def test_mean_over_real_atoms_only():
    mask = torch.tensor([[True, True, True, False], [True, True, True, True]])
    x = torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 5.0
    centred = remove_mean(x, mask)
    torch.testing.assert_close(centred[0, :3], x[0, :3] - x[0, :3].mean(0))
    torch.testing.assert_close(centred[1], x[1] - x[1].mean(0))
    assert not centred[0, 3].any()


def test_projection_is_idempotent_and_ignores_what_padding_holds():
    mask = torch.tensor([[True, True, False]])
    x = torch.tensor([[[1.0, 2.0, 3.0], [3.0, 4.0, 5.0], [900.0, 900.0, 900.0]]])
    centred = remove_mean(x, mask)
    torch.testing.assert_close(remove_mean(centred, mask), centred)
    assert centred[0, 0].tolist() == [-1.0, -1.0, -1.0]


def test_structure_without_atoms_gives_zeros():
    assert not remove_mean(torch.ones(1, 2, 3), torch.zeros(1, 2, dtype=torch.bool)).any()
