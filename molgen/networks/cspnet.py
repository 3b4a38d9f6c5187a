"""CSPNet: messages between all atoms of a cell, from differences of fractional coordinates and the Gram matrix.

Jiao et al. 2023, "Crystal structure prediction by joint equivariant diffusion" (DiffCSP), section 4.3 and appendix. It
does not change with rotations and reflections of the lattice, shifts of the origin, whole cells added to a coordinate
and the order of the atoms. It does change with the choice of the cell: another set of vectors of the same lattice, even
the same vectors in another order, is another input, so structures should be in a reduced form (Niggli's).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molgen.networks.by_size import apply_by_size
from molgen.networks.ordered_pairs import OrderedPairs, ordered_pairs

GRAM = 9
"""Entries of L L^T."""


class CSPOutput(NamedTuple):
    """What the network says.

    Attributes:
        lattice: Rows that turn with the cell, shape ``(B, 3, 3)``.
        fractional: Vectors on the axes of the cell, shape ``(B, N, 3)``, zero in padding.
        atoms: Invariants of atoms, shape ``(B, N, K)``, zero in padding.
    """

    lattice: Tensor
    fractional: Tensor
    atoms: Tensor


class CSPNet(nn.Module):
    """The network; see the module's text.

    h^0 = W [W_e a_i + b, c]; in each layer, with h' = LN(h) and sums over all atoms j of the cell, i among them,

        m_ij = SiLU(W2 SiLU(W1 [h'_i, h'_j, vec(L L^T), psi(f_j - f_i)])),    h_i += MLP([h'_i, mean_j m_ij]),
        psi(d) = [sin 2 pi k d_a, cos 2 pi k d_a], a = 1..3, k = 0..frequencies - 1;

    and then h = LN(h), fractional = W_f h, lattice = reshape(W_l mean_i h) L, atoms = W_a h + b_a.

    Args:
        atom_features: Inputs per atom.
        condition_features: Inputs per structure (time).
        atom_outputs: K; 0 for none.
        hidden: Width.
        layers: Number of layers.
        frequencies: Of psi.
    """

    def __init__(
        self,
        atom_features: int,
        condition_features: int,
        atom_outputs: int,
        hidden: int = 512,
        layers: int = 6,
        frequencies: int = 128,
    ) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.atom_embed = nn.Linear(atom_features, hidden)
        self.mix = nn.Linear(hidden + condition_features, hidden)
        self.layers = nn.ModuleList(CSPLayer(hidden, frequencies) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.fractional_read = nn.Linear(hidden, 3, bias=False)
        self.lattice_read = nn.Linear(hidden, 9, bias=False)
        self.atom_read = nn.Linear(hidden, atom_outputs) if atom_outputs else None

    def forward(
        self, features: Tensor, fractional: Tensor, lattice: Tensor, condition: Tensor, mask: Tensor
    ) -> CSPOutput:
        """Apply the network.

        Args:
            features: Inputs per atom, shape ``(B, N, F)``.
            fractional: Coordinates in units of the cell vectors, shape ``(B, N, 3)``.
            lattice: Rows in angstrom, shape ``(B, 3, 3)``.
            condition: Inputs per structure, shape ``(B, C)``.
            mask: True for real atoms, shape ``(B, N)``.
        """
        dtype = _compute_dtype(features)
        weights = [cast(CSPLayer, layer).weights(dtype) for layer in self.layers]  # cast once, not for every size

        def network(*inputs: Tensor) -> tuple[Tensor, ...]:
            return self._atoms(weights, *inputs)

        gram = (lattice.unsqueeze(2) * lattice.unsqueeze(1)).sum(-1).flatten(1)
        (h,) = apply_by_size(network, features, fractional, gram, condition, mask, exact=True)
        with torch.autocast(mask.device.type, enabled=False):
            real = mask.unsqueeze(-1).to(h.dtype)
            h = self.norm(h) * real
            mean = h.sum(1) / real.sum(1)
            atoms = h[..., :0] if self.atom_read is None else self.atom_read(h) * real
            rows = self.lattice_read(mean).view(-1, 3, 3) @ lattice
            return CSPOutput(rows, self.fractional_read(h), atoms)

    def _atoms(
        self,
        weights: list[MessageWeights],
        features: Tensor,
        fractional: Tensor,
        gram: Tensor,
        condition: Tensor,
        mask: Tensor,
    ) -> tuple[Tensor]:
        """States of the atoms after all layers, shape ``(B, N, H)``."""
        pairs = ordered_pairs(mask.shape[1], mask.device)
        dtype = weights[0].second.dtype
        difference = fractional[:, pairs.second] - fractional[:, pairs.first]
        sines, cosines = (wave.to(dtype) for wave in fourier(difference, self.frequencies))
        receivers = pairs.ends[:, : pairs.atoms].T.to(dtype) * mask[:, pairs.senders].unsqueeze(1)
        c = condition.unsqueeze(1).expand(-1, mask.shape[1], -1)
        h = self.mix(torch.cat([self.atom_embed(features), c.to(dtype)], dim=-1)).to(features.dtype)
        for layer, own in zip(self.layers, weights, strict=True):
            h = layer(h, own, gram, sines, cosines, receivers, mask, pairs)
        return (h,)


class MessageWeights(NamedTuple):
    """W1 in parts, and W2, in the type that pairs are computed in; those of the Gram matrix in the parameters' own."""

    receiver: Tensor
    sender: Tensor
    gram: Tensor
    sines: Tensor
    cosines: Tensor
    first_bias: Tensor
    second: Tensor
    second_bias: Tensor


class CSPLayer(nn.Module):
    """One layer.

    W1 acts on the parts of its input where they are made: atoms, cells, and unordered pairs (psi(-d) is psi(d) with the
    sines negated). This is the same sum as over the concatenated input, at less than half the operations.

    Args:
        hidden: Width H.
        frequencies: Of psi.
    """

    def __init__(self, hidden: int, frequencies: int) -> None:
        super().__init__()
        self.hidden, self.waves = hidden, 3 * frequencies
        self.norm = nn.LayerNorm(hidden)
        self.first = nn.Linear(2 * hidden + GRAM + 2 * self.waves, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.update = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())

    def weights(self, dtype: torch.dtype) -> MessageWeights:
        """Of the messages, for the forward pass."""
        parts = self.first.weight.split([self.hidden, self.hidden, GRAM, self.waves, self.waves], dim=1)
        receiver, sender, gram, sines, cosines = parts
        second = self.second.weight.to(dtype), self.second.bias.to(dtype)
        receiver, sender, sines, cosines = (part.to(dtype) for part in (receiver, sender, sines, cosines))
        return MessageWeights(receiver, sender, gram, sines, cosines, self.first.bias, *second)

    def forward(
        self,
        h: Tensor,
        weights: MessageWeights,
        gram: Tensor,
        sines: Tensor,
        cosines: Tensor,
        receivers: Tensor,
        mask: Tensor,
        pairs: OrderedPairs,
    ) -> Tensor:
        """New states, shape ``(B, N, H)``.

        Args:
            h: States of the atoms.
            weights: Of the messages.
            gram: L L^T, shape ``(B, 9)``.
            sines: Of unordered pairs, shape ``(B, P, 3 K)``.
            cosines: The same.
            receivers: 1 where an ordered pair has a real sender and this receiver, shape ``(B, N, N^2)``.
            mask: True for real atoms.
            pairs: Their layout.
        """
        dtype = weights.second.dtype
        normed = self.norm(h).to(dtype)
        with torch.autocast(h.device.type, enabled=False):  # squares of lengths, too large for the digits of bf16
            cell = F.linear(gram, weights.gram, weights.first_bias).unsqueeze(1)
            receiver = (F.linear(normed, weights.receiver) + cell).to(dtype)
            atoms = torch.cat([receiver, F.linear(normed, weights.sender)], dim=1)
            inputs = atoms, sines, cosines, receivers, pairs.ends.to(dtype)
            own = weights.cosines.sum(1)  # psi(0)
            parts = weights.sines, weights.cosines, own, weights.second, weights.second_bias
            messages: Tensor
            if torch.is_grad_enabled():
                messages = _SummedMessages.apply(*inputs, *parts)
            else:
                messages = _messages(*inputs, *parts, in_place=True)[-1]
            messages = messages / mask.sum(1).to(dtype).view(-1, 1, 1)
        change: Tensor = self.update(torch.cat([normed, messages], dim=-1))
        return h + change.to(h.dtype)


def fourier(difference: Tensor, frequencies: int) -> tuple[Tensor, Tensor]:
    """sin and cos of 2 pi k d for k = 0..K - 1.

    Args:
        difference: Shape ``(..., 3)``.
        frequencies: K.

    Returns:
        Each of shape ``(..., 3 K)``: the K values of the first axis, then those of the second and the third.
    """
    k = torch.arange(frequencies, device=difference.device, dtype=difference.dtype)
    turns = difference.unsqueeze(-1) * k
    angles = ((turns - turns.round()) * (2.0 * math.pi)).flatten(-2)
    return angles.sin(), angles.cos()


def _compute_dtype(like: Tensor) -> torch.dtype:
    """What matrix products are computed in here: the type of autocast where it is on."""
    kind = like.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else like.dtype


def _messages(
    atoms: Tensor,
    sines: Tensor,
    cosines: Tensor,
    receivers: Tensor,
    ends: Tensor,
    sine_weight: Tensor,
    cosine_weight: Tensor,
    own: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    in_place: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pre-activation, activation, pre-activation of ordered pairs, and the sums; with ``in_place`` only the last."""
    half = sines.shape[1]
    first = ends @ atoms
    odd, even = F.linear(sines, sine_weight), F.linear(cosines, cosine_weight)
    first[:, :half].add_(even).add_(odd)
    first[:, half : 2 * half].add_(even).sub_(odd)
    first[:, 2 * half :].add_(own)
    hidden = F.silu(first, inplace=in_place)
    second = F.linear(hidden, weight, bias)
    return first, hidden, second, receivers @ F.silu(second, inplace=in_place)


class _SummedMessages(torch.autograd.Function):
    """sum_j SiLU(W SiLU(r_i + s_j + S sin_ij + C cos_ij) + b); arguments are those of ``_messages``."""

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        first, hidden, second, sums = _messages(*inputs, in_place=False)
        _, sines, cosines, receivers, ends, sine_weight, cosine_weight, _, weight, _ = inputs
        tensors = sines, cosines, receivers, ends, sine_weight, cosine_weight, weight
        ctx.save_for_backward(first, hidden, second, *tensors)
        return sums

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        first, hidden, second, sines, cosines, receivers, ends, sine_weight, cosine_weight, weight = ctx.saved_tensors
        half = sines.shape[1]
        d_second = torch.ops.aten.silu_backward(receivers.mT @ gradient, second)
        flat = d_second.flatten(0, 1)
        d_weight, d_bias = flat.T @ hidden.flatten(0, 1), flat.sum(0)
        d_first = torch.ops.aten.silu_backward(d_second @ weight, first)
        one, other = d_first[:, :half], d_first[:, half : 2 * half]
        d_even, d_odd = one + other, one - other
        d_sine_weight = d_odd.flatten(0, 1).T @ sines.flatten(0, 1)
        d_cosine_weight = d_even.flatten(0, 1).T @ cosines.flatten(0, 1)
        d_own = d_first[:, 2 * half :].sum((0, 1))
        d_sines = d_odd @ sine_weight if ctx.needs_input_grad[1] else None
        d_cosines = d_even @ cosine_weight if ctx.needs_input_grad[2] else None
        parts = d_sine_weight, d_cosine_weight, d_own, d_weight, d_bias
        return ends.T @ d_first, d_sines, d_cosines, None, None, *parts
