"""`molgen data`: prepare data sets, list and describe them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from molgen.datasets.prepare import Prepared

app = typer.Typer(help="Prepare, list and describe data sets.", no_args_is_help=True)


@app.command(
    epilog="Examples: molgen data prepare qm9  |  molgen data prepare qm9 --source dsgdb9nsd.xyz.tar.bz2 --excluded "
    "uncharacterized.txt  |  molgen data prepare my.sdf --name mine --split 0.9/0.05/0.05"
)
def prepare(
    what: Annotated[str, typer.Argument(help="qm9, or a file, archive or folder of your own.", metavar="qm9|PATH")],
    source: Annotated[
        Path | None,
        typer.Option(help="Take QM9 from here instead of downloading: tar, zip or folder of xyz files, sdf, xyz, npz."),
    ] = None,
    excluded: Annotated[
        Path | None, typer.Option(help="QM9's list uncharacterized.txt, if it is not next to the source.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the data set; the file's name by default.")] = None,
    split: Annotated[
        str | None, typer.Option(help="Fractions train/valid/test of your own data (0.8/0.1/0.1 if not given).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of that random split (0 if not given).")] = None,
    hydrogens: Annotated[bool, typer.Option(help="Keep hydrogen atoms; without them QM9 becomes qm9-noh.")] = True,
    bonds: Annotated[
        bool, typer.Option("--bonds", help="Find QM9's bonds and check them against its SMILES; makes qm9-bonds.")
    ] = False,
    workers: Annotated[int, typer.Option(min=-1, help="Processes that find bonds; -1 for one per core.")] = 1,
    overwrite: Annotated[bool, typer.Option(help="Replace a data set of that name.")] = False,
) -> None:
    """Make a data set: download QM9 (86 MB, kept in DATA/downloads) or pack a local copy or a file of your own."""
    if what == "qm9":
        if split is not None or seed is not None:
            raise typer.BadParameter("QM9 keeps EDM's published split; --split and --seed are for data of your own")
        made = _prepare_qm9(source, excluded, name, hydrogens, bonds, overwrite, workers)
    else:
        if source is not None or excluded is not None:
            raise typer.BadParameter("--source and --excluded go with qm9; give your own file in place of the name")
        made = _prepare_own(Path(what), name, split or "0.8/0.1/0.1", seed or 0, hydrogens, overwrite)
    _report(made)


def _prepare_qm9(
    source: Path | None,
    excluded: Path | None,
    name: str | None,
    hydrogens: bool,
    bonds: bool,
    overwrite: bool,
    workers: int,
) -> Prepared:
    from molgen.cli.progress import progress_bar
    from molgen.datasets import find, qm9
    from molgen.datasets.download import download
    from molgen.datasets.packing import check_free
    from molgen.datasets.qm9_bonds import with_smiles
    from molgen.datasets.qm9_prepare import codes_for, prepare_qm9
    from molgen.datasets.source import open_source

    folder = find.folder_for(name or f"qm9{'' if hydrogens else '-noh'}{'-bonds' if bonds else ''}")
    check_free(folder, overwrite)
    origin = str(source) if source is not None else qm9.ARCHIVE.url
    if source is None:
        downloads = find.data_home() / "downloads"
        with progress_bar(f"downloading {qm9.ARCHIVE.name}", "bytes") as report:
            excluded = excluded or download(qm9.UNCHARACTERISED, downloads)
            source = download(qm9.ARCHIVE, downloads, report)
    structures, arrays = open_source(source)
    codes = codes_for(source, excluded, arrays)
    if bonds:
        structures = with_smiles(structures, arrays, source)
    with progress_bar("finding bonds" if bonds else "packing", "molecules") as report:
        return prepare_qm9(
            structures,
            folder,
            codes=codes,
            source=origin,
            hydrogens=hydrogens,
            bonds=bonds,
            overwrite=overwrite,
            workers=workers,
            progress=report,
        )


def _prepare_own(path: Path, name: str | None, split: str, seed: int, hydrogens: bool, overwrite: bool) -> Prepared:
    from molgen.cli.progress import progress_bar
    from molgen.datasets import find
    from molgen.datasets.own import prepare_own
    from molgen.datasets.packing import check_free

    try:
        train, valid, test = (float(word) for word in split.split("/"))
    except ValueError as error:
        raise typer.BadParameter(f"--split {split} is not three fractions such as 0.8/0.1/0.1") from error
    folder = find.folder_for(name or path.name.partition(".")[0])
    check_free(folder, overwrite)
    with progress_bar("packing", "structures") as report:
        return prepare_own(
            path,
            folder,
            fractions=(train, valid, test),
            seed=seed,
            hydrogens=hydrogens,
            overwrite=overwrite,
            progress=report,
        )


def _report(made: Prepared) -> None:
    """What was made on stdout; what was left out on stderr, with exit code 5 for unreadable records."""
    from molgen.datasets.left_out import left_out_lines
    from molgen.datasets.packed import PackedDataset
    from molgen.errors import PartialError

    data = PackedDataset.open(made.folder)
    counts = "  ".join(f"{key} {count:,}" for key, count in data.meta["splits"].items())
    typer.echo(f"{data.name}: {len(data):,} structures ({counts}) in {made.folder}")
    typer.echo(f"fingerprint {data.fingerprint}")
    if missing := sum(data.meta.get("missing", {}).values()):
        parts = ", ".join(f"{key} {count:,}" for key, count in data.meta["missing"].items())
        typer.echo(f"the source lacks {missing:,} molecules of this data set: {parts}", err=True)
    for line in left_out_lines(data.meta):
        typer.echo(line, err=True)
    for what, count in data.meta["not_kept"].items():
        typer.echo(f"not kept: {what} of {count:,} structures", err=True)
    if made.skipped.total:
        total = len(data) + made.skipped.total
        raise PartialError(
            f"{made.skipped.total:,} of {total:,} records could not be used: {'; '.join(made.skipped.lines())}",
            hint=f"the data set {data.name} holds the others",
        )


@app.command("list", epilog="Example: molgen data list")
def list_() -> None:
    """Show the data sets that are prepared: name, counts, elements, folder."""
    from molgen.datasets import find
    from molgen.datasets.packed import PackedDataset
    from molgen.elements import SYMBOLS
    from molgen.errors import MolgenError

    folders = find.available()
    if not folders:
        typer.echo("no data set yet; make one with: molgen data prepare qm9", err=True)
    for folder in folders:
        try:
            data = PackedDataset.open(folder)
        except MolgenError as error:
            typer.echo(f"{folder.name}: damaged: {error}", err=True)
            continue
        counts = "/".join(str(count) for count in data.meta["splits"].values())
        symbols = " ".join(SYMBOLS[z] for z in data.elements)
        typer.echo(f"{data.name:<16} {len(data):>9,} structures  {counts:<20}  {symbols:<14}  {folder}")


@app.command(epilog="Examples: molgen data describe qm9  |  molgen data describe qm9 --json --verify")
def describe(
    name: Annotated[str, typer.Argument(help="Name or folder of a data set.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    verify: Annotated[bool, typer.Option(help="Read all of it and compare with the recorded fingerprint.")] = False,
) -> None:
    """Show what a data set holds: counts, splits, elements, sizes, properties, source, what is missing."""
    import json

    from molgen.datasets import find
    from molgen.datasets.describe import describe_lines, description

    data = find.open_dataset(name)
    if verify:
        data.verify()
        typer.echo("verified: the contents have the recorded fingerprint", err=True)
    if as_json:
        typer.echo(json.dumps(description(data), indent=1))
        return
    for line in describe_lines(description(data)):
        typer.echo(line)
