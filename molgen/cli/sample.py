"""`molgen sample`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from molgen.sampling.generator import Generator
    from molgen.sampling.output import SampleFile
    from molgen.sampling.settings import Settings
    from molgen.sampling.sizes import Plan
    from molgen.sampling.trajectory import Trajectory


def sample(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint or run folder, weights file, or name in checkpoints/.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File: .sdf (bonds by distance), .extxyz, .xyz; or + .gz.")],
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="Molecules.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Solver steps; default the model's own number.")] = None,
    solver: Annotated[str | None, typer.Option(help="One of the model's; EDM: ancestral, ddim, dpm, dpm_sde.")] = None,
    spacing: Annotated[float | None, typer.Option(help="Exponent of the times; above 1, more near t = 0.")] = None,
    atoms: Annotated[str | None, typer.Option(help="Number of atoms, 19 or 10-20; default as trained on.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Molecules at once; the result is the same.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    precision: Annotated[str, typer.Option(help="32, or bf16 for the network's matrix products.")] = "32",
    trajectory: Annotated[Path | None, typer.Option(help="Paths of the first four molecules, .extxyz.")] = None,
    trajectory_every: Annotated[int, typer.Option(min=1, help="Steps between their frames.")] = 10,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files instead of continuing.")] = False,
) -> None:  # fmt: skip
    """Make molecules. The same command again continues where it was interrupted; OUT.json holds the provenance.

    Exit code 5: some molecules have coordinates that are not finite; OUT.json lists them, OUT lacks them.

    Example: molgen sample checkpoints/edm_qm9 -n 1000 -o out.sdf --steps 250
    """
    from molgen.host_cpu import prepare_cpu

    prepare_cpu()
    from molgen.errors import PartialError
    from molgen.sampling.generator import load
    from molgen.sampling.output import check_format
    from molgen.sampling.settings import Settings
    from molgen.sampling.sizes import parse_atoms
    from molgen.sampling.trajectory import Trajectory

    check_format(out)
    if trajectory is not None:
        _check_trajectory(trajectory, out, overwrite)
    generator = load(checkpoint, device)
    settings = Settings.of(generator.model, steps=steps, solver=solver, spacing=spacing, precision=precision)
    plan = generator.plan(n, seed, None if atoms is None else parse_atoms(atoms))
    follower = None if trajectory is None else Trajectory(generator.model, settings.times, trajectory_every)
    choices = {"n": n, "seed": seed, "steps": settings.steps, "solver": settings.solver}
    choices |= {"spacing": settings.spacing}
    choices |= {"precision": precision, "atoms": atoms}
    choices |= {"trajectory": None if trajectory is None else str(trajectory)}
    choices |= {"trajectory_every": None if trajectory is None else trajectory_every}
    with _sample_file(generator, plan, out, choices, overwrite) as file:
        if file.chunks_done:
            typer.echo(f"continuing {out}: {file.written:,} of {n:,} molecules are there", err=True)
        try:
            _fill(file, generator, plan, settings, batch_size or generator.default_batch, follower, trajectory)
        except KeyboardInterrupt:
            typer.echo(f"{file.written:,} molecules are kept in {out}; the same command continues", err=True)
            raise
    rate = f", {file.state['molecules_per_second']:,} molecules/s" if file.state["molecules_per_second"] else ""
    typer.echo(f"{file.written:,} molecules in {out}{rate}; provenance in {file.sidecar}", err=True)
    if lost := file.not_finite:
        first = lost[0]
        raise PartialError(
            f"{len(lost)} of {n} molecules have coordinates that are not finite and were not written; "
            f"the first: number {first['index']} (chunk {first['chunk']}, row {first['row']}, {first['atoms']} atoms)",
            hint=f"{file.sidecar} lists them; --precision 32, more --steps, or a longer trained model",
        )
    reference = generator.checkpoint.provenance.get("dataset", "qm9")
    typer.echo(f"next: molgen score {out} --reference {reference}", err=True)


def _check_trajectory(trajectory: Path, out: Path, overwrite: bool) -> None:
    from molgen.errors import ConfigError, OutputError

    if trajectory.suffix != ".extxyz" or trajectory == out:
        raise ConfigError(f"--trajectory {trajectory} is not the name of an .extxyz file of its own")
    # Where OUT exists this continues a run with the same --trajectory, whose file it is; else it is somebody else's.
    if trajectory.exists() and not out.exists() and not overwrite:
        raise OutputError(f"{trajectory} exists already", hint="add --overwrite to replace it, or name another file")


def _sample_file(generator: Generator, plan: Plan, out: Path, choices: dict[str, Any], overwrite: bool) -> SampleFile:
    from molgen.chemistry.bonds import perceive_bonds
    from molgen.io import format_of
    from molgen.provenance import hardware, versions
    from molgen.sampling.output import SampleFile

    stated = generator.model.states_bonds
    looked_up = not stated and "bonds" in format_of(out).keeps
    prepare: Callable[[Any], Any] = perceive_bonds if looked_up else lambda structure: structure
    decisive = {"checkpoint_sha256": generator.sha256(), **choices, "device": generator.device.partition(":")[0]}
    facts = {
        "checkpoint": str(generator.path),
        "model": generator.checkpoint.recipe.get("model", {}).get("name"),
        "recipe": generator.checkpoint.recipe,
        "training": generator.checkpoint.provenance,
        "bonds": "the model's own"
        if stated
        else "lookup of interatomic distances (EDM's table)"
        if looked_up
        else None,
        "hardware": hardware(generator.device),
        "versions": versions(),
    }
    return SampleFile(out, decisive, facts, len(plan.chunks), prepare=prepare, overwrite=overwrite)


def _fill(
    file: SampleFile,
    generator: Generator,
    plan: Plan,
    settings: Settings,
    batch_size: int,
    follower: Trajectory | None,
    trajectory: Path | None,
) -> None:
    """Make the chunks that the file lacks and write each as it comes."""
    from molgen.cli.progress import progress_bar
    from molgen.sampling.generator import structures_of
    from molgen.sampling.runner import run

    with progress_bar("sampling", "molecules") as report:
        chunks = run(
            generator.model,
            plan,
            settings,
            batch_size=batch_size,
            first=file.chunks_done,
            progress=report,
            log=lambda line: typer.echo(line, err=True),
            watch=follower,
        )
        began = time.perf_counter()
        for chunk, parts in chunks:
            structures = list(structures_of(parts))
            if chunk == 0 and follower is not None and trajectory is not None:
                missing = follower.write(trajectory)
                if missing:
                    typer.echo(f"{trajectory}: {missing} frames are not finite and are left out", err=True)
            now = time.perf_counter()
            file.add(structures, now - began)
            began = now
