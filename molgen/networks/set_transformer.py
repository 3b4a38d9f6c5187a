"""A transformer over a set: tokens without order, and queries that read the set without changing it.

No positional encoding: the tokens' order never changes a result (Zaheer et al. 2017; Lee et al. 2019). A query attends
to the tokens and to itself in every layer, so that several questions share one pass over the set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Memory:
    """Keys and values of a set in every layer, each of shape ``(B, heads, T, width)``, and which tokens are real.

    Attributes:
        keys: By layer.
        values: By layer.
        mask: Shape ``(B, T)``.
    """

    keys: list[Tensor]
    values: list[Tensor]
    mask: Tensor

    def of(self, rows: Tensor) -> Memory:
        """That of some of the sets."""
        return Memory([key[rows] for key in self.keys], [value[rows] for value in self.values], self.mask[rows])


class Dropout:
    """Dropout whose draws come from a generator, so that a resumed run sees the same ones.

    Args:
        rate: Share that is dropped.
        generator: None for no dropout.
    """

    def __init__(self, rate: float = 0.0, generator: torch.Generator | None = None) -> None:
        self.rate, self.generator = rate, generator

    @property
    def active(self) -> bool:
        """Whether anything is dropped."""
        return self.generator is not None and self.rate > 0.0

    def __call__(self, x: Tensor) -> Tensor:
        if not self.active:
            return x
        draws = torch.rand(x.shape, generator=self.generator, device=x.device)
        return x * (draws >= self.rate) / (1.0 - self.rate)


class _Block(nn.Module):
    def __init__(self, hidden: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_change = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.read_in = nn.Linear(hidden, 3 * hidden)
        self.read_out = nn.Linear(hidden, hidden)
        self.widen, self.narrow = nn.Linear(hidden, 2 * expansion * hidden), nn.Linear(expansion * hidden, hidden)

    def projected(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each of shape ``(B, heads, T, width)``."""
        query, key, value = self.parted(self.read_in(self.before_attention(x)))
        return query, key, value

    def parted(self, made: Tensor) -> list[Tensor]:
        """The parts of what was projected, ``(B, T, parts * hidden)``, by heads."""
        width = self.read_out.in_features // self.heads
        return list(made.unflatten(-1, (-1, self.heads, width)).permute(2, 0, 3, 1, 4))

    def seen(self, x: Tensor) -> Tensor:
        """Keys and values alone, not yet parted."""
        hidden = x.shape[-1]
        return F.linear(self.before_attention(x), self.read_in.weight[hidden:], self.read_in.bias[hidden:])

    def finished(self, x: Tensor, mixed: Tensor, drop: Dropout) -> Tensor:
        """What becomes of tokens, ``(..., hidden)``, by what they saw, ``(..., heads * width)``."""
        x = x + drop(self.read_out(mixed))
        gate, value = self.widen(self.before_change(x)).chunk(2, dim=-1)
        return x + drop(self.narrow(F.silu(gate) * value))


class SetTransformer(nn.Module):
    """Layers of attention; see the module's text.

    Args:
        hidden: Width.
        layers: Blocks.
        heads: Attention heads.
        expansion: Width of the gated feed-forward layers over ``hidden``.
    """

    def __init__(self, hidden: int, layers: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(hidden, heads, expansion) for _ in range(layers))

    @property
    def _layers(self) -> list[_Block]:
        return cast("list[_Block]", list(self.blocks))

    def remember(self, tokens: Tensor, mask: Tensor, drop: Dropout) -> Memory:
        """What every layer knows of the set.

        Args:
            tokens: Shape ``(B, T, hidden)``; at least one of every set is real.
            mask: True where a token is real, shape ``(B, T)``.
            drop: Applied to every change.
        """
        memory = Memory([], [], mask)
        whole = not drop.active and bool(mask.all())
        packed = not (whole or drop.active)  # layers see real tokens alone; dropout's draws are those of all
        blocked = None if whole else mask[:, None, None, :]

        def spread(made: Tensor) -> Tensor:
            return made.new_zeros(*mask.shape, made.shape[-1]).index_put((mask,), made) if packed else made

        x = tokens[mask] if packed else tokens
        for block in self._layers[:-1]:
            query, key, value = block.parted(spread(block.read_in(block.before_attention(x))))
            memory.keys.append(key.contiguous())  # a query is many small products with them
            memory.values.append(value.contiguous())
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=blocked).transpose(1, 2).flatten(2)
            x = block.finished(x, mixed[mask] if packed else mixed, drop)
        last = self._layers[-1]
        key, value = last.parted(spread(last.seen(x)))  # the last layer's tokens are only looked at
        memory.keys.append(key.contiguous())
        memory.values.append(value.contiguous())
        return memory

    def read(self, queries: Tensor, memory: Memory, drop: Dropout) -> Tensor:
        """Answers to queries, each of which sees the set and itself.

        Args:
            queries: Shape ``(B, Q, hidden)``.
            memory: Of the sets.
            drop: Applied to every change.

        Returns:
            Shape ``(B, Q, hidden)``.
        """
        x, blocked = queries, ~memory.mask[:, None, None, :]
        for block, keys, values in zip(self._layers, memory.keys, memory.values, strict=True):
            query, key, value = block.projected(x)
            query = query * query.shape[-1] ** -0.5
            scores = (query @ keys.mT).float().masked_fill(blocked, -torch.inf)
            own = (query * key).sum(-1, keepdim=True).float()
            weights = torch.cat([scores, own], dim=-1).softmax(-1).to(value.dtype)
            mixed = weights[..., :-1] @ values + weights[..., -1:] * value
            x = block.finished(x, mixed.transpose(1, 2).flatten(2), drop)
        return x
