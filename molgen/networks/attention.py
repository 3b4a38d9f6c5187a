"""Equivariant attention with a thin pair state: wide atoms, narrow pairs, one set of coordinates.

Atoms carry H scalars and attend to each other; every unordered pair carries C << H scalars, which see the distance of
the current coordinates, bias the attention, feed back into the atoms and move the coordinates along the lines between
atoms. No product of size N^2 H^2 occurs, and pairs are kept once, not twice (``half_pairs``). E(3)-equivariant: only
distances enter the scalars, only differences and the coordinates themselves move the coordinates.

The pieces are known: pair-biased attention (Jumper et al. 2021), coordinate updates (Satorras et al. 2021), refreshed
distances; conditioning on time by scale and shift (Peebles & Xie 2023).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from molgen.networks.half_pairs import HalfPairs, half_pairs
from molgen.networks.modulated_norm import modulated_norm
from molgen.networks.pair_attention import pair_attention
from molgen.networks.pair_update import pair_update

_SMALLEST_EXPONENT = -80.0
"""exp(-80) is nothing, but a number; below, the exponential takes a path that is ten times slower."""


class RadialBasis(nn.Module):
    """Gaussians of log(1 + d) on an even grid: fine where bonds are, coarse where nothing is decided.

    Args:
        count: Number of Gaussians, R.
        largest: Distance of the last centre, in units of the coordinates.
    """

    def __init__(self, count: int, largest: float = 12.0) -> None:
        super().__init__()
        centres = torch.linspace(0.0, math.log1p(largest), count)
        self.register_buffer("centres", centres, persistent=False)
        self.centres: Tensor
        self.factor = -0.5 / float(centres[1]) ** 2

    def forward(self, distances: Tensor) -> Tensor:
        """``(...)`` -> ``(..., R)``, float32."""
        exponent = self.factor * (torch.log1p(distances).unsqueeze(-1) - self.centres).square()
        return exponent.clamp(min=_SMALLEST_EXPONENT).exp()


@dataclass(frozen=True)
class Layout:
    """What every block needs to know of a batch: pairs and masks, in the dtype of the pair state where it matters.

    Attributes:
        pairs: Index maps.
        atoms: 1 for real atoms, shape ``(B, N, 1)``, float32.
        ends: ``HalfPairs.ends`` with the pairs of padding cleared, shape ``(B, P, N)``.
        signs: ``HalfPairs.signs`` with the pairs of padding cleared, shape ``(B, P, N)``, float32.
        blocked: True where an atom must not look, shape ``(B, 1, 1, N)``.
        share: 1 / number of atoms, shape ``(B, 1, 1)``, float32.
    """

    pairs: HalfPairs
    atoms: Tensor
    ends: Tensor
    signs: Tensor
    blocked: Tensor
    share: Tensor

    @classmethod
    def of(cls, mask: Tensor, dtype: torch.dtype, real: torch.dtype) -> Layout:
        pairs = half_pairs(mask.shape[1], mask.device)
        there = (mask[:, pairs.first] & mask[:, pairs.second]).unsqueeze(-1)
        atoms = mask.unsqueeze(-1).to(real)
        return cls(
            pairs=pairs,
            atoms=atoms,
            ends=(pairs.ends * there).to(dtype),
            signs=(pairs.signs * there).to(real),
            blocked=~mask[:, None, None, :],
            share=1.0 / atoms.sum(1, keepdim=True).clamp(min=1.0),
        )

    def lines(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x_i - x_j of each pair, shape ``(B, P, 3)``, and its length, shape ``(B, P)``."""
        difference = x.index_select(1, self.pairs.first) - x.index_select(1, self.pairs.second)
        return difference, (difference.square().sum(-1) + 1e-12).sqrt()

    def gather(self, push: Tensor) -> Tensor:
        """Sum of what pushes each atom along its lines, ``(B, P, 3)`` -> ``(B, N, 3)``, not rounded by autocast."""
        with torch.autocast(push.device.type, enabled=False):
            return torch.bmm(self.signs.mT, push)


