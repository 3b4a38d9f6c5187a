"""Random draws whose values depend on the structure they are for, never on how structures are batched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class NoiseBlock:
    """The draws for one fixed group of structures, of which ``rows`` are wanted here.

    Every draw is made for the whole group at the group's own padding and then cut, so that a part of the group gets the
    numbers that it would have got with the rest beside it.

    Attributes:
        generator: The group's own stream.
        size: Structures in the group.
        atoms: Atoms that the group is padded to.
        rows: Which of the group's structures are wanted.
    """

    generator: torch.Generator
    size: int
    atoms: int
    rows: slice = field(default_factory=lambda: slice(None))

    def __len__(self) -> int:
        return len(range(self.size)[self.rows])


class NoiseSource:
    """Draws for a batch made of one or more blocks, in order.

    Args:
        blocks: The groups; their wanted rows together are the batch.
        dtype: Floating type of the draws.
        chosen: Which of the batch's structures are wanted; None for all.
    """

    def __init__(
        self, blocks: Sequence[NoiseBlock], dtype: torch.dtype = torch.float32, chosen: Tensor | None = None
    ) -> None:
        self.blocks, self.dtype, self.chosen = list(blocks), dtype, chosen

    def of(self, rows: Tensor) -> NoiseSource:
        """Draws for some of the batch's structures; they are made for all, so that each gets its own."""
        return NoiseSource(self.blocks, self.dtype, rows if self.chosen is None else self.chosen[rows])

    @classmethod
    def seeded(
        cls, seed: int, size: int, atoms: int, *, device: torch.device | str = "cpu", rows: slice = slice(None)
    ) -> NoiseSource:
        """One block with a fresh generator."""
        return cls([NoiseBlock(torch.Generator(device).manual_seed(seed), size, atoms, rows)])

    def normal(self, atoms: int, features: int) -> Tensor:
        """Standard normal draws for every atom, zero beyond a block's own padding, shape ``(B, atoms, features)``."""
        parts = []
        for block in self.blocks:
            shape = (block.size, block.atoms, features)
            draw = torch.randn(shape, generator=block.generator, device=block.generator.device, dtype=self.dtype)
            parts.append(torch.nn.functional.pad(draw[block.rows], (0, 0, 0, atoms - block.atoms)))
        return self._joined(parts)

    def normal_structures(self, features: int) -> Tensor:
        """Standard normal draws for every structure, shape ``(B, features)``."""
        parts = []
        for block in self.blocks:
            generator = block.generator
            draw = torch.randn((block.size, features), generator=generator, device=generator.device, dtype=self.dtype)
            parts.append(draw[block.rows])
        return self._joined(parts)

    def uniform(self) -> Tensor:
        """Uniform draws in [0, 1), one per structure, shape ``(B,)``, float64."""
        return self._joined([self._uniform(block, (), torch.float64) for block in self.blocks])

    def uniform_of_all(self) -> float:
        """One uniform draw in [0, 1) for the whole batch, the same whichever rows of the blocks are wanted."""
        draws = [torch.rand(block.size, generator=block.generator, device=block.generator.device,
                            dtype=torch.float64) for block in self.blocks]  # fmt: skip
        return float(draws[0][0])

    def uniform_atoms(self, atoms: int) -> Tensor:
        """Uniform draws in [0, 1) for every atom, zero beyond a block's own padding, shape ``(B, atoms)``."""
        parts = [
            torch.nn.functional.pad(self._uniform(block, (block.atoms,), self.dtype), (0, atoms - block.atoms))
            for block in self.blocks
        ]
        return self._joined(parts)

    def uniform_pairs(self, atoms: int) -> Tensor:
        """Uniform draws in [0, 1) for every unordered pair, symmetric, shape ``(B, atoms, atoms)``."""
        parts = []
        for block in self.blocks:
            upper = self._uniform(block, (block.atoms, block.atoms), self.dtype).triu(1)
            parts.append(torch.nn.functional.pad(upper + upper.mT, (0, atoms - block.atoms) * 2))
        return self._joined(parts)

    def _joined(self, parts: list[Tensor]) -> Tensor:
        made = torch.cat(parts)
        return made if self.chosen is None else made[self.chosen]

    @staticmethod
    def _uniform(block: NoiseBlock, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        generator = block.generator
        draw = torch.rand((block.size, *shape), generator=generator, device=generator.device, dtype=dtype)
        return draw[block.rows]
