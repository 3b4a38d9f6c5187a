"""A network and a Gaussian process together: predicts the noise in the joint latent z = [positions, features]."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from molgen.geometry.centering import remove_mean
from molgen.processes.gaussian import GaussianProcess


class NoiseDenoiser(nn.Module):
    """epsilon-prediction on positions with zero centre of mass and on features beside them (Hoogeboom et al. 2022).

    A latent z has shape ``(B, N, 3 + F)``: three coordinates, then F scaled features; it is zero in padding.

    Args:
        network: Maps features ``(B, N, F + 1)`` (time is the last), positions ``(B, N, 3)`` and mask ``(B, N)`` to
            features of the same shape and displacements ``(B, N, 3)``.
        process: The Gaussian process of both fields.
    """

    def __init__(self, network: nn.Module, process: GaussianProcess) -> None:
        super().__init__()
        self.network, self.process = network, process

    def forward(self, z: Tensor, t: Tensor, mask: Tensor) -> Tensor:
        """Predicted noise, same shape as ``z``.

        Args:
            z: Latent, shape ``(B, N, 3 + F)``.
            t: Time of each structure in [0, 1], shape ``(B,)``.
            mask: True for real atoms, shape ``(B, N)``.
        """
        time = t.to(z.dtype).reshape(-1, 1, 1).expand(len(z), z.shape[1], 1) * mask.unsqueeze(-1)
        features, displacement = self.network(torch.cat([z[..., 3:], time], dim=-1), z[..., :3], mask)
        return torch.cat([remove_mean(displacement, mask), features[..., :-1]], dim=-1)


def project(z: Tensor, mask: Tensor) -> Tensor:
    """Centre the positions of a latent and clear its padding, shape ``(B, N, 3 + F)``."""
    return torch.cat([remove_mean(z[..., :3], mask), z[..., 3:] * mask.unsqueeze(-1)], dim=-1)
