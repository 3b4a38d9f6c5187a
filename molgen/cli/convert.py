"""`molgen convert`: from one file format, or a data set, to another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from molgen.cli.progress import Report
    from molgen.io import Skipped, Writer

_REPORT_EVERY = 100


def convert(
    source: Annotated[str, typer.Argument(metavar="A", help="A file, or a data set: NAME[:split] or FOLDER[:split].")],
    target: Annotated[Path, typer.Argument(metavar="B", help="The file to make; its ending says the format.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace B if it exists.")] = False,
) -> None:
    """Copy structures from one format to another.

    Formats by ending: .sdf .mol .xyz .extxyz .smi .smiles .cif .vasp .poscar; .gz may follow. Geometries for SMILES are
    made with ETKDG and MMFF94. Unreadable records are counted by reason on stderr and give exit code 5.

    Example: molgen convert molecules.extxyz molecules.sdf.gz
    """
    from molgen.cli.progress import progress_bar
    from molgen.errors import InputError, OutputError, PartialError
    from molgen.io import Skipped, format_of, open_writer

    format_of(target)
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already", hint="add --overwrite to replace it, or name another file")
    # The ending stays last: it names the format of the unfinished file too.
    partial = target.with_name(f".partial.{target.name}")
    skipped = Skipped()
    writer = open_writer(partial)
    try:
        with writer, progress_bar("converting", "structures") as report:
            lost = _copy(source, writer, skipped, report)
        if not writer.count:
            raise InputError(f"nothing in {source} could be converted: {'; '.join(skipped.lines())}")
        partial.replace(target)
    except BaseException:
        if writer.count:
            typer.echo(f"unfinished: the first {writer.count:,} structures are in {partial}", err=True)
        else:
            partial.unlink(missing_ok=True)
        raise
    typer.echo(f"{writer.count:,} structures written to {target}", err=True)
    if lost:
        named = ", ".join(f"{what} ({count:,})" for what, count in lost.items())
        typer.echo(f"{target.name} has no place for some of what {source} states: {named}", err=True)
    if skipped.total:
        for line in skipped.lines():
            typer.echo(f"skipped: {line}", err=True)
        raise PartialError(f"{skipped.total:,} of {skipped.total + writer.count:,} structures were skipped")


def _copy(source: str, writer: "Writer", skipped: "Skipped", report: "Report") -> dict[str, int]:
    """Stream the source into the writer; returns how many structures lose which of their fields."""
    from molgen.datasets.find import open_structures
    from molgen.errors import InputError

    lost: dict[str, int] = {}
    for structure in open_structures(source, on_error=skipped.add):
        # What was read and what was skipped so far add up to the number of this record.
        index = writer.count + skipped.total
        try:
            writer.write(structure)
        except InputError as error:
            skipped.add(index, str(error))
            continue
        for what in ("charges", "bonds", "lattice", "properties"):
            value = getattr(structure, what)
            if what not in writer.format.keeps and value is not None and len(value):
                if what == "charges" and not value.any():
                    continue
                lost[what] = lost.get(what, 0) + 1
        if writer.count % _REPORT_EVERY == 0:
            report(writer.count, None)
    report(writer.count, None)
    return lost
