"""CSPNet: messages between all atoms of a cell, from differences of fractional coordinates and the Gram matrix.

Jiao et al. 2023, "Crystal structure prediction by joint equivariant diffusion" (DiffCSP), section 4.3 and appendix. It
does not change with rotations and reflections of the lattice, shifts of the origin, whole cells added to a coordinate
and the order of the atoms. It does change with the choice of the cell: another set of vectors of the same lattice, even
the same vectors in another order, is another input, so structures should be in a reduced form (Niggli's).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molgen.networks.flat_pairs import FlatPairs

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
        layout = FlatPairs(mask, dtype)
        waves = fourier(layout.differences(fractional), self.frequencies)
        sines, cosines = (wave.to(dtype) for wave in waves)
        gram = (lattice.unsqueeze(2) * lattice.unsqueeze(1)).sum(-1).flatten(1)[layout.structures]
        senders = mask.sum(1).to(features.dtype)[layout.structures].unsqueeze(-1)
        embedded = self.atom_embed(features.flatten(0, 1)[layout.places])
        given = condition[layout.structures].to(embedded.dtype)
        h = self.mix(torch.cat([embedded, given], dim=-1)).to(features.dtype)
        for layer in self.layers:
            h = layer(h, gram, sines, cosines, senders, layout)
        with torch.autocast(mask.device.type, enabled=False):
            h = layout.padded(self.norm(h), mask)
            mean = h.sum(1) / mask.sum(1, keepdim=True)
            atoms = h[..., :0] if self.atom_read is None else self.atom_read(h) * mask.unsqueeze(-1)
            rows = self.lattice_read(mean).view(-1, 3, 3) @ lattice
            return CSPOutput(rows, self.fractional_read(h), atoms)


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

    def forward(
        self, h: Tensor, gram: Tensor, sines: Tensor, cosines: Tensor, senders: Tensor, layout: FlatPairs
    ) -> Tensor:
        """New states of the atoms, shape ``(M, H)``.

        Args:
            h: States.
            gram: L L^T of each atom's cell, shape ``(M, 9)``.
            sines: Of unordered pairs, shape ``(U, 3 K)``.
            cosines: The same.
            senders: Atoms of each atom's structure, shape ``(M, 1)``.
            layout: Of atoms and pairs.
        """
        dtype = sines.dtype
        normed = self.norm(h).to(dtype)
        parts = self.first.weight.split([self.hidden, self.hidden, GRAM, self.waves, self.waves], dim=1)
        to_receiver, to_sender, of_gram = parts[0].to(dtype), parts[1].to(dtype), parts[2]
        sine_weight, cosine_weight = parts[3].to(dtype), parts[4].to(dtype)
        with torch.autocast(h.device.type, enabled=False):  # squares of lengths, too large for the digits of bf16
            cell = F.linear(gram, of_gram, self.first.bias)
            ends = torch.cat([(F.linear(normed, to_receiver) + cell).to(dtype), F.linear(normed, to_sender)], dim=1)
            own = cosine_weight.sum(1)  # psi(0)
            second = self.second.weight.to(dtype), self.second.bias.to(dtype)
            inputs = ends.view(-1, self.hidden), sines, cosines, sine_weight, cosine_weight, own, *second
            messages: Tensor
            if torch.is_grad_enabled():
                messages = _SummedMessages.apply(layout, *inputs)
            else:
                messages = _messages(layout, *inputs, in_place=True)[-1]
            messages = messages / senders.to(dtype)
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
    layout: FlatPairs,
    ends: Tensor,
    sines: Tensor,
    cosines: Tensor,
    sine_weight: Tensor,
    cosine_weight: Tensor,
    own: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    in_place: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pre-activation, activation, pre-activation of ordered pairs, and the sums; with ``in_place`` only the last."""
    first = ends.new_empty(layout.count, ends.shape[-1])
    odd, even = F.linear(sines, sine_weight), F.linear(cosines, cosine_weight)
    for block in layout.blocks:
        rows, half = block.ordered(first), block.pairs.half
        torch.bmm(block.ends, block.both_ends(ends), out=rows)
        rows[:, :half].add_(block.halves(even)).add_(block.halves(odd))
        rows[:, half : 2 * half].add_(block.halves(even)).sub_(block.halves(odd))
        rows[:, 2 * half :].add_(own)
    hidden = F.silu(first, inplace=in_place)
    second = F.linear(hidden, weight, bias)
    messages = F.silu(second, inplace=in_place)
    sums = ends.new_empty(len(ends) // 2, ends.shape[-1])
    for block in layout.blocks:
        torch.bmm(block.sums, block.ordered(messages), out=block.atoms(sums))
    return first, hidden, second, sums


class _SummedMessages(torch.autograd.Function):
    """sum_j SiLU(W SiLU(r_i + s_j + S sin_ij + C cos_ij) + b); arguments are those of ``_messages``."""

    @staticmethod
    def forward(ctx: Any, layout: FlatPairs, *inputs: Tensor) -> Tensor:
        first, hidden, second, sums = _messages(layout, *inputs, in_place=False)
        _, sines, cosines, sine_weight, cosine_weight, _, weight, _ = inputs
        ctx.layout = layout
        ctx.save_for_backward(first, hidden, second, sines, cosines, sine_weight, cosine_weight, weight)
        return sums

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        first, hidden, second, sines, cosines, sine_weight, cosine_weight, weight = ctx.saved_tensors
        blocks, gradient = ctx.layout.blocks, gradient.contiguous()
        d_messages = torch.empty_like(second)
        for block in blocks:
            torch.bmm(block.sums.mT, block.atoms(gradient), out=block.ordered(d_messages))
        d_second = torch.ops.aten.silu_backward(d_messages, second)
        d_weight, d_bias = d_second.T @ hidden, d_second.sum(0)
        d_first = torch.ops.aten.silu_backward(d_second @ weight, first)
        d_ends = gradient.new_empty(2 * len(gradient), gradient.shape[-1])
        d_even, d_odd = (gradient.new_empty(len(sines), gradient.shape[-1]) for _ in range(2))
        d_own = torch.zeros_like(gradient[0])
        for block in blocks:
            rows, half = block.ordered(d_first), block.pairs.half
            torch.bmm(block.ends.mT, rows, out=block.both_ends(d_ends))
            one, other = rows[:, :half], rows[:, half : 2 * half]
            torch.add(one, other, out=block.halves(d_even))
            torch.sub(one, other, out=block.halves(d_odd))
            d_own += rows[:, 2 * half :].sum((0, 1))
        d_sines = d_odd @ sine_weight if ctx.needs_input_grad[2] else None
        d_cosines = d_even @ cosine_weight if ctx.needs_input_grad[3] else None
        return None, d_ends, d_sines, d_cosines, d_odd.T @ sines, d_even.T @ cosines, d_own, d_weight, d_bias
