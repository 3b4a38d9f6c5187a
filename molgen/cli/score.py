"""`molgen score`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from molgen.cli.interruption import end_by_sigterm_as_by_ctrl_c
from molgen.cli.progress import Report, progress_bar

if TYPE_CHECKING:
    from molgen.scoring.rows_file import RowsFile
    from molgen.scoring.session import Session
    from molgen.scoring.summary import Summary


def score(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES...", help="Structure or gene files, folders, or data sets such as qm9:test."),
    ],
    protocol: Annotated[
        str,
        typer.Option(
            help="One or more, joined by commas. Molecules: edm (usual), explicit, explicit-sulfoxide, "
            "explicit-legacy, xyz2mol, openbabel, posebusters, mmff94s, gfn2-xtb, or an ASE calculator module:factory. "
            "Crystals: cdvae-2021,strict,symmetry (usual), novelty, match, coverage, sun. Genes (.jsonl): genes."
        ),
    ] = "",
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="REFERENCE",
            help="Known structures for novelty: a data set (qm9 is its train split), a file, or (molecules) a "
            "checkpoint folder.",
        ),
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            metavar="TARGETS",
            help="Known crystals that the samples, named after them, are predictions of, for protocol match: a data "
            "set (mp20 is its test split) or a file.",
        ),
    ] = None,
    hull: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Reference energies for protocol sun (stable, unique, novel): mp20_all_chgnet, which ships, what "
            "molgen data hull makes, or CSV or JSON with formula and energy_per_atom.",
        ),
    ] = None,
    distributions: Annotated[
        bool, typer.Option("--distributions", help="Distances of geometry and composition from the reference's.")
    ] = False,
    bonds: Annotated[
        str, typer.Option(help="Bonds for protocols that need them: auto (the file's, else lookup), file, lookup, "
                               "xyz2mol or openbabel.")
    ] = "auto",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="One row per structure, .csv or .parquet; the same command continues it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
    workers: Annotated[int, typer.Option(min=-1, help="Processes; -1 for one per core.")] = 1,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Work on this dask scheduler's workers, tcp://HOST:PORT.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Processor seconds per structure and protocol.")] = 60.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace --out instead of continuing it.")] = False,
) -> None:  # fmt: skip
    """Score molecules, crystals or genes of any generator: rates with counts and 95 % intervals, failures with reasons.

    Exit code 5: some records could not be read; they count as failures, and each is named with its reason.

    Example: molgen score out.sdf --protocol edm,explicit --reference qm9 --out rows.csv
    """
    from molgen.datasets.find import fingerprint
    from molgen.scoring.kinds import fitting_protocols
    from molgen.scoring.protocol import Given
    from molgen.scoring.records import first_scored, scored_records
    from molgen.scoring.session import make_protocols

    if workers == 0:
        raise typer.BadParameter("need 1 or more, or -1 for one per core", param_hint="--workers")
    end_by_sigterm_as_by_ctrl_c()
    _check_out(out, [*files, *(given for given in (reference, targets, hull) if given is not None)])
    inputs = {"files": [fingerprint(file) for file in files], "reference": reference}  # a missing file is noticed here
    asked = [name.strip() for name in protocol.split(",")] if protocol else []
    names = fitting_protocols(asked, first_scored(scored_records(files)), files[0])
    make_protocols(names, Given(reference or "", targets or "", hull or ""), bonds)  # errors of the options come first
    session = _open_session(files, names, reference, targets, hull, bonds, timeout, distributions, workers)
    _score(session, files, workers, dask, out, inputs | session.settings, overwrite)
    _report(session.summary(), as_json)


def _open_session(
    files: list[str],
    protocols: list[str],
    reference: str | None,
    targets: str | None,
    hull: str | None,
    bonds: str,
    timeout: float,
    distributions: bool,
    workers: int,
) -> Session:
    """The session, with the reference in every form that it needs."""
    from molgen.scoring.records import first_scored, scored_records
    from molgen.scoring.session import Session, open_distributions

    with progress_bar("reference", "structures") as progress:
        target = None
        if distributions:
            first = first_scored(scored_records(files))
            target = open_distributions(reference, bonds, first, workers=workers, progress=progress)
        return Session(
            protocols,
            reference,
            targets=targets,
            hull=hull,
            bonds=bonds,
            timeout=timeout,
            distributions=target,
            workers=workers,
            progress=progress,
        )


def _score(
    session: Session,
    files: list[str],
    workers: int,
    dask: str | None,
    out: Path | None,
    settings: dict[str, Any],
    overwrite: bool,
) -> None:
    """Score the files, and write the rows where they are asked for."""
    from molgen.scoring.records import scored_records
    from molgen.scoring.rows_file import RowsFile, column_kinds

    with progress_bar("scoring", "structures") as progress:
        if out is None:
            for _ in session.rows(scored_records(files), workers=workers, dask=dask, progress=progress):
                pass
            return
        table = RowsFile(out, column_kinds(session.protocols), settings, overwrite=overwrite)
        try:
            with table:
                _fill(table, session, files, workers, dask, progress)
        except BaseException:
            if table.rows:
                typer.echo(f"{table.rows:,} rows are kept in {out}; the same command continues", err=True)
            raise


def _fill(table: RowsFile, session: Session, files: list[str], workers: int, dask: str | None, report: Report) -> None:
    """Score what the table lacks, row by row, and settle it."""
    from molgen.scoring.records import scored_records

    if table.rows:
        typer.echo(f"continuing {table.path}: {table.rows:,} rows are there", err=True)
        session.restore(table.earlier(), table.state)

    def chunk_done(done: int, total: int | None) -> None:
        table.boundary(session.state)
        report(done, total)

    for row in session.rows(scored_records(files), workers=workers, dask=dask, progress=chunk_done):
        table.write(row)
    table.finish(session.summary().to_dict())


def _check_out(out: Path | None, read: list[str]) -> None:
    from molgen.errors import ConfigError

    if out is not None and any(Path(file).exists() and out.exists() and out.samefile(file) for file in read):
        raise ConfigError(f"--out {out} is one of the files that are read", hint="give the rows another name")


def _report(summary: Summary, as_json: bool) -> None:
    """Print the summary; PartialError if some records could not be read."""
    from molgen.errors import PartialError
    from molgen.scoring.summary import to_json

    typer.echo(to_json(summary.to_dict()) if as_json else summary.to_text())
    if summary.unreadable:
        example = summary.first_unreadable[0]
        raise PartialError(
            f"{summary.unreadable} of {summary.n} records could not be scored and count as failures; the first: "
            f"{example['source']}, {example['reason']}",
            hint="--out FILE.csv lists every record with its reason",
        )
