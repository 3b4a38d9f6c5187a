"""Sampling as work to be timed: the runner itself, on batches that stand for those of a long run."""

from __future__ import annotations

from typing import Any

import numpy as np

from molgen.batch import AtomBatch
from molgen.benchmark.operations import count
from molgen.benchmark.timing import Work
from molgen.sampling.runner import run
from molgen.sampling.settings import Settings
from molgen.sampling.sizes import CHUNK, Plan, make_plan

WHOLE = 10_000
"""Molecules of the long run; batches of so large a number are of nearly one size each."""


def typical_plan(histogram: tuple[int, ...], molecules: int, batch_size: int, seed: int = 0) -> Plan:
    """A part of the plan of a long run that costs per molecule what the whole costs.

    The whole plan is cut into the batches it would be made in and they are sorted by their work in pairs of atoms,
    padding included. Evenly spaced ones are taken, but for the largest: it is the one that sets the mean right.

    Args:
        histogram: Training structures with k atoms at index k.
        molecules: How many to make; rounded up to whole batches.
        batch_size: Structures at once.
        seed: Of sizes and noise.
    """
    joined = max(1, batch_size // CHUNK)
    per_batch = joined * CHUNK
    wanted = -(-molecules // per_batch)
    whole = make_plan(histogram, per_batch * max(-(-WHOLE // per_batch), wanted), seed).chunks
    batches = [whole[i : i + joined] for i in range(0, len(whole), joined)]
    work = np.array([max(chunk.max() for chunk in batch) ** 2 for batch in batches], np.float64)
    order = np.argsort(work, kind="stable")
    chosen = order[((np.arange(wanted) + 0.5) * len(batches) / wanted).astype(int)]
    others = np.setdiff1d(order, chosen[:-1])
    missing = wanted * work.mean() - work[chosen[:-1]].sum()
    chosen[-1] = others[np.abs(work[others] - missing).argmin()]
    chunks = [chunk for index in chosen for chunk in batches[index]]
    return Plan(seed, chunks, np.cumsum([0, *map(len, chunks)]))


def sample(model: Any, plan: Plan, settings: Settings, batch_size: int) -> list[AtomBatch]:
    """Make the whole plan."""
    return [part for _, parts in run(model, plan, settings, batch_size=batch_size) for part in parts]


def sampling_work(model: Any, settings: Settings, molecules: int, batch_size: int) -> Work:
    """Sampling from ``model``, run once (to count its arithmetic) so that it is warm.

    Args:
        model: A registered model on its device.
        settings: Solver, steps, precision.
        molecules: How many in each timed run; rounded up to whole batches.
        batch_size: Structures at once.
    """
    plan = typical_plan(model.data.size_histogram, molecules, batch_size)
    flop, rows = count(model, lambda: sample(model, plan, settings, batch_size))
    labels = {"task": "sampling", "precision": settings.precision, "solver": settings.solver, "steps": settings.steps}
    labels |= {"batch_size": batch_size, "mean_atoms": float(np.concatenate(plan.chunks).mean())}
    return Work(lambda: sample(model, plan, settings, batch_size), len(plan), rows / len(plan), flop, labels)
