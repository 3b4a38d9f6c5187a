"""`molgen train`."""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

EXAMPLE = (
    "Example: molgen train edm_qm9_small training.steps=2000 data.batch_size=32 --out runs/mine --precision bf16-mixed"
)


def train(
    recipe: Annotated[str, typer.Argument(help="A packaged recipe (see `molgen models`) or a YAML file.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Settings, as section.key=value.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; default runs/RECIPE.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of weights, batches and noise; default 0.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out exactly where it stopped.")
    ] = False,
    init: Annotated[
        Path | None, typer.Option("--init", help="Begin with the weights of this checkpoint, as far as they fit.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps (Lightning's accelerator).")] = "auto",
    devices: Annotated[int, typer.Option(help="Devices, or processes with --device cpu.")] = 1,
    nodes: Annotated[int, typer.Option(help="Machines.")] = 1,
    strategy: Annotated[str, typer.Option(help="Lightning strategy: auto, ddp, fsdp, ...")] = "auto",
    precision: Annotated[str | None, typer.Option(help="bf16-mixed, ...; default 32-true.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved recipe and stop.")] = False,
) -> None:
    """Train a model by a recipe. Ctrl-C saves; --resume continues exactly; --init starts from another model's weights.

    Example: molgen train edm_qm9_small training.steps=2000 data.batch_size=32 --out runs/mine --precision bf16-mixed
    """
    if resume and init is not None:
        raise typer.BadParameter("a resumed run has its own weights: give --init or --resume, not both")
    from molgen.host_cpu import prepare_cpu

    prepare_cpu()
    from omegaconf import OmegaConf

    from molgen.cli.progress import progress_bar
    from molgen.config import load_recipe
    from molgen.errors import ConfigError

    folder = out or Path("runs") / Path(recipe).stem
    if resume:
        from molgen.training.folder import recorded_recipe

        settings, began_seed, began_precision = recorded_recipe(folder, overrides or [])
        if (asked := load_recipe(recipe).model.name) != settings.model.name:
            hint = "give the recipe that it began with, or another --out"
            raise ConfigError(f"{folder} is a run of {settings.model.name}, recipe {recipe} is of {asked}", hint=hint)
        seed, precision = began_seed if seed is None else seed, precision or began_precision
    else:
        settings = load_recipe(recipe, overrides or [])
    seed, precision = seed or 0, precision or "32-true"
    if dry_run:
        typer.echo(OmegaConf.to_yaml(OmegaConf.create(settings.to_dict())), nl=False)
        return
    from molgen.cli.monitor import make_sample_scores
    from molgen.datasets.find import open_dataset
    from molgen.training.run import train as run

    accelerator = {"cuda": "gpu"}.get(device, device)
    options: dict[str, Any] = {"accelerator": accelerator, "devices": devices, "num_nodes": nodes}
    options |= {"strategy": strategy, "precision": precision}
    sample_scores, count = None, settings.training.sample_structures
    if count and find_spec("rdkit"):
        targets = f"{settings.data.name}:valid"
        sample_scores = make_sample_scores(count, settings.training.sample_steps, targets=targets)
    elif count:
        typer.echo("rdkit is not installed: structures are not sampled and scored during training", err=True)
    try:
        with progress_bar(f"training {folder.name}", "molecules") as report:
            weights = run(
                settings, folder, seed=seed, resume=resume, init=init, report=report,
                command=shlex.join(["molgen", *sys.argv[1:]]),
                log=lambda line: typer.echo(line, err=True),
                sample_scores=sample_scores,
                trainer_options=options,
            )  # fmt: skip
    except KeyboardInterrupt:
        typer.echo(f"continue: molgen train {recipe} --out {folder} --resume", err=True)
        raise
    ending = "extxyz" if "lattice" in open_dataset(settings.data.name).arrays else "sdf"
    typer.echo(f"weights: {weights}\nnext: molgen sample {folder} -n 100 -o samples.{ending}", err=True)
