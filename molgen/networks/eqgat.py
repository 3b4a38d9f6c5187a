"""EQGAT: equivariant graph attention on scalars, vectors, pair features and coordinates.

Le et al. 2024, "Navigating the design space of equivariant diffusion-based generative models for de novo 3D molecule
generation", after Le et al. 2022. In every layer one small network of each ordered pair,
[h_i, h_j, d_ij, <x_i, x_j>, e_ij, |x_i|, |x_j|] -> (a, b, c, g, m), makes all messages:

    h_i <- h_i + sum_j softmax_j(a_ij) W h_j          feature by feature
    v_i <- v_i + mean_j (r_ij b_ij + c_ij W v_j)      r_ij = (x_i - x_j) / (1 + d_ij)
    x_i <- x_i + w SE3Norm(mean_j g_ij r_ij)
    e_ij <- W SiLU(e_ij + m_ij)

and a gated block then mixes h and v. The cross product of the paper's option is left out: it would break reflections.

What costs is N^2 work, so the first layer of the pair network acts on h once per atom, its width P is free, and linear
maps that follow one another directly are one. Distances and coordinates stay in float32 under autocast.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molgen.geometry.centering import remove_mean
from molgen.networks.by_size import apply_by_size
from molgen.networks.egnn import pair_features, pairwise
from molgen.networks.feature_attention import attend_by_feature
from molgen.networks.vector_channels import GatedBlock, normalised_steps, normalised_vectors

STEP_EPSILON = 1.0
"""Added to the mean step of a layer. With MiDi's 1e-5 each layer moves the atoms by w, however little is to be done."""


