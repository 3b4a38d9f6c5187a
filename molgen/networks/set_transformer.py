"""A transformer over a set: tokens without order, and queries that read the set without changing it.

No positional encoding: the tokens' order never changes a result (Zaheer et al. 2017; Lee et al. 2019). A query attends
to the tokens and to itself in the last layers, so that several questions share one pass over the set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Memory:
    """Keys and values of a set in the layers that queries read, ``(B, T, heads, width)``, and which tokens are real.

    Attributes:
        keys: By layer.
        values: By layer.
        mask: Shape ``(B, T)``; None where all are.
    """

    keys: list[Tensor]
    values: list[Tensor]
    mask: Tensor | None

    def of(self, rows: Tensor) -> Memory:
        """That of some of the sets."""
        mask = None if self.mask is None else self.mask[rows]
        return Memory([key[rows] for key in self.keys], [value[rows] for value in self.values], mask)


class Dropout:
    """Dropout whose draws come from a generator, so that a resumed run sees the same ones.

    Args:
        rate: Share that is dropped.
        generator: None for no dropout.
    """

    def __init__(self, rate: float = 0.0, generator: torch.Generator | None = None) -> None:
        self.rate, self.generator = rate, generator

    def __call__(self, x: Tensor) -> Tensor:
        if self.generator is None or self.rate == 0.0:
            return x
        draws = torch.rand(x.shape, generator=self.generator, device=x.device)
        return x * (draws >= self.rate) / (1.0 - self.rate)


class _Rows:
    """Real tokens as the rows of one matrix, on which the layers' products are spent.

    Args:
        mask: True where a token is real, shape ``(B, T)``.
        rounded: Round the number of rows up with zeros. For every new size of a bfloat16 matrix kernels are made
            anew, which takes longer than the product itself.
    """

    def __init__(self, mask: Tensor, rounded: bool) -> None:
        self.shape, self.total = mask.shape, mask.numel()
        self.chosen = None if bool(mask.all()) else mask.flatten().nonzero().squeeze(1)
        self.count = self.total if self.chosen is None else len(self.chosen)
        step = 1 << max(6, self.count.bit_length() - 4)  # at most an eighth more, or 63
        self.more = -self.count % step if rounded else 0

    def packed(self, tokens: Tensor) -> Tensor:
        """Shape ``(B, T, ...)`` as ``(rows, ...)``."""
        rows = tokens.flatten(0, 1) if self.chosen is None else tokens.flatten(0, 1)[self.chosen]
        return F.pad(rows, (0, 0, 0, self.more)) if self.more else rows

    def spread(self, rows: Tensor) -> Tensor:
        """Shape ``(rows, ...)`` as ``(B, T, ...)``, zero where no token is real."""
        made = rows[: self.count]
        if self.chosen is not None:
            made = rows.new_zeros(self.total, *rows.shape[1:]).index_copy(0, self.chosen, made)
        return made.view(*self.shape, *rows.shape[1:])


class _Block(nn.Module):
    def __init__(self, hidden: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_change = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.read_in = nn.Linear(hidden, 3 * hidden)
        self.read_out = nn.Linear(hidden, hidden)
        self.widen, self.narrow = nn.Linear(hidden, 2 * expansion * hidden), nn.Linear(expansion * hidden, hidden)

    def parted(self, made: Tensor) -> tuple[Tensor, ...]:
        """The parts of what was projected, ``(B, T, parts * hidden)``, each ``(B, T, heads, width)``."""
        width = self.read_out.in_features // self.heads
        # Attention is many small products, which are faster in float32.
        kind = torch.float32 if self.read_in.weight.dtype == torch.bfloat16 else made.dtype
        parts = made.split(self.heads * width, dim=-1)
        whole = torch.contiguous_format
        return tuple(part.to(kind, memory_format=whole).unflatten(-1, (self.heads, width)) for part in parts)

    def seen(self, x: Tensor) -> Tensor:
        """Keys and values alone, not yet parted."""
        hidden = x.shape[-1]
        return F.linear(self.before_attention(x), self.read_in.weight[hidden:], self.read_in.bias[hidden:])

    @staticmethod
    def mixed(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Values by what each token looks at, ``(B, T, heads * width)``, from parts ``(B, T, heads, width)``.

        Written out: the backward pass of torch's attention takes 20 times as long on a CPU with so few tokens.
        """
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))
        scores = (query * query.shape[-1] ** -0.5) @ key.mT
        scores = scores.float() if scores.dtype == torch.bfloat16 else scores
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], -torch.inf)
        made: Tensor = scores.softmax(-1).to(value.dtype) @ value
        return made.transpose(1, 2).flatten(2)

    @staticmethod
    def answered(query: Tensor, key: Tensor, value: Tensor, seen: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """Values of a set, and of the query itself, by what each query looks at, ``(B, Q, heads * width)``.

        Args:
            query, key, value: Of the queries, each ``(B, Q, heads, width)``.
            seen: Keys and values of the set, each ``(B, T, heads, width)``.
            mask: Shape ``(B, T)``; None where all tokens are real.
        """
        query, alone = query * query.shape[-1] ** -0.5, query.shape[1] == 1
        keys, values = seen
        # Of a single query, sums of products are faster than matrices of one row.
        scores = (query * keys).sum(-1).unsqueeze(1) if alone else torch.einsum("bqhw,bthw->bqth", query, keys)
        scores = scores.float() if scores.dtype == torch.bfloat16 else scores
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, :, None], -torch.inf)
        own = (query * key).sum(-1).unsqueeze(2).to(scores)
        weights = torch.cat([scores, own], dim=2).softmax(2).to(value.dtype)
        if alone:
            mixed = (weights[:, 0, :-1].unsqueeze(-1) * values).sum(1, keepdim=True)
        else:
            mixed = torch.einsum("bqth,bthw->bqhw", weights[:, :, :-1], values)
        return (mixed + weights[:, :, -1].unsqueeze(-1) * value).flatten(2)

    def finished(self, x: Tensor, mixed: Tensor, drop: Dropout) -> Tensor:
        """What becomes of tokens, ``(..., hidden)``, by what they saw, ``(..., heads * width)``."""
        x = x + drop(self.read_out(mixed.to(x.dtype)))
        gate, value = self.widen(self.before_change(x)).chunk(2, dim=-1)
        return x + drop(self.narrow(F.silu(gate) * value))


