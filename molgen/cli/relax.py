"""`molgen relax`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from molgen.cli.interruption import end_by_sigterm_as_by_ctrl_c
from molgen.cli.progress import progress_bar

if TYPE_CHECKING:
    from molgen.scoring.relaxed_file import RelaxedFile
    from molgen.scoring.relaxing import RelaxWork


def relax(
    source: Annotated[str, typer.Argument(metavar="A", help="A file, or a data set: NAME[:split] or FOLDER[:split].")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File: .sdf or .extxyz, .gz may follow.")],
    calculator: Annotated[
        str, typer.Option(help="mmff94s, gfn2-xtb, or an ASE calculator module:factory.")
    ] = "mmff94s",
    max_steps: Annotated[int, typer.Option(min=0, help="Steps of the optimiser.")] = 500,
    force_tolerance: Annotated[
        float, typer.Option(help="Converged once no force on an atom is larger, eV/angstrom.")
    ] = 0.01,
    bonds: Annotated[
        str, typer.Option(help="auto (the file's, else lookup), file, lookup, xyz2mol or openbabel.")
    ] = "auto",
    workers: Annotated[int, typer.Option(min=-1, help="Processes; -1 for one per core.")] = 1,
    timeout: Annotated[float, typer.Option(min=0.1, help="Processor seconds per molecule.")] = 600.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT, and begin anew.")] = False,
) -> None:  # fmt: skip
    """Relax molecules to the nearest energy minimum and say how far away it was.

    Every structure that can be read is written, in order, with properties relax_*: energies, gain, RMSD, changes of
    bonds, angles and torsions, steps, converged or the reason. Those that failed keep their geometry. Interrupted, the
    same command continues. OUT.json holds settings and summary.

    Exit code 5: some molecules could not be read, failed, or did not converge.

    Example: molgen relax out.sdf -o relaxed.sdf --calculator gfn2-xtb --workers 2
    """
    import json

    import molgen
    from molgen.chemistry.potentials import Settings, make_potential
    from molgen.datasets.find import fingerprint, open_structures
    from molgen.scoring.relaxed_file import RelaxedFile
    from molgen.scoring.relaxing import RelaxWork

    if workers == 0:
        raise typer.BadParameter("need 1 or more, or -1 for one per core", param_hint="--workers")
    end_by_sigterm_as_by_ctrl_c()
    work = RelaxWork(calculator, Settings(max_steps, force_tolerance), bonds, timeout)
    version = make_potential(calculator).version
    open_structures(source, on_error=lambda *_: None)  # says what is wrong with a source that is not there
    choices: dict[str, Any] = {"source": fingerprint(source), "calculator": calculator, "version": version}
    choices |= {"bonds": bonds, "max_steps": max_steps, "force_tolerance": force_tolerance}
    with RelaxedFile(out, choices, overwrite=overwrite) as file:
        try:
            _fill(file, source, work, workers)
        except BaseException:
            if file.summary.n:
                typer.echo(f"{file.summary.n:,} molecules are kept; the same command continues", err=True)
            else:
                file.discard()
            raise
        document = file.finish({"molgen": molgen.__version__})
    typer.echo(json.dumps(document, indent=1, allow_nan=False) if as_json else _table(document), err=not as_json)
    _raise_if_partial(document, out)


def _fill(file: RelaxedFile, source: str, work: RelaxWork, workers: int) -> None:
    """Relax what the file lacks."""
    from molgen.scoring.records import read_records
    from molgen.scoring.relaxed_file import with_results
    from molgen.scoring.relaxing import relaxations

    if file.start:
        typer.echo(f"continuing: {file.summary.n:,} molecules are there", err=True)
    with progress_bar("relaxing", "molecules") as report:
        for part in relaxations(read_records([source]), work, workers, file.start):
            for index, reason in part:
                if isinstance(reason, str):
                    bare = reason.removeprefix("unreadable: ").removeprefix(f"record {index + 1}: ")
                    file.summary.unreadable.add(index, bare)
            file.add([with_results(k, work.calculator, done) for k, done in part if not isinstance(done, str)])
            report(file.summary.n, None)


def _table(document: dict[str, Any]) -> str:
    """Counts and quantities in words."""
    lines = [f"{document['converged']:,} of {document['n']:,} molecules relaxed; over these, median and mean:"]
    for name, values in document["quantities"].items():
        if values["count"]:
            unit = f" {values['unit']}" if values["unit"] else ""
            lines.append(f"  {name.replace('_', ' '):15s} {values['median']:10.4g} {values['mean']:10.4g}{unit}")
    return "\n".join(lines)


def _raise_if_partial(document: dict[str, Any], out: Path) -> None:
    from molgen.errors import PartialError

    unreadable = document["unreadable"]["count"]
    for line in document["unreadable"]["reasons"]:
        typer.echo(f"unreadable: {line}", err=True)
    if document["failures"] or unreadable:
        reasons = "; ".join(f"{count:,} x {kind}" for kind, count in document["failures"].items())
        failed = document["n"] - document["converged"]
        raise PartialError(
            f"{failed:,} of {document['n']:,} molecules are not relaxed" + (f" ({reasons})" if reasons else "")
            + (f", {unreadable:,} records could not be read" if unreadable else ""),
            hint=f"in {out} they have relax_converged false and a relax_reason",
        )  # fmt: skip
