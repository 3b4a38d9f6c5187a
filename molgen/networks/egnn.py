"""E(n)-equivariant graph network with coordinate updates (Satorras et al. 2021), as EDM uses it.

Reference: Hoogeboom et al. 2022, section 3.2 and appendix B. Same mathematics, same weights; what differs is the work:

* the first linear layer of an edge network acts on [h_i, h_j, d_ij^2, d0_ij^2], so it is applied to h once per atom and
  the halves are added per edge: N H^2 instead of N^2 H^2;
* batches are dense, so gathers and scatters over edges become broadcasts and small matrix products;
* distances and coordinate updates stay in float32 under autocast; what enters a bf16 product is split in two parts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from molgen.networks.by_size import apply_by_size
from molgen.networks.pair_mlp import PairMLP


class EGNNBlock(nn.Module):
    """One message passing over the features followed by one coordinate update.

    Args:
        hidden: Width H.
        coordinate_range: Bound of one pair's contribution to a coordinate update, in angstrom.
        normalisation: Divides every sum over neighbours.
    """

    def __init__(self, hidden: int, coordinate_range: float, normalisation: float) -> None:
        super().__init__()
        self.coordinate_range, self.normalisation = coordinate_range, normalisation
        self.message = PairMLP(hidden, geometry=2)
        self.gate = nn.Linear(hidden, 1)
        self.update = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.coordinate = PairMLP(hidden, geometry=2)
        self.weight = nn.Linear(hidden, 1, bias=False)
        nn.init.xavier_uniform_(self.weight.weight, gain=0.001)

    def forward(
        self, h: Tensor, x: Tensor, input_distances: Tensor, mask: Tensor, pairs: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update features and coordinates.

        Args:
            h: Features, shape ``(B, N, H)``.
            x: Coordinates, shape ``(B, N, 3)``.
            input_distances: Squared distances of the network's input, shape ``(B, N, N, 1)``.
            mask: 1 for real atoms, shape ``(B, N, 1)``.
            pairs: 1 for pairs of two different real atoms, shape ``(B, N, N, 1)``.
        """
        difference, squared = pairwise(x)
        distances = pair_features(squared, input_distances)
        message = self.message(h, distances)
        gate = torch.sigmoid(self.gate(message)) * pairs.to(message.dtype)
        total = torch.matmul(gate.transpose(-1, -2), message).squeeze(-2) / self.normalisation  # (B, N, H)
        h = (h + self.update(torch.cat([h, total.to(h.dtype)], dim=-1)).to(h.dtype)) * mask
        weight = self.weight(self.coordinate(h, distances)).to(x.dtype)
        direction = difference / (torch.sqrt(squared + 1e-8) + 1.0)
        step = direction * (torch.tanh(weight) * self.coordinate_range * pairs)
        return h, (x + step.sum(dim=2) / self.normalisation) * mask


class EGNN(nn.Module):
    """EDM's dynamics network.

    Args:
        features: Input and output features per atom, time included by the caller.
        hidden: Width H.
        layers: Number of blocks.
        coordinate_range: Bound of one pair's contribution to one coordinate update, in angstrom.
        normalisation: Divides every sum over neighbours (1 in EDM's published QM9 command).
    """

    def __init__(
        self, features: int, hidden: int, layers: int, coordinate_range: float = 15.0, normalisation: float = 1.0
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(features, hidden)
        self.blocks = nn.ModuleList(EGNNBlock(hidden, coordinate_range, normalisation) for _ in range(layers))
        self.readout = nn.Linear(hidden, features)

    def forward(self, features: Tensor, positions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Run the network.

        Args:
            features: Invariant input per atom, shape ``(B, N, features)``.
            positions: Coordinates, shape ``(B, N, 3)``.
            mask: True for real atoms, shape ``(B, N)``.

        Returns:
            Invariant output, shape ``(B, N, features)``, and displacement x_out - x_in, shape ``(B, N, 3)``; zero in
            padding.
        """
        invariant, displacement = apply_by_size(self._dense, features, positions, mask)
        return invariant, displacement

    def _dense(self, features: Tensor, positions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        atoms = mask.unsqueeze(-1).to(positions.dtype)
        different = ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        pairs = (mask.unsqueeze(2) & mask.unsqueeze(1) & different).unsqueeze(-1).to(positions.dtype)
        _, input_distances = pairwise(positions)
        h, x = self.embed(features).to(positions.dtype), positions
        for block in self.blocks:
            h, x = block(h, x, input_distances, atoms, pairs)
        return self.readout(h).to(positions.dtype) * atoms, (x - positions) * atoms


def pairwise(x: Tensor) -> tuple[Tensor, Tensor]:
    """Differences x_i - x_j, shape ``(B, N, N, 3)``, and their squared lengths, shape ``(B, N, N, 1)``."""
    difference = x.unsqueeze(2) - x.unsqueeze(1)
    return difference, difference.square().sum(dim=-1, keepdim=True)


def pair_features(squared: Tensor, input_squared: Tensor) -> Tensor:
    """Both squared distances of every pair as input of a linear layer, shape ``(B, N, N, 2)``.

    bf16 keeps 8 bits, which is 0.003 angstrom of a bond. Under bf16 autocast each value is therefore given as the bf16
    number nearest to it and the bf16 remainder, ``(B, N, N, 4)``, to be multiplied by the same weight.
    """
    if not torch.is_autocast_enabled(squared.device.type):
        return torch.cat([squared, input_squared], dim=-1)
    dtype = torch.get_autocast_dtype(squared.device.type)
    high, input_high = squared.to(dtype), input_squared.to(dtype)
    return torch.cat([high, (squared - high).to(dtype), input_high, (input_squared - input_high).to(dtype)], dim=-1)
