"""`molgen publish`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def publish(
    run: Annotated[Path, typer.Argument(help="Run folder of `molgen train`.")],
    folder: Annotated[Path, typer.Argument(help="Where to publish, for example checkpoints/edm_qm9.")],
    scores: Annotated[
        list[Path] | None, typer.Option("--scores", help="Output of `molgen score --json`; repeat.")
    ] = None,
    likelihood: Annotated[Path | None, typer.Option(help="Output of `molgen likelihood --json`.")] = None,
    command: Annotated[str, typer.Option(help="The training command, for the card.")] = "",
    notes: Annotated[str, typer.Option(help="A paragraph for the card.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Make a checkpoint folder from a run: weights, training-set hashes for novelty, a card with measured scores.

    Example: molgen publish runs/mine checkpoints/mine --scores s50.json --command "molgen train edm_qm9_small"
    """
    from molgen.errors import OutputError

    if (folder / "model.safetensors").exists() and not overwrite:
        raise OutputError(f"{folder} holds a checkpoint already", hint="--overwrite replaces it")
    from molgen.publish import publish as write

    card = write(run, folder, scores=scores or [], likelihood=likelihood, command=command, notes=notes)
    typer.echo(f"card: {card}", err=True)
