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

USUAL_CALCULATOR = {"molecules": "mmff94s", "crystals": "chgnet"}
USUAL_TOLERANCE = {"molecules": 0.01, "crystals": 0.05}
"""Force in eV/angstrom; at ASE's habitual 0.05, floppy molecules stop several kcal/mol above their minimum."""


def relax(
    source: Annotated[str, typer.Argument(metavar="A", help="A file, or a data set: NAME[:split] or FOLDER[:split].")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File: .sdf or .extxyz, .gz may follow.")],
    calculator: Annotated[
        str,
        typer.Option(
            help="mmff94s (usual for molecules), gfn2-xtb, chgnet (usual for crystals), or an ASE calculator "
            "module:factory."
        ),
    ] = "",
    max_steps: Annotated[int, typer.Option(min=0, help="Steps of the optimiser.")] = 500,
    force_tolerance: Annotated[
        float | None,
        typer.Option(help="Converged once no force on an atom is larger, eV/angstrom; 0.01 for molecules, 0.05 for "
                          "crystals, where the virial per atom (eV) counts too."),
    ] = None,
    cell: Annotated[str, typer.Option(help="Of crystals: free (it relaxes too) or fixed.")] = "free",
    keep_symmetry: Annotated[
        bool, typer.Option("--keep-symmetry", help="Make crystals exactly symmetric in the space group found at 0.1 "
                                                   "angstrom, and keep it.")
    ] = False,
    trajectories: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write every crystal's steps to FOLDER/INDEX.extxyz.")
    ] = None,
    bonds: Annotated[
        str, typer.Option(help="Of molecules: auto (the file's, else lookup), file, lookup, xyz2mol or openbabel.")
    ] = "auto",
    workers: Annotated[int, typer.Option(min=-1, help="Processes of one thread each; -1 for one per core.")] = 1,
    timeout: Annotated[float, typer.Option(min=0.1, help="Processor seconds per structure.")] = 600.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT, and begin anew.")] = False,
) -> None:  # fmt: skip
    """Relax molecules or crystals to the nearest energy minimum and say how far away it was.

    Every structure that can be read is written, in order, with properties relax_*: energies, gain, RMSD, steps,
    converged or the reason; for molecules changes of bonds, angles and torsions, for crystals of volume and space
    group. Those that failed keep their geometry. Interrupted, the same command continues. OUT.json holds settings and
    summary. Whether the first structure has a lattice says which of the usual settings are taken.

    Exit code 5: some structures could not be read, failed, or did not converge.

    Examples: molgen relax out.sdf -o relaxed.sdf --calculator gfn2-xtb --workers 2  |  molgen relax crystals.extxyz -o
    relaxed.extxyz
    """
    import json

    from molgen.chemistry.crystal_relaxation import CellSettings
    from molgen.chemistry.potentials import Settings
    from molgen.scoring.records import first_structure, read_records
    from molgen.scoring.relaxed_file import RelaxedFile
    from molgen.scoring.relaxing import RelaxWork

    if workers == 0:
        raise typer.BadParameter("need 1 or more, or -1 for one per core", param_hint="--workers")
    end_by_sigterm_as_by_ctrl_c()
    first = first_structure(read_records([source]))
    kind = "crystals" if first is not None and first.lattice is not None else "molecules"
    calculator = calculator or USUAL_CALCULATOR[kind]
    settings = Settings(max_steps, USUAL_TOLERANCE[kind] if force_tolerance is None else force_tolerance)
    work = RelaxWork(calculator, settings, bonds, timeout, CellSettings(cell, keep_symmetry), trajectories)
    choices, energies = _choices(source, out, work, kind)
    with RelaxedFile(out, choices, kind=kind, overwrite=overwrite) as file:
        document = _filled(file, source, work, energies, workers)
    typer.echo(json.dumps(document, indent=1, allow_nan=False) if as_json else _table(document, kind), err=not as_json)
    _raise_if_partial(document, out, kind)


def relax_crystals(source: Path, out: Path, calculator: str, workers: int, overwrite: bool) -> None:
    """Relax atoms and cells of a file of crystals with the usual settings, unless ``out`` is that already.

    Args:
        source: File.
        out: ``.extxyz``.
        calculator: Name of the potential.
        workers: Processes; -1 for one per core.
        overwrite: Replace a file of another kind; relaxed crystals of other settings or an older ``source`` are.

    Raises:
        PartialError: Some did not converge; the file is whole.
    """
    from molgen.chemistry.potentials import Settings
    from molgen.scoring.relaxed_file import RelaxedFile, finished, is_relaxed_from
    from molgen.scoring.relaxing import RelaxWork

    kind = "crystals"
    work = RelaxWork(calculator, Settings(force_tolerance=USUAL_TOLERANCE[kind]))
    choices, energies = _choices(str(source), out, work, kind)
    document = finished(out, choices)
    if document is None:
        if is_relaxed_from(out, str(source)) or (overwrite and out.exists()):
            out.unlink()
        with RelaxedFile(out, choices, kind=kind) as file:  # continues, with --overwrite too, what began alike
            document = _filled(file, str(source), work, energies, workers)
    typer.echo(_table(document, kind), err=True)
    _raise_if_partial(document, out, kind)


