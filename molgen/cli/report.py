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
    hull: Annotated[
        Path | None,
        typer.Option(help="Reference energies that protocol sun had: draw the convex hull of a chemical system."),
    ] = None,
    system: Annotated[
        str, typer.Option(help="That system, Li-O or Li-Fe-O; by default the one of most samples with two or three "
                               "elements.")
    ] = "",
    before: Annotated[
        Path | None,
        typer.Option(help="What molgen relax was given: show crystals as generated beside the relaxed ones."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the HTML file if it exists.")] = False,
) -> None:  # fmt: skip
    """Make one HTML file of a scoring: rates, distributions, failures, best and worst molecules in 2D and 3D.

    Rows of protocol sun get energies above the hull and what is stable, unique and novel; with --hull the convex hull
    of a chemical system; with --before the 6 relaxed crystals of the largest RMSD beside what they were.

    The file carries all it needs and works offline. REPORT.html#molecule=3 opens the 3D view of record 3.

    Examples: molgen report rows.csv -o report.html  |  molgen report rows.csv -o report.html --hull mp20_all_chgnet
    --system Li-O --before samples.extxyz
    """
    from molgen.errors import ConfigError, OutputError
    from molgen.report.document import summary_path

    beside = [path for path in (hull, before) if path is not None]
    read = [rows, summary_path(rows), *map(Path, structures or ()), *beside]
    if any(path.exists() and out.exists() and out.samefile(path) for path in read):
        raise ConfigError(f"--out {out} is one of the files that are read", hint="give the report another name")
    if out.exists() and not overwrite:
        raise OutputError(f"{out} exists already", hint="add --overwrite to replace it, or name another file")
    from molgen.cli.progress import progress_bar
    from molgen.report.page import write_report
    from molgen.report.stability_options import StabilityOptions

    asked = StabilityOptions(str(hull or ""), system, str(before or ""))
    with progress_bar("reading", "rows") as progress:
        write_report(
            rows,
            out,
            structures=structures or (),
            title=title,
            molecules=gallery,
            stability=asked,
            progress=progress,
        )
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, opens in any browser without a network", err=True)
