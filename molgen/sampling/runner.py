"""The runner: makes the chunks of a plan in batches of any size, with the same result whatever the size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from molgen.batch import AtomBatch
from molgen.errors import ConfigError, MolgenError
from molgen.models.known import Known
from molgen.randomness import NoiseBlock, NoiseSource
from molgen.sampling.settings import Settings
from molgen.sampling.sizes import CHUNK, Plan

Progress = Callable[[int, int | None], None]
Watch = Callable[[int, Any, Tensor], None]
"""Called with (step, state, mask) during the batch that holds the plan's first structures; step 0 is the noise."""


@dataclass(frozen=True)
class _Piece:
    """Some rows of one chunk."""

    chunk: int
    rows: slice


def run(
    model: Any,
    plan: Plan,
    settings: Settings,
    *,
    batch_size: int = CHUNK,
    first: int = 0,
    progress: Progress = lambda done, total: None,
    log: Callable[[str], None] = lambda line: None,
    watch: Watch | None = None,
) -> Iterator[tuple[int, list[AtomBatch]]]:
    """Make the plan's chunks in order.

    Args:
        model: A registered model on its device.
        plan: What to make.
        settings: How.
        batch_size: Structures at once. It is rounded down to whole chunks above ``CHUNK``; halved when memory runs out.
        first: Chunk to begin with, to continue an earlier run.
        progress: Called with (structures made, all); steps of an unfinished batch count in proportion.
        log: Takes a line for the user.
        watch: See ``Watch``.

    Yields:
        The chunk's index and its structures, in parts that follow one another, on the model's device. They are as the
        model made them: coordinates may be not finite, and what was given lies where the model puts it
        (``molgen.sampling.generator.structures_of`` moves it back).

    Raises:
        ConfigError: ``batch_size`` is not positive.
        MolgenError: There is not enough memory for a single structure.
    """
    if batch_size < 1:
        raise ConfigError(f"a batch of {batch_size}; at least 1 is needed")
    chunk = first
    while chunk < len(plan.chunks):
        try:
            made = _make_group(model, plan, settings, chunk, batch_size, progress, watch)
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            if batch_size == 1:
                raise MolgenError(
                    "not enough memory for a single structure", hint="free memory, or use --device cpu"
                ) from None
            batch_size = max(1, min(batch_size, CHUNK * len(plan.chunks)) // 2)
            log(f"out of memory: going on with batches of {batch_size}")
        else:
            for index in sorted(made):
                if index >= chunk:
                    yield index, made[index]
            chunk = max(made) + 1
            continue
        if torch.cuda.is_available():  # outside the handler, whose traceback keeps the tensors alive
            torch.cuda.empty_cache()


def _make_group(
    model: Any, plan: Plan, settings: Settings, chunk: int, batch_size: int, progress: Progress, watch: Watch | None
) -> dict[int, list[AtomBatch]]:
    """The chunks that are made together with ``chunk``.

    Chunks join at fixed places, so that a continued run repeats the very batches of an uninterrupted one.
    """
    joined = max(1, batch_size // CHUNK)
    group = range(chunk - chunk % joined, min(chunk - chunk % joined + joined, len(plan.chunks)))
    if batch_size < CHUNK:
        length = len(plan.chunks[chunk])
        batches = [[_Piece(chunk, slice(at, min(at + batch_size, length)))] for at in range(0, length, batch_size)]
    else:
        batches = [[_Piece(index, slice(0, len(plan.chunks[index]))) for index in group]]
    made: dict[int, list[AtomBatch]] = {index: [] for index in group}
    for pieces in batches:
        before = int(plan.starts[pieces[0].chunk]) + pieces[0].rows.start
        is_first = before == 0 and watch is not None
        batch = _make_batch(model, plan, settings, pieces, before, progress, watch if is_first else None)
        at = 0
        for piece in pieces:
            length = piece.rows.stop - piece.rows.start
            made[piece.chunk].append(batch[at : at + length])
            at += length
    return made


def _make_batch(
    model: Any,
    plan: Plan,
    settings: Settings,
    pieces: list[_Piece],
    before: int,
    progress: Progress,
    watch: Watch | None,
) -> AtomBatch:
    """Structures of the pieces, one after the other, as one batch."""
    weight = next(model.parameters())
    sizes = torch.cat([torch.from_numpy(plan.chunks[piece.chunk][piece.rows]) for piece in pieces])
    mask = (torch.arange(int(sizes.max())) < sizes[:, None]).to(weight.device)
    # Drawing at a chunk's own largest size makes the numbers independent of what the chunk is batched with.
    blocks = [
        NoiseBlock(
            torch.Generator(weight.device).manual_seed(plan.noise_seed(piece.chunk)),
            len(plan.chunks[piece.chunk]),
            int(plan.chunks[piece.chunk].max()),
            piece.rows,
        )
        for piece in pieces
    ]

    def on_step(step: int, state: Any) -> None:
        progress(before + len(mask) * step // (settings.steps + 1), len(plan))
        if watch is not None:
            watch(step, state, mask)

    given = None
    if plan.condition is not None:
        items = np.concatenate([plan.items_of(piece.chunk)[piece.rows] for piece in pieces])
        given = plan.condition.given(model.vocabulary, mask, weight.dtype, items)
    batch = make(model, mask, NoiseSource(blocks, weight.dtype), settings, on_step, given)
    progress(before + len(mask), len(plan))
    return batch


def make(
    model: Any,
    mask: Tensor,
    noise: NoiseSource,
    settings: Settings,
    on_step: Callable[[int, Any], None] = lambda step, state: None,
    given: tuple[Any, Known] | None = None,
) -> AtomBatch:
    """One batch from noise to structures.

    Args:
        model: A registered model.
        mask: True for real atoms, shape ``(B, N)``, on the model's device.
        noise: Random draws.
        settings: How.
        on_step: Called with (step, state), the noise being step 0.
        given: A state with the given values and which of them are known, for a model that accepts some.
    """
    model = settings.configured(model)
    solver = model.solvers[settings.solver]
    autocast = torch.autocast(mask.device.type, torch.bfloat16) if settings.precision == "bf16" else nullcontext()
    with torch.inference_mode(), autocast:
        state = model.start(mask, noise) if given is None else model.start(mask, noise, given)
        on_step(0, state)
        state = solver(model, state, settings.times(model).to(mask.device), mask, noise, on_step)
        batch: AtomBatch = model.finish(state, mask, noise)
    return batch


def _out_of_memory(error: BaseException) -> bool:
    texts = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(text in str(error) for text in texts)