def _filled(file: RelaxedFile, source: str, work: RelaxWork, energies: str, workers: int) -> dict[str, Any]:
    """Relax what the file lacks, and finish it; gives its summary."""
    import molgen

    kind = file.summary.kind
    try:
        if work.trajectories is not None:
            work.trajectories.mkdir(parents=True, exist_ok=True)
        _fill(file, source, work, energies, workers)
    except BaseException:
        if file.summary.n:
            typer.echo(f"{file.summary.n:,} {kind} are kept; the same command continues", err=True)
        else:
            file.discard()
        raise
    return file.finish({"molgen": molgen.__version__})


def _choices(source: str, out: Path, work: RelaxWork, kind: str) -> tuple[dict[str, Any], str]:
    """What decides the results, for JSON, and where their energies come from; wrong options are noticed here."""
    from molgen.chemistry.ase_potentials import AsePotential
    from molgen.chemistry.potentials import make_potential
    from molgen.datasets.find import fingerprint
    from molgen.errors import ConfigError
    from molgen.io import format_of

    potential = make_potential(work.calculator)
    choices: dict[str, Any] = {"source": fingerprint(source), "calculator": work.calculator}
    choices |= {"version": potential.version, "bonds": work.bonds}
    choices |= {"max_steps": work.settings.max_steps, "force_tolerance": work.settings.force_tolerance}
    if kind == "molecules":
        if work.trajectories is not None:
            raise ConfigError("--trajectories goes with crystals, but the first structure has no lattice")
        return choices, potential.version
    if "lattice" not in format_of(out).keeps:
        raise ConfigError(f"{out}: this format holds no cell", hint="end the name with .extxyz; .gz may follow")
    if not isinstance(potential, AsePotential):
        raise ConfigError(
            f"{work.calculator} relaxes molecules, but the first structure of {source} has a lattice",
            hint="--calculator chgnet, or module:factory for an ASE calculator of periodic systems",
        )
    if work.cell.cell == "free" and not potential.gives_stress:
        raise ConfigError(
            f"{work.calculator} gives no stress, so no cell can be relaxed with it",
            hint="--cell fixed moves atoms only",
        )
    choices |= {"cell": work.cell.cell, "keep_symmetry": work.cell.keep_symmetry}
    return choices, potential.energy_version


def _fill(file: RelaxedFile, source: str, work: RelaxWork, energies: str, workers: int) -> None:
    """Relax what the file lacks."""
    from molgen.scoring.records import read_records
    from molgen.scoring.relaxed_properties import with_results
    from molgen.scoring.relaxing import relaxations

    kind = file.summary.kind
    if file.start:
        typer.echo(f"continuing: {file.summary.n:,} {kind} are there", err=True)
    with progress_bar("relaxing", kind) as report:
        for part in relaxations(read_records([source]), work, workers, file.start):
            for index, reason in part:
                if isinstance(reason, str):
                    bare = reason.removeprefix("unreadable: ").removeprefix(f"record {index + 1}: ")
                    file.summary.unreadable.add(index, bare)
            done = [(index, one) for index, one in part if not isinstance(one, str)]
            file.add([with_results(index, work.calculator, energies, one) for index, one in done])
            report(file.summary.n, None)


def _table(document: dict[str, Any], kind: str) -> str:
    """Counts and quantities in words."""
    lines = [f"{document['converged']:,} of {document['n']:,} {kind} relaxed; over these, median and mean:"]
    for name, values in document["quantities"].items():
        if values["count"]:
            unit = f" {values['unit']}" if values["unit"] else ""
            lines.append(f"  {name.replace('_', ' '):15s} {values['median']:10.4g} {values['mean']:10.4g}{unit}")
    return "\n".join(lines)


def _raise_if_partial(document: dict[str, Any], out: Path, kind: str) -> None:
    from molgen.errors import PartialError

    unreadable = document["unreadable"]["count"]
    for line in document["unreadable"]["reasons"]:
        typer.echo(f"unreadable: {line}", err=True)
    if document["failures"] or unreadable:
        reasons = "; ".join(f"{count:,} x {kind}" for kind, count in document["failures"].items())
        failed = document["n"] - document["converged"]
        raise PartialError(
            f"{failed:,} of {document['n']:,} {kind} are not relaxed" + (f" ({reasons})" if reasons else "")
            + (f", {unreadable:,} records could not be read" if unreadable else ""),
            hint=f"in {out} they have relax_converged false and a relax_reason",
        )  # fmt: skip
