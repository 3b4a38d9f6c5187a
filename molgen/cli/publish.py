"""`molgen publish`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def publish(
    source: Annotated[Path, typer.Argument(help="Run folder of `molgen train`, or a published folder to update.")],
    folder: Annotated[
        Path | None, typer.Argument(help="Where to publish, for example checkpoints/mine; none updates SOURCE.")
    ] = None,
    scores: Annotated[
        list[Path] | None, typer.Option("--scores", help="Output of `molgen score --json`; repeat.")
    ] = None,
    likelihood: Annotated[Path | None, typer.Option(help="Output of `molgen likelihood --json`.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Setting of sampling tuned after training: sample_steps=20.")
    ] = None,
    bf16: Annotated[bool, typer.Option("--bf16", help="Store weight matrices as bfloat16, half the size.")] = False,
    command: Annotated[
        str, typer.Option(help="Training command for the card; default those that the run recorded.")
    ] = "",
    notes: Annotated[str, typer.Option(help="A paragraph for the card.")] = "",
    workers: Annotated[int, typer.Option(min=-1, help="Processes for hashing the training set.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is in FOLDER.")] = False,
) -> None:
    """Make a checkpoint folder from a run: weights, training-set hashes for novelty, a card with measured scores.

    Novelty of crystals needs the training set itself, so that a model of crystals gets no hashes. Scores are of freely
    sampled structures, or of --targets; these have tables of their own.

    Scores must be of the very weights that are published. With --bf16, which rounds them: publish without scores,
    sample from the published folder, score, and update it.

    Examples: molgen publish runs/mine checkpoints/mine --scores s50.json;
    molgen publish runs/mine checkpoints/mine --bf16 --set sample_steps=20;
    molgen publish checkpoints/mine --scores s20.json
    """
    from molgen.cli.given import options_from
    from molgen.cli.progress import progress_bar
    from molgen.errors import OutputError
    from molgen.publish import publish as write

    if workers == 0:
        raise typer.BadParameter("need 1 or more, or -1 for one per core", param_hint="--workers")
    if folder is not None and (folder / "model.safetensors").exists() and not overwrite:
        raise OutputError(f"{folder} holds a checkpoint already", hint="--overwrite replaces it")
    with progress_bar("hashing the training set", "molecules") as report:
        card = write(
            source,
            folder,
            scores=scores or [],
            likelihood=likelihood,
            changes=options_from(set_),
            bf16=bf16,
            command=command,
            notes=notes,
            workers=workers,
            progress=report,
        )
    typer.echo(f"card: {card}", err=True)