class AttentionBlock(nn.Module):
    """Pair update, attention, feed-forward; what moves coordinates is a subclass's.

    Args:
        hidden: H, width of the atoms.
        pair: C, width of the pairs.
        heads: Attention heads.
        radial: R, features of a pair's geometry.
        expansion: Width of the feed-forward layer over H.
        condition: Width of the conditioning vector.
        pushes: M, weights of a pair for moving its atoms.
    """

    def __init__(
        self, hidden: int, pair: int, heads: int, radial: int, expansion: int, condition: int, pushes: int = 1
    ) -> None:
        super().__init__()
        self.heads = heads
        self.modulation = nn.Linear(condition, 4 * hidden)
        self.to_pair = nn.Linear(hidden, pair)
        self.pair_norm = nn.LayerNorm(pair)
        self.pair_first = nn.Linear(pair, pair, bias=False)
        self.pair_radial = nn.Linear(radial, pair, bias=False)
        self.pair_second = nn.Linear(pair, pair)
        self.bias = nn.Linear(pair, heads + pushes, bias=False)
        self.query_key_value = nn.Linear(hidden, 3 * hidden, bias=False)
        self.merge = nn.Linear(hidden + pair, hidden)
        self.feed = nn.Sequential(
            nn.Linear(hidden, expansion * hidden), nn.SiLU(), nn.Linear(expansion * hidden, hidden)
        )
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        nn.init.normal_(self.bias.weight, std=1e-2 / math.sqrt(pair))

    def mix(
        self, h: Tensor, z: Tensor, geometry: Tensor, condition: Tensor, layout: Layout
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Update atoms ``h`` (B, N, H) and pairs ``z`` (B, P, C).

        Args:
            h, z: States.
            geometry: Features of the pairs' geometry, shape ``(B, P, R)``.
            condition: Shape ``(B, condition)``.
            layout: Of the batch.

        Returns:
            ``h``, ``z``, the pairs' pushes ``(B, P, M)`` in [-1, 1], and the atoms' normalised state ``(B, N, H)``.
        """
        modulation = self.modulation(condition).to(h.dtype).unsqueeze(1)
        scale, shift, feed_scale, feed_shift = modulation.chunk(4, dim=-1)
        n = modulated_norm(h, scale, shift, z.dtype)
        layers = self.pair_first.weight, self.pair_radial.weight, self.pair_second.weight, self.pair_second.bias
        z = pair_update(z, self.to_pair(n), geometry, layout.ends, layers, self.pair_norm)
        weights = self.bias(z)  # the heads' biases, then the pushes
        h = self._attend(n, z, weights[..., : self.heads], layout).to(h.dtype).add_(h)
        f = modulated_norm(h, feed_scale, feed_shift, z.dtype)
        h = self.feed(f).to(h.dtype).add_(h)
        return h, z, weights[..., self.heads :].to(h.dtype).tanh(), f

    def _attend(self, n: Tensor, z: Tensor, bias: Tensor, layout: Layout) -> Tensor:
        seen = pair_attention(self.query_key_value(n), bias, layout.blocked, layout.pairs)
        around = torch.bmm(layout.ends.mT, z) * layout.share.to(z.dtype)
        result: Tensor = self.merge(torch.cat([seen, around], dim=-1))
        return result


class MoleculeBlock(AttentionBlock):
    """A block that also moves coordinates in space: along the lines between atoms, and to or from the centre."""

    def __init__(self, hidden: int, *sizes: int) -> None:
        super().__init__(hidden, *sizes)
        self.stretch = nn.Linear(hidden, 1)
        nn.init.zeros_(self.stretch.weight)
        nn.init.zeros_(self.stretch.bias)

    def forward(
        self, h: Tensor, z: Tensor, x: Tensor, condition: Tensor, reach: Tensor, layout: Layout, radial: RadialBasis
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Update atoms ``h`` (B, N, H), pairs ``z`` (B, P, C) and coordinates ``x`` (B, N, 3)."""
        here = x.detach()  # geometry steers a block; gradients reach earlier blocks through h, z and the sum of moves
        difference, distance = layout.lines(here)
        h, z, push, f = self.mix(h, z, radial(distance), condition, layout)
        move = layout.gather(difference * (push.to(x.dtype) / (1.0 + distance.unsqueeze(-1))))
        return h, z, centred(x + reach * (move + here * self.stretch(f).to(x.dtype).tanh()), layout)


def centred(x: Tensor, layout: Layout) -> Tensor:
    """Coordinates about their mean, zero in padding."""
    x = x * layout.atoms
    return (x - x.sum(1, keepdim=True) * layout.share) * layout.atoms


class EquivariantAttention(nn.Module):
    """The network: embeddings, blocks, read-outs.

    Args:
        atom_features: Invariant inputs per atom.
        pair_features: Symmetric invariant inputs per pair.
        condition_features: Inputs per structure (time, size).
        atom_outputs: Read-outs per atom.
        pair_outputs: Read-outs per pair.
        hidden, pair, heads, radial, expansion: See ``AttentionBlock``.
        layers: Number of blocks.
    """

    def __init__(
        self,
        *,
        atom_features: int,
        pair_features: int,
        condition_features: int,
        atom_outputs: int,
        pair_outputs: int,
        hidden: int,
        pair: int,
        layers: int,
        heads: int,
        radial: int,
        expansion: int,
    ) -> None:
        super().__init__()
        self.radial = RadialBasis(radial)
        self.condition = nn.Sequential(nn.Linear(condition_features, hidden // 4), nn.SiLU())
        self.atom_embed = nn.Linear(atom_features, hidden)
        self.pair_embed = nn.Linear(pair_features + 2 * radial, pair)
        sizes = (hidden, pair, heads, radial, expansion, hidden // 4)
        self.blocks = nn.ModuleList(MoleculeBlock(*sizes) for _ in range(layers))
        self.atom_read = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, atom_outputs))
        self.pair_read = nn.Sequential(nn.Linear(pair, pair), nn.SiLU(), nn.Linear(pair, pair_outputs))

    def forward(
        self, x: Tensor, guess: Tensor, atoms: Tensor, pairs: Tensor, condition: Tensor, reach: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run the network.

        Args:
            x: Centred coordinates, shape ``(B, N, 3)``.
            guess: Coordinates of an earlier prediction, zero where there is none, shape ``(B, N, 3)``.
            atoms: Shape ``(B, N, atom_features)``.
            pairs: For pairs i < j in row order, shape ``(B, P, pair_features)``.
            condition: Shape ``(B, condition_features)``.
            reach: Scale of the displacements, shape ``(B,)``.
            mask: True for real atoms, shape ``(B, N)``.

        Returns:
            Displacement of the coordinates ``(B, N, 3)``, atom read-outs ``(B, N, atom_outputs)`` and pair read-outs
            ``(B, P, pair_outputs)``, all in the dtype of ``x``.
        """
        device = x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        layout = Layout.of(mask, dtype, x.dtype)
        condition = self.condition(condition)
        distances = [self.radial(layout.lines(where)[1]) for where in (x, guess)]
        h = self.atom_embed(atoms).to(x.dtype)
        z = self.pair_embed(torch.cat([pairs.to(dtype), *(d.to(dtype) for d in distances)], dim=-1))
        start, reach = x, reach.to(x.dtype).reshape(-1, 1, 1)
        for block in self.blocks:
            h, z, x = block(h, z, x, condition, reach, layout, self.radial)
        return x - start, self.atom_read(h).to(x.dtype), self.pair_read(z).to(x.dtype)
