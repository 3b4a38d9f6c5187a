"""The benchmark of one model: works made, timed in turn, and set against the machine's peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from molgen.benchmark.operations import matmul_peak
from molgen.benchmark.sampling import sampling_work
from molgen.benchmark.subject import Subject, training_set
from molgen.benchmark.timing import Progress, Timing, Work, peak_memory, time_in_turn
from molgen.errors import ConfigError
from molgen.provenance import hardware, versions
from molgen.sampling.settings import PRECISIONS, Settings

TASKS = ("sampling", "training")


@dataclass(frozen=True)
class Choices:
    """What to measure.

    Attributes:
        tasks: Of ``TASKS``.
        steps: Sampler steps.
        precisions: ``32``, ``bf16``.
        molecules: Molecules of a sampling run.
        batch_size: Structures sampled at once.
        training_batches: Steps of a training run.
        repeats: Of every run.
        data: Data set to train on, ``random``, or None; see ``training_set``.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
    """

    tasks: tuple[str, ...]
    steps: tuple[int, ...]
    precisions: tuple[str, ...]
    molecules: int
    batch_size: int
    training_batches: int
    repeats: int
    data: str | None
    device: str

    def __post_init__(self) -> None:
        for kind, values, known in (("task", self.tasks, TASKS), ("precision", self.precisions, PRECISIONS)):
            for value in values:
                if value not in known:
                    raise ConfigError(f"unknown {kind} {value!r}", hint=f"one of {', '.join(known)}")


def benchmark(subject: Subject, choices: Choices, progress: Progress = lambda done, total: None) -> dict[str, Any]:
    """Measure, and return everything as one JSON document; see :func:`row` for the rows.

    Raises:
        ConfigError: A setting is wrong.
        MissingError: The data set is not there.
    """
    model = subject.build(choices.device)
    works: list[Work] = []
    if "sampling" in choices.tasks:
        for steps in choices.steps:
            for precision in choices.precisions:
                settings = Settings.of(model, steps=steps, precision=precision)
                works.append(sampling_work(model, settings, choices.molecules, choices.batch_size))
    trained_on = None
    if "training" in choices.tasks:
        dataset, trained_on = training_set(subject, choices.data)
        works += _training_works(subject, dataset, choices)
    peaks = {precision: matmul_peak(precision, choices.device) for precision in choices.precisions}
    timings = time_in_turn([work.run for work in works], choices.repeats, choices.device, progress)
    return {
        "source": subject.source,
        "model": subject.recipe.model.name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "device": choices.device,
        "hardware": hardware(choices.device),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "repeats": choices.repeats,
        "training_molecules": trained_on,
        "matmul_peak": peaks,
        "peak_memory": peak_memory(choices.device),
        "rows": [row(work, timing, peaks) for work, timing in zip(works, timings, strict=True)],
    }


def _training_works(subject: Subject, dataset: Any, choices: Choices) -> list[Work]:
    from molgen.benchmark.training import training_work

    return [
        training_work(
            subject.build(choices.device), dataset, subject.recipe, choices.training_batches, precision, choices.device
        )
        for precision in choices.precisions
    ]


def row(work: Work, timing: Timing, peaks: dict[str, float]) -> dict[str, Any]:
    """One measurement: the work's labels and medians over its repeats.

    Units: seconds, floating-point operations of matrix products (``flop``), and those per second of wall time. A call
    is one pass of one molecule through the network.
    """
    rate = work.flop / timing.median_wall
    calls = work.molecules * work.calls
    return {
        **work.labels,
        "molecules": work.molecules,
        "calls_per_molecule": work.calls,
        "wall_s": timing.median_wall,
        "cpu_s": timing.median_cpu,
        "wall_s_each": list(timing.wall),
        "cpu_s_each": list(timing.cpu),
        "molecules_per_s": work.molecules / timing.median_wall,
        "molecules_per_cpu_s": work.molecules / timing.median_cpu,
        "cpu_s_per_molecule": timing.median_cpu / work.molecules,
        "cpu_s_per_call": timing.median_cpu / calls,
        "wall_s_per_call": timing.median_wall / calls,
        "flop_per_molecule": work.flop / work.molecules,
        "flop_per_call": work.flop / calls,
        "flop_per_s": rate,
        "peak_fraction": rate / peaks[work.labels["precision"]],
    }


def table(document: dict[str, Any]) -> str:
    """The document as text."""
    memory = document["peak_memory"]
    peaks = ", ".join(f"{rate / 1e9:,.0f} GFLOP/s in {name}" for name, rate in document["matmul_peak"].items())
    threads = "" if document["device"].startswith("cuda") else f", threads: {document['threads']}"
    lines = [
        f"{document['source']}: {document['model']}, {document['parameters']:,} parameters",
        f"{document['hardware']} ({document['device']}){threads}, torch {document['versions']['torch']}",
        f"product of two large matrices: {peaks}",
        *([] if memory is None else [f"most memory held: {memory / 2**20:,.0f} MiB"]),
    ]
    for task, columns in zip(TASKS, (_SAMPLING, _TRAINING), strict=True):
        rows = [row for row in document["rows"] if row["task"] == task]
        if rows:
            lines += ["", _heading(task, rows[0], document), *_columns(columns, rows)]
    return "\n".join(lines)


def _heading(task: str, first: dict[str, Any], document: dict[str, Any]) -> str:
    what = f"{first['molecules']:,} molecules of {first['mean_atoms']:.1f} atoms, {first['batch_size']:,} at once"
    if task == "sampling":
        return f"sampling {what}, solver {first['solver']}; medians of {document['repeats']}"
    source = document["training_molecules"]
    return f"training on {what} (data: {source}), optimiser steps included; medians of {document['repeats']}"


_SAMPLING: tuple[tuple[str, str, float, str], ...] = (
    ("steps", "steps", 1, "d"),
    ("precision", "precision", 1, "s"),
    ("molecules/s", "molecules_per_s", 1, ",.4g"),
    ("CPU-s/molecule", "cpu_s_per_molecule", 1, ".4g"),
    ("calls", "calls_per_molecule", 1, ".4g"),
    ("CPU-ms/call", "cpu_s_per_call", 1e3, ".4g"),
    ("MFLOP/call", "flop_per_call", 1e-6, ",.4g"),
    ("GFLOP/molecule", "flop_per_molecule", 1e-9, ",.4g"),
    ("GFLOP/s", "flop_per_s", 1e-9, ",.4g"),
    ("% of peak", "peak_fraction", 100, ".1f"),
)
"""Heading, key of the row, factor, format."""
_TRAINING = (
    *_SAMPLING[:4],
    ("molecules/CPU-s", "molecules_per_cpu_s", 1, ",.4g"),
    _SAMPLING[4],
    ("GFLOP/molecule", "flop_per_molecule", 1e-9, ",.4g"),
    ("in optimiser", "optimizer_flop_per_molecule", 1e-9, ",.4g"),
    *_SAMPLING[-2:],
)


def _columns(columns: Sequence[tuple[str, str, float, str]], rows: Sequence[dict[str, Any]]) -> list[str]:
    cells = [[heading for heading, *_ in columns]]
    cells += [
        [format(one[key] if form in ("d", "s") else one[key] * factor, form) for _, key, factor, form in columns]
        for one in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
