"""Plan, file and rounds of one `molgen sample`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from molgen.cli.sampled import Writing
    from molgen.sampling.conditions import Condition
    from molgen.sampling.generator import Generator
    from molgen.sampling.output import SampleFile
    from molgen.sampling.settings import Settings
    from molgen.sampling.sizes import Plan
    from molgen.sampling.trajectory import Trajectory

DEFAULT_NUMBER = 1000


@dataclass(frozen=True)
class Work:
    """What is to be made: how many, given what, with how many atoms, and the plan of the first round."""

    number: int
    atoms: tuple[int, int] | None
    condition: Condition | None
    plan: Plan


def planned(generator: Generator, asked: Any, n: int | None, seed: int) -> Work:
    """What was asked for as a plan; says what of it the model cannot do.

    Args:
        generator: The model.
        asked: The options (:class:`molgen.cli.given.Asked`).
        n: Structures; None for the usual number.
        seed: Of the plan.
    """
    from molgen.sampling.conditions import make_condition, number_of

    request = asked.request(generator.model)
    if n is not None and (asked.targets is not None or asked.genes is not None):
        said = "--genes" if asked.targets is None else "--targets"
        raise typer.BadParameter(f"{said} says how many structures are made; --per-target is the number for each")
    condition = make_condition(generator.model, request)
    for note in [] if condition is None else condition.notes(generator.model.data):
        typer.echo(f"note: {note}", err=True)
    number = number_of(request, condition, n or DEFAULT_NUMBER)
    return Work(number, request.atoms, condition, generator.plan(number, seed, request.atoms, condition))


def rounds(file: SampleFile, generator: Generator, work: Work) -> Iterator[tuple[Plan, int]]:
    """Each round's plan, and how many chunks came before it."""
    from molgen.sampling.output import rounds_of

    by_chance = work.condition is not None and work.condition.by_chance
    again = lambda number, seed: generator.plan(number, seed, work.atoms, work.condition)  # noqa: E731
    return rounds_of(file, work.plan, again, by_chance=by_chance)


def sample_file(
    generator: Generator,
    plan: Plan,
    out: str,
    choices: dict[str, Any],
    source: dict[str, Any],
    manner: Writing,
    overwrite: bool,
) -> SampleFile:
    """The file with its provenance.

    Args:
        generator: The model.
        plan: What is made.
        out: Where.
        choices: What decides the structures, beside the model and the kind of device.
        source: Where what was given came from.
        manner: How structures become records.
        overwrite: Replace a file of other settings.
    """
    from molgen.cli.sampled import facts_of
    from molgen.sampling.output import SampleFile

    decisive = {"checkpoint_sha256": generator.sha256(), **choices, "device": generator.device.partition(":")[0]}
    return SampleFile(
        out,
        decisive,
        {**facts_of(generator), **manner.facts, **source},
        len(plan.chunks),
        prepare=manner.prepare,
        count=manner.count,
        overwrite=overwrite,
        periodic=generator.model.data.is_periodic,
    )


def fill(
    file: SampleFile,
    generator: Generator,
    round_: tuple[Plan, int],
    settings: Settings,
    batch_size: int,
    follower: Trajectory | None,
    trajectory: Path | None,
) -> None:
    """Make the chunks of a round that the file lacks and write each as it comes."""
    from molgen.cli.progress import progress_bar
    from molgen.cli.sampled import noun
    from molgen.sampling.generator import checked
    from molgen.sampling.runner import run

    plan, before = round_
    with progress_bar("sampling" if not before else "replacing", noun(generator)) as report:
        chunks = run(
            generator.model,
            plan,
            settings,
            batch_size=batch_size,
            first=max(0, file.chunks_done - before),
            progress=report,
            log=lambda line: typer.echo(line, err=True),
            watch=None if before else follower,
        )
        began = time.perf_counter()
        for chunk, parts in chunks:
            made = list(checked(parts, plan, chunk))
            if chunk == before == 0 and follower is not None and trajectory is not None:
                missing = follower.write(trajectory)
                if missing:
                    typer.echo(f"{trajectory}: {missing} frames are not finite and are left out", err=True)
            now = time.perf_counter()
            file.add([structure for structure, _ in made], now - began, [problem for _, problem in made])
            began = now
