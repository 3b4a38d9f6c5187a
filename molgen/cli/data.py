"""`molgen data`: prepare data sets, list and describe them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from molgen.cli.hull import hull
from molgen.cli.interruption import end_by_sigterm_as_by_ctrl_c

MOST_SYMBOLS = 10
"""Elements that a line of the list names; more are only counted."""
app = typer.Typer(help="Prepare, list and describe data sets.", no_args_is_help=True)


@app.command(
    epilog="Examples: molgen data prepare qm9 --bonds  |  molgen data prepare qm9 --source dsgdb9nsd.xyz.tar.bz2 "
    "--excluded uncharacterized.txt  |  molgen data prepare my.sdf --name mine --split 0.9/0.05/0.05  |  "
    "molgen data prepare smiles.csv --embed --workers 8  |  molgen data prepare geom --source rdkit_folder.tar.gz  |  "
    "molgen data prepare mp20 --workers 2  |  molgen data prepare my_cifs/ --name mine"
)
def prepare(
    what: Annotated[
        str,
        typer.Argument(
            help="qm9, geom (GEOM-Drugs), crystals (mp20, perov5, carbon24, mpts52), or a file, archive or folder of "
            "your own.",
            metavar="qm9|geom|mp20|perov5|carbon24|mpts52|PATH",
        ),
    ],
    source: Annotated[
        Path | None,
        typer.Option(
            help="Take QM9 from here instead of downloading: tar, zip or folder of xyz files, sdf, xyz, npz. For "
            "geom: GEOM's rdkit_folder.tar.gz, or a folder with MiDi's train_data.pickle, val_data.pickle, "
            "test_data.pickle. For crystals: a folder with train, val and test as csv (column cif; .gz too), npz, "
            "extxyz, ASE db or folders of CIFs; or one such file with a column or key split.",
        ),
    ] = None,
    excluded: Annotated[
        Path | None, typer.Option(help="QM9's list uncharacterized.txt, if it is not next to the source.")
    ] = None,
    split_files: Annotated[
        Path | None,
        typer.Option(help="With geom: folder with train_smiles.txt, val_smiles.txt, test_smiles.txt (plain or .gz)."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the data set; the file's name by default.")] = None,
    split: Annotated[
        str | None, typer.Option(help="Fractions train/valid/test of your own data (0.8/0.1/0.1 if not given).")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of that random split, and of --embed (0 if not given).")
    ] = None,
    hydrogens: Annotated[bool, typer.Option(help="Keep hydrogen atoms; without them QM9 becomes qm9-noh.")] = True,
    bonds: Annotated[
        bool, typer.Option("--bonds", help="Find QM9's bonds and check them against its SMILES; makes qm9-bonds.")
    ] = False,
    embed: Annotated[
        bool,
        typer.Option(
            "--embed",
            help="Make geometries (ETKDGv3, MMFF94s) for a list of SMILES: txt, smi, csv or tsv, also .gz, with a "
            "column split if it has one; or a folder with such a list for each of train, valid and test.",
        ),
    ] = False,
    conformers: Annotated[
        int | None,
        typer.Option(min=1, help="Embed this many for each molecule (1 if not given), or keep this many of geom (5)."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="With --embed: take so many molecules of the list, at random.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=-1, help="Processes for --bonds, --embed, geom or crystals; -1 for one per core (1 if not given)."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a data set of that name.")] = False,
) -> None:
    """Make a data set: QM9 (downloaded, 86 MB, kept in DATA/downloads, or a local copy), or from a file of your own.

    A list of SMILES becomes one with --embed; interrupted, the same command goes on. GEOM-Drugs is cleaned and packed
    from its archive of 50 GB, which is read once and not unpacked. Crystals (CIF, POSCAR, extxyz, ASE db, CSV with a
    column cif, npz) come in their Niggli cells; disordered, flat or broken ones are counted and left out.
    """
    from molgen.cli import prepare as run

    kind = what if what in ("qm9", "geom", *run.CRYSTALS) else "PATH"
    given = {"--source": source, "--excluded": excluded, "--split-files": split_files, "--split": split, "--seed": seed}
    given |= {"--bonds": bonds or None, "--embed": embed or None, "--no-hydrogens": None if hydrogens else True}
    run.check_usage(kind, given | {"--conformers": conformers, "--limit": limit, "--workers": workers})
    if workers == 0:
        raise typer.BadParameter("need 1 or more, or -1 for one per core", param_hint="--workers")
    end_by_sigterm_as_by_ctrl_c()
    if kind == "qm9":
        run.report(run.qm9(source, excluded, name, hydrogens, bonds, overwrite, workers or 1))
        return
    if kind == "geom":
        run.report(run.geom(source, split_files, name, conformers or 5, hydrogens, overwrite, workers or 1))
        return
    if kind in run.CRYSTALS:
        run.report(run.crystals(kind, source, name, overwrite, workers or 1))
        return
    settings = run.OwnSettings(name, split, seed or 0, hydrogens, overwrite)
    if embed:
        run.report(run.smiles(Path(what), settings, conformers or 1, limit, workers or 1))
    else:
        run.report(run.own(Path(what), settings, workers))


app.command()(hull)


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
        few = len(data.elements) <= MOST_SYMBOLS
        symbols = " ".join(SYMBOLS[z] for z in data.elements) if few else f"{len(data.elements)} elements"
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
