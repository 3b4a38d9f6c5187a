"""The attention network of molecules made periodic: atoms move on the torus, and the lattice moves with them.

Every block sees sums over periodic images at its own coordinates and lattice, and moves both by a small step. Scalars
depend on lengths and on fractional differences only, and moves are odd in them, so the network is equivariant to
permutations, shifts of the origin, integer shifts of single atoms, rotations (lattices enter as symmetric matrices) and
inversion. Another choice of cell for the same crystal is another input: nothing ties the two results.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from molgen.geometry.lattice import from_symmetric_log
from molgen.networks.attention import AttentionBlock, Layout, centred
from molgen.networks.image_basis import ImageBasis
from molgen.processes.lattice_prior import LatticePrior


class CrystalBlock(AttentionBlock):
    """A block that also moves fractional coordinates and the six numbers of the lattice.

    Args:
        hidden: Width of the atoms.
        sizes: The others of :class:`molgen.networks.attention.AttentionBlock`.
    """

    def __init__(self, hidden: int, *sizes: int) -> None:
        super().__init__(hidden, *sizes)
        self.strain = nn.Linear(hidden, 6)
        nn.init.zeros_(self.strain.weight)
        nn.init.zeros_(self.strain.bias)

    def forward(
        self, h: Tensor, z: Tensor, geometry: tuple[Tensor, Tensor], condition: Tensor, layout: Layout
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Updated atoms and pairs, a move of the atoms ``(B, N, 3)`` and one of the lattice ``(B, 6)``."""
        even, odd = geometry
        h, z, push, f = self.mix(h, z, even, condition, layout)
        move = layout.gather((push.to(odd.dtype).unsqueeze(-1) * odd).sum(-2))
        strain = self.strain((f * layout.atoms).sum(1) * layout.share.squeeze(1))
        return h, z, centred(move, layout), strain.to(move.dtype)


class CrystalAttention(nn.Module):
    """The network: embeddings, blocks, read-outs.

    Args:
        lattices: Map between standardised numbers and lattices.
        atom_features: Inputs per atom.
        condition_features: Inputs per structure, besides the lattices.
        atom_outputs: Read-outs per atom.
        hidden, pair, layers, heads, bumps, expansion: See :class:`molgen.networks.attention.AttentionBlock`.
    """

    def __init__(
        self,
        lattices: LatticePrior,
        *,
        atom_features: int,
        condition_features: int,
        atom_outputs: int,
        hidden: int,
        pair: int,
        layers: int,
        heads: int,
        bumps: int,
        expansion: int,
    ) -> None:
        super().__init__()
        self.lattices = lattices
        self.basis = ImageBasis(bumps)
        cells = condition_features + 2 * (6 + bumps)
        self.condition = nn.Sequential(nn.Linear(cells, hidden), nn.SiLU(), nn.Linear(hidden, hidden // 2), nn.SiLU())
        self.atom_embed = nn.Linear(atom_features, hidden)
        self.pair_embed = nn.Linear(2 * self.basis.even, pair)
        sizes = (hidden, pair, heads, self.basis.even, expansion, hidden // 2, self.basis.odd)
        self.blocks = nn.ModuleList(CrystalBlock(*sizes) for _ in range(layers))
        self.atom_read = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, atom_outputs))
        self.cell_read = nn.Sequential(nn.Linear(hidden + hidden // 2, hidden), nn.SiLU(), nn.Linear(hidden, 6))

    def forward(
        self,
        fractional: Tensor,
        cell: Tensor,
        guess: tuple[Tensor, Tensor],
        atoms: Tensor,
        condition: Tensor,
        reach: Tensor,
        mask: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run the network.

        Args:
            fractional: Coordinates, shape ``(B, N, 3)``.
            cell: Standardised numbers of the lattice, shape ``(B, 6)``.
            guess: Coordinates and cell of an earlier prediction, or the same as the input where there is none.
            atoms: Shape ``(B, N, atom_features)``.
            condition: Shape ``(B, condition_features)``.
            reach: Scale of the corrections, shape ``(B,)``.
            mask: True for real atoms, shape ``(B, N)``.

        Returns:
            Displacement of the coordinates ``(B, N, 3)`` without drift, correction of the cell in units of ``reach``
            ``(B, 6)``, and read-outs of the atoms ``(B, N, atom_outputs)``, all in the dtype of ``fractional``.
        """
        device, real = fractional.device.type, fractional.dtype
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else real
        layout = Layout.of(mask, dtype, real)
        count, reach = mask.sum(1), reach.to(real).reshape(-1, 1)
        guessed = self._lattice(guess[1], count)
        here = self._lattice(cell, count)
        own = [self.basis.own_images(lattice) for lattice in (here, guessed)]
        condition = self.condition(torch.cat([condition, cell, guess[1], *own], dim=-1)).to(real)
        geometry = self.basis(fractional, here, layout)
        z = self.pair_embed(torch.cat([geometry[0], self.basis(guess[0], guessed, layout)[0]], dim=-1)).to(dtype)
        h = self.atom_embed(atoms).to(real)
        moved, strained = torch.zeros_like(fractional), torch.zeros_like(cell)
        for number, block in enumerate(self.blocks):
            if number > 0:
                lattice = self._lattice(cell + reach * strained, count)
                geometry = self.basis(fractional + moved.detach(), lattice, layout)
            h, z, move, strain = block(h, z, geometry, condition, layout)
            moved, strained = moved + reach.unsqueeze(-1) * move, strained + strain
        pooled = torch.cat([(h * layout.atoms).sum(1) * layout.share.squeeze(1), condition], dim=-1)
        return moved, strained + self.cell_read(pooled).to(real), self.atom_read(h).to(real)

    @torch.no_grad()
    def _lattice(self, cell: Tensor, count: Tensor) -> Tensor:
        """Symmetric lattices, shape ``(B, 3, 3)``; numbers far outside the data are held to six deviations."""
        return from_symmetric_log(self.lattices.restore(cell.detach().clamp(-6.0, 6.0), count))
