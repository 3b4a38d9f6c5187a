"""`molgen report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    rows: Annotated[
        Path, typer.Argument(help="What `molgen score --out` wrote, .csv or .parquet, with its .json beside it.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file to make.")] = Path("report.html"),
    structures: Annotated[
        list[str] | None,
        typer.Option("--structures", help="Read 3D structures here, not in the files that the rows name; repeat."),
    ] = None,
    title: Annotated[str, typer.Option(help="Heading; by default the scored files.")] = "",
    gallery: Annotated[int, typer.Option(min=0, help="Molecules to draw, half of them the best.")] = 24,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the HTML file if it exists.")] = False,
) -> None:
    """Make one HTML file of a scoring: rates, distributions, failures, best and worst molecules in 2D and 3D.

    The file carries all it needs and works offline. REPORT.html#molecule=3 opens the 3D view of record 3.

    Example: molgen report rows.csv -o report.html
    """
    from molgen.errors import ConfigError, OutputError
    from molgen.report.document import summary_path

    read = [rows, summary_path(rows), *map(Path, structures or ())]
    if any(path.exists() and out.exists() and out.samefile(path) for path in read):
        raise ConfigError(f"--out {out} is one of the files that are read", hint="give the report another name")
    if out.exists() and not overwrite:
        raise OutputError(f"{out} exists already", hint="add --overwrite to replace it, or name another file")
    from molgen.cli.progress import progress_bar
    from molgen.report.page import write_report

    with progress_bar("reading", "rows") as progress:
        write_report(rows, out, structures=structures or (), title=title, molecules=gallery, progress=progress)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, opens in any browser without a network", err=True)
