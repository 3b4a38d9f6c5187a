"""`molgen sample`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from molgen.sampling.generator import Generator
    from molgen.sampling.output import SampleFile
    from molgen.sampling.settings import Settings
    from molgen.sampling.sizes import Plan
    from molgen.sampling.trajectory import Trajectory
    from molgen.structure import Structure

NOT_KEPT = "given_not_kept"
"""Name of the count of molecules that are not what was given; by construction it is 0."""


def sample(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint or run folder, weights file, or name in checkpoints/.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File: .sdf (holds bonds), .extxyz, .xyz; or + .gz.")],
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="Molecules.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Solver steps; default the model's own number.")] = None,
    solver: Annotated[str | None, typer.Option(help="One of the model's; EDM: ancestral, ddim, dpm, dpm_sde.")] = None,
    spacing: Annotated[float | None, typer.Option(help="Exponent of the times; above 1, more near t = 0.")] = None,
    atoms: Annotated[str | None, typer.Option(help="Number of atoms, 19 or 10-20; default as trained on.")] = None,
    formula: Annotated[str | None, typer.Option(help="Composition with hydrogens, such as C7H10O2.")] = None,
    fragment: Annotated[Path | None, typer.Option(help="File whose first molecule is kept and grown.")] = None,
    fragment_atoms: Annotated[str | None, typer.Option(help="Its atoms to keep, from 0: 0,1,4-6; default all.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Setting of the model's sampler, name=value.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Molecules at once; the result is the same.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    precision: Annotated[str, typer.Option(help="32, or bf16 for the network's matrix products.")] = "32",
    trajectory: Annotated[Path | None, typer.Option(help="Paths of the first four molecules, .extxyz.")] = None,
    trajectory_every: Annotated[int, typer.Option(min=1, help="Steps between their frames.")] = 10,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files instead of continuing.")] = False,
) -> None:  # fmt: skip
    """Make molecules. The same command again continues where it was interrupted; OUT.json holds the provenance.

    A model with bonds writes its own bonds and charges; in .sdf each molecule says whether RDKit sanitises it
    (sanitised, else sanitise_error) and whether it is one piece (connected), and OUT.json counts them. Other models'
    bonds are looked up by distance. With --fragment the given atoms come first, where they are in the file.

    Exit code 5: some molecules have coordinates that are not finite; OUT.json lists them, OUT lacks them.

    Examples: molgen sample checkpoints/edm_qm9 -n 1000 -o out.sdf --steps 250;
    molgen sample CHECKPOINT --formula C7H10O2 -n 100 -o out.sdf;
    molgen sample CHECKPOINT --fragment scaffold.sdf --atoms 15-20 -n 100 -o out.sdf --set temperature=0.9
    """
    from molgen.cli.interruption import end_by_sigterm_as_by_ctrl_c
    from molgen.host_cpu import prepare_cpu

    end_by_sigterm_as_by_ctrl_c()
    prepare_cpu()
    from molgen.cli.given import condition_of, options_from
    from molgen.sampling.generator import load
    from molgen.sampling.output import check_format
    from molgen.sampling.settings import Settings
    from molgen.sampling.sizes import parse_atoms
    from molgen.sampling.trajectory import Trajectory

    check_format(out)
    if trajectory is not None:
        _check_trajectory(trajectory, out, overwrite)
    sizes, options = None if atoms is None else parse_atoms(atoms), options_from(set_)
    generator = load(checkpoint, device)
    settings = Settings.of(
        generator.model, steps=steps, solver=solver, spacing=spacing, precision=precision, options=options
    )
    plan = generator.plan(n, seed, sizes, condition_of(generator.model, formula, fragment, fragment_atoms, sizes))
    times = settings.times(generator.model)
    follower = None if trajectory is None else Trajectory(generator.model, times, trajectory_every)
    choices = {"n": n, "seed": seed, "atoms": atoms, **_choices(settings, plan)}
    choices |= {"trajectory": None if trajectory is None else str(trajectory)}
    choices |= {"trajectory_every": None if trajectory is None else trajectory_every}
    source = {} if fragment is None else {"fragment": str(fragment), "fragment_atoms": fragment_atoms}
    with _sample_file(generator, plan, out, choices, source, overwrite) as file:
        if file.chunks_done:
            typer.echo(f"continuing {out}: {file.written:,} of {n:,} molecules are there", err=True)
        try:
            _fill(file, generator, plan, settings, batch_size or generator.default_batch, follower, trajectory)
        except KeyboardInterrupt:
            typer.echo(f"{file.written:,} molecules are kept in {out}; the same command continues", err=True)
            raise
    _conclude(file, generator, n)


def _choices(settings: Settings, plan: Plan) -> dict[str, Any]:
    """What decides the molecules, as the sidecar holds it."""
    names = ("steps", "solver", "spacing", "precision")
    given = {} if plan.condition is None else plan.condition.settings
    return {**{name: getattr(settings, name) for name in names}, "options": dict(settings.options) or None, **given}


def _check_trajectory(trajectory: Path, out: Path, overwrite: bool) -> None:
    from molgen.errors import ConfigError, OutputError

    if trajectory.suffix != ".extxyz" or trajectory == out:
        raise ConfigError(f"--trajectory {trajectory} is not the name of an .extxyz file of its own")
    # Where OUT exists this continues a run with the same --trajectory, whose file it is; else it is somebody else's.
    if trajectory.exists() and not out.exists() and not overwrite:
        raise OutputError(f"{trajectory} exists already", hint="add --overwrite to replace it, or name another file")


def _sample_file(
    generator: Generator, plan: Plan, out: Path, choices: dict[str, Any], source: dict[str, Any], overwrite: bool
) -> SampleFile:
    """The file with its provenance.

    Args:
        generator: The model.
        plan: What is made.
        out: Where.
        choices: What decides the molecules, beside the model and the kind of device.
        source: Where what was given came from.
        overwrite: Replace a file of other settings.
    """
    from molgen.provenance import hardware, versions
    from molgen.sampling.output import SampleFile

    bonds, prepare, count = _writing(generator, plan, out)
    decisive = {"checkpoint_sha256": generator.sha256(), **choices, "device": generator.device.partition(":")[0]}
    facts = {
        "checkpoint": str(generator.path),
        "model": generator.checkpoint.recipe.get("model", {}).get("name"),
        "recipe": generator.checkpoint.recipe,
        "training": generator.checkpoint.provenance,
        "bonds": bonds,
        "hardware": hardware(generator.device),
        "versions": versions(),
        **source,
    }
    return SampleFile(out, decisive, facts, len(plan.chunks), prepare=prepare, count=count, overwrite=overwrite)


def _writing(
    generator: Generator, plan: Plan, out: Path
) -> tuple[str | None, Callable[[Structure], Structure], Callable[[Structure], Mapping[str, int]]]:
    """Where bonds come from, what is done to each molecule before it is written, and what is counted of it."""
    from molgen.io import format_of

    bonds: str | None = "the model's own" if generator.model.states_bonds else None
    prepare: Callable[[Structure], Structure] = lambda structure: structure  # noqa: E731
    labels: Callable[[Structure], Mapping[str, int]] = lambda structure: {}  # noqa: E731
    if "bonds" in format_of(out).keeps and generator.model.states_bonds:
        from molgen.chemistry.labels import counted, labelled

        prepare, labels = labelled, counted
    elif "bonds" in format_of(out).keeps:
        from molgen.chemistry.bonds import perceive_bonds

        bonds, prepare = "lookup of interatomic distances (EDM's table)", perceive_bonds
    condition = plan.condition
    if condition is None:
        return bonds, prepare, labels
    return bonds, prepare, lambda s: {**labels(s), NOT_KEPT: int(not condition.kept(s))}


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
            structures = list(structures_of(parts, plan.condition))
            if chunk == 0 and follower is not None and trajectory is not None:
                missing = follower.write(trajectory)
                if missing:
                    typer.echo(f"{trajectory}: {missing} frames are not finite and are left out", err=True)
            now = time.perf_counter()
            file.add(structures, now - began)
            began = now


def _conclude(file: SampleFile, generator: Generator, n: int) -> None:
    """Say what was made, or raise PartialError where something is missing."""
    from molgen.errors import PartialError
    from molgen.scoring.smiles_forms import HASHES_FILE

    rate = f", {file.state['molecules_per_second']:,} molecules/s" if file.state["molecules_per_second"] else ""
    typer.echo(f"{file.written:,} molecules in {file.path}{rate}; provenance in {file.sidecar}", err=True)
    counts = file.counts
    if "sanitised" in counts:
        typer.echo(f"{counts['sanitised']:,} sanitised, {counts['connected']:,} in one piece", err=True)
    if lost := file.not_finite:
        first = lost[0]
        raise PartialError(
            f"{len(lost)} of {n} molecules have coordinates that are not finite and were not written; "
            f"the first: number {first['index']} (chunk {first['chunk']}, row {first['row']}, {first['atoms']} atoms)",
            hint=f"{file.sidecar} lists them; --precision 32, more --steps, or a longer trained model",
        )
    if wrong := counts.get(NOT_KEPT):
        raise PartialError(f"{wrong} of {n} molecules are not what was given; please report this with {file.sidecar}")
    folder = generator.path.parent
    shipped = (folder / HASHES_FILE).is_file()  # then novelty needs no data set
    reference = folder if shipped else generator.checkpoint.provenance.get("dataset", "qm9")
    typer.echo(f"next: molgen score {file.path} --reference {reference}", err=True)
