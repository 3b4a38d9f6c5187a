"""`molgen data hull`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from molgen.cli.interruption import end_by_sigterm_as_by_ctrl_c
from molgen.cli.progress import progress_bar

if TYPE_CHECKING:
    from molgen.scoring.hull_building import HullWork
    from molgen.scoring.protocol import Row
    from molgen.scoring.rows_file import RowsFile


def hull(
    sources: Annotated[
        list[str],
        typer.Option("--from", help="Known crystals: a data set (mp20 is its train split) or a file; repeat for more."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to make, .csv or .csv.gz.")],
    calculator: Annotated[str, typer.Option(help="chgnet, or an ASE calculator module:factory.")] = "chgnet",
    relax: Annotated[
        bool, typer.Option("--relax", help="Relax every crystal first, atoms and cell, as molgen relax does.")
    ] = False,
    workers: Annotated[int, typer.Option(min=-1, help="Processes of one thread each; -1 for one per core.")] = 1,
    timeout: Annotated[float, typer.Option(min=0.1, help="Processor seconds per crystal, or 64 of them.")] = 600.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT, and begin anew.")] = False,
) -> None:  # fmt: skip
    """Evaluate known crystals with a potential, as the reference of energies above the hull.

    Samples are compared with it by molgen score --protocol sun --hull OUT; energies of both must come from the same
    potential. Interrupted, the same command continues.

    Exit code 5: some crystals have no energy; the file says why.

    Example: molgen data hull --from mp20 --from mine.extxyz -o mine.csv.gz --workers 2
    """
    from molgen.chemistry.potentials import Settings
    from molgen.cli.relax import USUAL_TOLERANCE
    from molgen.datasets.find import fingerprint, with_split
    from molgen.errors import ConfigError, OutputError
    from molgen.scoring.hull_building import KINDS, HullWork, crystal_potential
    from molgen.scoring.rows_file import RowsFile

    if workers == 0:
        raise typer.BadParameter("need 1 or more, or -1 for one per core", param_hint="--workers")
    if not out.name.endswith((".csv", ".csv.gz")):
        raise ConfigError(f"--out {out} is not CSV", hint="end the name with .csv or .csv.gz")
    if out.exists() and not overwrite:
        raise OutputError(f"{out} exists already", hint="add --overwrite to replace it, or name another file")
    end_by_sigterm_as_by_ctrl_c()
    specs = [with_split(source, "train") for source in sources]
    potential = crystal_potential(calculator)
    work = HullWork(calculator, Settings(force_tolerance=USUAL_TOLERANCE["crystals"]) if relax else None, timeout)
    about: dict[str, Any] = {"calculator": calculator, "energies": potential.energy_version, "relaxed": relax}
    about["sources"] = [fingerprint(spec) for spec in specs]
    table = RowsFile(out.with_name(f".partial.{out.name.removesuffix('.gz')}"), KINDS, about, overwrite=overwrite)
    try:
        with table:
            _fill(table, specs, work, workers)
            rows = list(table.earlier())
            _write(rows, out, about)
            table.finish({})
    except BaseException:
        if table.rows:
            typer.echo(f"{table.rows:,} energies are kept; the same command continues", err=True)
        raise
    for path in (table.path, table.path.with_name(f"{table.path.name}.json")):
        path.unlink(missing_ok=True)
    _conclude(rows, out)


def _fill(table: RowsFile, specs: list[str], work: HullWork, workers: int) -> None:
    """Evaluate what the table lacks."""
    from molgen.scoring.hull_building import evaluated
    from molgen.scoring.records import read_records

    if table.rows:
        typer.echo(f"continuing: {table.rows:,} energies are there", err=True)
    with progress_bar("evaluating", "crystals") as report:
        total = _total(specs)
        for rows in evaluated(read_records(specs), work, workers, table.rows):
            for row in rows:
                table.write(row)
            table.boundary(dict)
            report(table.rows, total)


def _total(specs: list[str]) -> int | None:
    """Number of crystals where all sources are data sets."""
    from molgen.datasets.find import open_dataset, split_spec
    from molgen.errors import MolgenError

    try:
        named = [split_spec(spec) for spec in specs]
        return sum(len(open_dataset(name).indices(split)) for name, split in named if split is not None)
    except MolgenError:
        return None


def _write(rows: list[Row], out: Path, about: dict[str, Any]) -> None:
    from molgen.datasets.labels import distinct_labels
    from molgen.scoring.hull_file import write_hull

    labels = distinct_labels([str(row["id"] or "") for row in rows])
    energies = [None if row["energy_per_atom"] is None else float(row["energy_per_atom"]) for row in rows]
    cells = [(str(row["formula"] or ""), str(row["problem"] or "")) for row in rows]
    lines = zip(labels, energies, cells, strict=True)
    write_hull(out, about, ((label, formula, energy, problem) for label, energy, (formula, problem) in lines))


def _conclude(rows: list[Row], out: Path) -> None:
    """Say what the file holds; PartialError where energies are missing."""
    from collections import Counter

    from molgen.elements import SYMBOLS
    from molgen.errors import PartialError
    from molgen.scoring.hull_file import read_hull

    read_hull.cache_clear()  # a file of that name may have been another before
    made = read_hull(str(out))
    typer.echo(f"{out}: {len(made.entries):,} energies, {out.stat().st_size / 1e6:.2f} MB", err=True)
    if lacking := sorted(made.hull.elements - made.hull.pure):
        typer.echo(
            f"no pure {', '.join(SYMBOLS[number] for number in lacking)} among them: compounds with these are compared "
            "with compounds only, and those richer in them than all of these are unknown",
            err=True,
        )
    if missing := Counter(str(row["problem"]).partition(":")[0] for row in rows if row["problem"]):
        reasons = "; ".join(f"{count:,} x {kind}" for kind, count in missing.most_common())
        raise PartialError(
            f"{missing.total():,} of {len(rows):,} crystals have no energy ({reasons})",
            hint=f"column problem of {out} says why; the others can be used",
        )