class PairLinear(nn.Module):
    """A linear layer without bias on pair features and two invariants of the geometry, which keep 16 bits in bf16.

    Args:
        edges: Features per pair.
        outputs: Width of the result.
    """

    def __init__(self, edges: int, outputs: int) -> None:
        super().__init__()
        self.edges = nn.Linear(edges, outputs, bias=False)
        self.geometry = nn.Linear(2, outputs, bias=False)

    def forward(self, e: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Pair features ``(B, N, N, edges)`` and invariants ``(B, N, N, 1)`` to ``(B, N, N, outputs)``."""
        geometry = pair_features(first, second)
        weight = self.geometry.weight.repeat_interleave(geometry.shape[-1] // 2, dim=1)
        joined = torch.cat([e, geometry.to(e.dtype)], dim=-1)
        result: Tensor = F.linear(joined, torch.cat([self.edges.weight, weight], dim=1))
        return result


class EQGATLayer(nn.Module):
    """One round of messages and the gated block.

    Args:
        hidden: H, scalars per atom.
        vectors: V, vector channels per atom.
        edges: E, features per pair.
        pair_hidden: P, width of the pair network.
        first: Whether there are no vectors yet.
    """

    def __init__(self, hidden: int, vectors: int, edges: int, pair_hidden: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.norm = nn.LayerNorm(hidden)
        self.receiver = nn.Linear(hidden + 1, pair_hidden)
        self.sender = nn.Linear(hidden + 1, pair_hidden, bias=False)
        self.edge = PairLinear(edges, pair_hidden)
        # a, b, c, g, m apart: one layer's gradient would be put together from its parts, a copy of all of them
        self.logits, self.along = nn.Linear(pair_hidden, hidden), nn.Linear(pair_hidden, vectors)
        self.carried = None if first else nn.Linear(pair_hidden, vectors)
        self.push, self.edge_message = nn.Linear(pair_hidden, 1), nn.Linear(pair_hidden, edges)
        self.value = nn.Linear(hidden, hidden)
        self.vector_value = None if first else nn.Linear(vectors, vectors, bias=False)
        self.step = nn.Parameter(torch.ones(()))
        self.edge_out = nn.Linear(edges, edges)
        self.mix = GatedBlock(hidden, vectors)

    def forward(
        self, h: Tensor, v: Tensor | None, x: Tensor, e: Tensor, atoms: Tensor, pairs: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Update scalars ``(B, N, H)``, vectors ``(B, N, 3, V)``, coordinates ``(B, N, 3)`` and pairs ``(B, N, N, E)``.

        Args:
            h: Scalars.
            v: Vectors; None in the first layer.
            x: Centred coordinates.
            e: Pair features.
            atoms: 1 for real atoms, shape ``(B, N, 1)``.
            pairs: 1 for pairs of two different real atoms, shape ``(B, N, N, 1)``.
        """
        difference, squared = pairwise(x)
        distance = (squared + 1e-12).sqrt()
        direction = difference * (pairs / (1.0 + distance))
        n = self.norm(h)
        message = F.silu(self._pair_input(n, x, e, squared))
        share = 1.0 / (atoms.sum(1, keepdim=True) - 1.0).clamp(min=1.0)
        h = h + attend_by_feature(self.logits(message), self.value(n), pairs).to(h.dtype)
        change = torch.matmul(direction.mT.to(message.dtype), self.along(message))
        if v is not None and self.carried is not None and self.vector_value is not None:
            values = self.vector_value(normalised_vectors(v, atoms)).to(message.dtype)
            change = change + torch.einsum("bijk,bjxk->bixk", self.carried(message) * pairs.to(message.dtype), values)
        change = (change * share.unsqueeze(-1)).to(x.dtype)
        v = change if v is None else v + change
        step = (self.push(message).to(x.dtype) * direction).sum(2) * share
        x = remove_mean(x + self.step * normalised_steps(step, atoms, STEP_EPSILON), atoms.squeeze(-1))
        e = self.edge_out(F.silu(e + self.edge_message(message)))
        scalars, vectors = self.mix(h, v)
        return (h + scalars.to(h.dtype)) * atoms, (v + vectors.to(v.dtype)) * atoms.unsqueeze(-1), x, e

    def _pair_input(self, n: Tensor, x: Tensor, e: Tensor, squared: Tensor) -> Tensor:
        """What the first linear layer of the pair network gives, shape ``(B, N, N, P)``."""
        radii = x.square().sum(-1, keepdim=True)
        n = torch.cat([n, (radii + 1e-12).sqrt().to(n.dtype)], dim=-1)
        product = 0.5 * (radii.unsqueeze(2) + radii.unsqueeze(1) - squared)  # <x_i, x_j>; a matmul would be cast
        pair: Tensor = self.edge(e, (squared + 1e-12).sqrt(), product)
        ends: Tensor = self.receiver(n).unsqueeze(2) + self.sender(n).unsqueeze(1)
        return pair + ends


class EQGAT(nn.Module):
    """The network: embeddings, layers, read-outs.

    Args:
        atom_features: Invariant inputs per atom.
        pair_features: Symmetric invariant inputs per pair.
        condition_features: Inputs per structure (time, size).
        atom_outputs: Read-outs per atom.
        pair_outputs: Read-outs per pair.
        hidden: Scalars per atom.
        vectors: Vector channels per atom.
        edges: Features per pair.
        pair_hidden: Width of the pair network.
        layers: Number of layers.
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
        vectors: int,
        edges: int,
        pair_hidden: int,
        layers: int,
    ) -> None:
        super().__init__()
        self.condition = nn.Sequential(nn.Linear(condition_features, hidden), nn.SiLU())
        self.atom_embed, self.atom_condition = nn.Linear(atom_features, hidden), nn.Linear(hidden, hidden)
        self.pair_embed, self.pair_condition = nn.Linear(pair_features, edges), nn.Linear(hidden, edges)
        sizes = hidden, vectors, edges, pair_hidden
        self.blocks = nn.ModuleList(EQGATLayer(*sizes, first=number == 0) for number in range(layers))
        self.shared = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, hidden), nn.SiLU())
        self.atom_read = nn.Linear(hidden, atom_outputs)
        self.position_read = nn.Linear(vectors, 1, bias=False)
        self.pair_atoms = nn.Linear(hidden, pair_hidden)
        self.pair_edges = PairLinear(edges, pair_hidden)
        self.pair_read = nn.Linear(pair_hidden, pair_outputs)

    def forward(
        self, atoms: Tensor, positions: Tensor, pairs: Tensor, condition: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run the network.

        Args:
            atoms: Shape ``(B, N, atom_features)``.
            positions: Coordinates, shape ``(B, N, 3)``; where they are centred does not matter.
            pairs: Symmetric, shape ``(B, N, N, pair_features)``.
            condition: Shape ``(B, condition_features)``.
            mask: True for real atoms, shape ``(B, N)``.

        Returns:
            Atom read-outs ``(B, N, atom_outputs)``, centred displacements ``(B, N, 3)`` and symmetric pair read-outs
            ``(B, N, N, pair_outputs)``, in the dtype of the positions; zero in padding.
        """
        outputs, displacement, bonds = apply_by_size(self._dense, atoms, positions, pairs, condition, mask)
        return outputs, displacement, bonds

    def _dense(
        self, atoms: Tensor, positions: Tensor, pairs: Tensor, condition: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        dtype = positions.dtype
        there = mask.unsqueeze(-1).to(dtype)
        different = ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        links = (mask.unsqueeze(2) & mask.unsqueeze(1) & different).unsqueeze(-1).to(dtype)
        condition = self.condition(condition)
        h = ((self.atom_embed(atoms) + self.atom_condition(condition).unsqueeze(1)) * there).to(dtype)
        e = self.pair_embed(pairs) + self.pair_condition(condition)[:, None, None]
        start = x = remove_mean(positions, mask)
        v = None
        for block in self.blocks:
            h, v, x, e = block(h, v, x, e, there, links)
        h = self.shared(h)
        if v is not None:
            x = remove_mean(x + self.position_read(v).squeeze(-1).to(dtype), mask)
        squared = pairwise(x)[1]
        ends = self.pair_atoms(h)
        joint = self.pair_edges(e + e.transpose(1, 2), squared, (squared + 1e-12).sqrt())
        bonds = self.pair_read(F.silu(joint + ends.unsqueeze(1) + ends.unsqueeze(2))).to(dtype)
        bonds = 0.5 * (bonds + bonds.transpose(1, 2))  # symmetric but for rounding; now to the last bit
        return self.atom_read(h).to(dtype) * there, (x - start) * there, bonds * links
