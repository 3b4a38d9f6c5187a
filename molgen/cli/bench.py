"""`molgen bench`."""

from __future__ import annotations

from typing import Annotated

import typer


def bench(
    target: Annotated[str, typer.Argument(metavar="CHECKPOINT|RECIPE", help="A recipe's name; else a checkpoint.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Settings of a recipe, as section.key=value.")] = None,
    steps: Annotated[str, typer.Option(help="Sampler steps, joined by commas.")] = "10,50",
    precision: Annotated[str, typer.Option(help="32, bf16 or both, joined by a comma.")] = "32,bf16",
    only: Annotated[str | None, typer.Option(help="sampling or training; default both.")] = None,
    n: Annotated[int | None, typer.Option("-n", "--number", min=1, help="Molecules of each sampling run; default 256, "
                                          "on a GPU 10,000.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Molecules sampled at once.")] = None,
    training_batches: Annotated[int, typer.Option(min=1, help="Optimiser steps of each training run.")] = 16,
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs of everything; medians are reported.")] = 3,
    data: Annotated[str | None, typer.Option(help="Data set to train on, or random; default the recipe's if it is "
                                             "prepared, else random molecules.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default as torch chooses.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:  # fmt: skip
    """How fast a model samples and trains here: throughput, CPU-seconds, arithmetic, share of this machine's peak.

    Everything is run once untimed and then --repeats times in turn. Arithmetic is that of matrix products, padding
    included; the peak is the product of two large matrices, measured in the same process. Use an idle machine.

    Example: molgen bench bondflow_qm9 model.hidden=192 --steps 20,50 --threads 1
    """
    from molgen.host_cpu import prepare_cpu

    prepare_cpu()
    import json

    import torch

    from molgen.benchmark.document import TASKS, Choices, benchmark, table
    from molgen.benchmark.subject import open_subject
    from molgen.cli.progress import progress_bar
    from molgen.sampling.generator import choose_device, default_batch

    if threads is not None:
        torch.set_num_threads(threads)
    where = choose_device(device)
    choices = Choices(
        tasks=TASKS if only is None else (only,),
        steps=_numbers(steps),
        precisions=tuple(part.strip() for part in precision.split(",")),
        molecules=n or (10_000 if where.startswith("cuda") else 256),
        batch_size=batch_size or default_batch(where),
        training_batches=training_batches,
        repeats=repeats,
        data=data,
        device=where,
    )
    subject = open_subject(target, overrides or [])
    with progress_bar("timing", "runs") as report:
        document = benchmark(subject, choices, report)
    typer.echo(json.dumps(document, indent=1, allow_nan=False) if as_json else table(document))


def _numbers(text: str) -> tuple[int, ...]:
    from molgen.errors import ConfigError

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise ConfigError(f"--steps {text!r} is not a list of numbers", hint="write 10,50")
    return tuple(int(part) for part in parts)