class SetTransformer(nn.Module):
    """Layers of attention; see the module's text.

    Args:
        hidden: Width.
        layers: Blocks.
        reading: Of them, the last ones, in which queries read the set; all where there are fewer.
        heads: Attention heads.
        expansion: Width of the gated feed-forward layers over ``hidden``.
    """

    def __init__(self, hidden: int, layers: int, reading: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.reading = min(reading, layers)
        self.blocks = nn.ModuleList(_Block(hidden, heads, expansion) for _ in range(layers))

    @property
    def _layers(self) -> list[_Block]:
        return cast("list[_Block]", list(self.blocks))

    @property
    def _kind(self) -> torch.dtype:
        """Of the weights: all of a network in bfloat16 is faster than autocast, which has to convert them."""
        return self._layers[0].read_in.weight.dtype

    def _rows(self, mask: Tensor) -> _Rows:
        return _Rows(mask, self._kind == torch.bfloat16 or torch.is_autocast_enabled(mask.device.type))

    def remember(self, tokens: Tensor, mask: Tensor, drop: Dropout) -> Memory:
        """What the layers that queries read know of the set.

        Args:
            tokens: Shape ``(B, T, hidden)``; at least one of every set is real.
            mask: True where a token is real, shape ``(B, T)``.
            drop: Applied to every change.
        """
        memory, rows = Memory([], [], None if bool(mask.all()) else mask), self._rows(mask)
        x = rows.packed(tokens).to(self._kind)
        unread = len(self.blocks) - self.reading
        for number, block in enumerate(self._layers[:-1]):
            query, key, value = block.parted(rows.spread(block.read_in(block.before_attention(x))))
            if number >= unread:
                memory.keys.append(key)
                memory.values.append(value)
            x = block.finished(x, rows.packed(block.mixed(query, key, value, memory.mask)), drop)
        last = self._layers[-1]
        key, value = last.parted(rows.spread(last.seen(x)))  # the last layer's tokens are only looked at
        memory.keys.append(key)
        memory.values.append(value)
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
        rows = self._rows(torch.ones(queries.shape[:2], dtype=torch.bool, device=queries.device))
        x = rows.packed(queries).to(self._kind)
        for block, keys, values in zip(self._layers[-self.reading :], memory.keys, memory.values, strict=True):
            query, key, value = block.parted(rows.spread(block.read_in(block.before_attention(x))))
            mixed = block.answered(query, key, value, (keys, values), memory.mask)
            x = block.finished(x, rows.packed(mixed), drop)
        return rows.spread(x).to(queries.dtype)
