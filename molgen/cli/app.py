"""The command line: one typer app. Command modules import nothing heavy at module level."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import typer
from typer.core import TyperGroup

from molgen.cli import bench, convert, data, info, likelihood, publish, rank, relax, report, sample, score, train
from molgen.errors import DEVICE_FAILURES, MolgenError, OutputError


class ErrorHandlingGroup(TyperGroup):
    """Turns the errors that molgen raises on purpose into a sentence, its cure and the documented exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except MolgenError as error:
            _say(error)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            typer.echo("interrupted", err=True)
            raise typer.Exit(130) from error


def _say(error: MolgenError) -> None:
    typer.secho(f"error: {error}", err=True, fg="red")
    if error.hint:
        typer.echo(f"  cure: {error.hint}", err=True)


app = typer.Typer(
    name="molgen",
    cls=ErrorHandlingGroup,
    help="Generate molecules and materials, write them to files, and score them honestly.",
    epilog="Exit codes: 0 ok, 2 usage, 3 bad input or config, 4 something missing, 5 finished but some structures "
    "failed, 6 output cannot be written, 130 interrupted with partial output kept.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data")
app.command()(train.train)
app.command()(sample.sample)
app.command()(score.score)
app.command()(report.report)
app.command()(relax.relax)
app.command()(rank.rank)
app.command()(likelihood.likelihood)
app.command()(convert.convert)
app.command()(bench.bench)
app.command()(publish.publish)
app.command()(info.models)
app.command()(info.info)


def main() -> None:
    """Entry point of the ``molgen`` console script."""
    try:
        app()
    except OSError as error:
        # What commands write to files is an OutputError; only the standard streams, --help included, come to here.
        if error.errno not in DEVICE_FAILURES:
            raise
        failure = OutputError.from_os_error(error, error.filename or "the standard output")
        with suppress(OSError):  # standard error may be the full one
            _say(failure)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would fail again, flushing what is left, at exit
        sys.exit(failure.exit_code)
