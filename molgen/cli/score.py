"""`molgen score`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer


def score(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES...", help="Structure files, or data sets such as qm9:test; scored as one set."),
    ],
    protocol: Annotated[str, typer.Option(help="Scoring protocol.")] = "edm",
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="REFERENCE",
            help="Training molecules for novelty: a data set (qm9 is its train split), a file, or a checkpoint folder.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write one CSV row per structure, with its SMILES and its reason.")
    ] = None,
    workers: Annotated[int, typer.Option(min=-1, help="Processes; -1 for one per core.")] = 1,
) -> None:
    """Score molecules: stability, validity, uniqueness, novelty, each with its counts and 95 % interval.

    Exit code 5: some records could not be read; they count as failures, and each is named with its reason.

    Example: molgen score out.sdf --reference qm9 --out rows.csv
    """
    import json

    from molgen.cli.progress import progress_bar
    from molgen.errors import ConfigError, PartialError
    from molgen.scoring.novelty import Reference
    from molgen.scoring.protocols import check_protocol, make_scorer
    from molgen.scoring.records import read_records
    from molgen.scoring.rows_csv import RowsFile

    check_protocol(protocol)
    if workers == 0:
        raise typer.BadParameter("need 1 or more, or -1 for one per core", param_hint="--workers")
    read = [*files, *([] if reference is None else [reference])]
    if out is not None and any(Path(file).exists() and out.exists() and out.samefile(file) for file in read):
        raise ConfigError(f"--out {out} is one of the files that are read", hint="give the rows another name")
    known = None
    if reference is not None:
        with progress_bar("reference", "molecules") as progress:
            known = Reference.open(reference, workers=workers, progress=progress)
    scorer = make_scorer(protocol, known)
    with progress_bar("scoring", "molecules") as progress, RowsFile(out) if out else nullcontext() as table:
        for row in scorer.rows(read_records(files), workers=workers, progress=progress):
            if table is not None:
                table.write(row)
    summary = scorer.summary()
    typer.echo(json.dumps(summary.to_dict(), indent=1, allow_nan=False) if as_json else summary.to_text())
    if summary.unreadable.count:
        first = summary.unreadable.first[0]
        raise PartialError(
            f"{summary.unreadable.count} of {summary.n} records could not be scored and count as failures; the first: "
            f"{first.source}, {first.reason}",
            hint="--out FILE.csv lists every record with its reason",
        )
