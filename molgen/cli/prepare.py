"""What `molgen data prepare` does for each kind of source, and what it tells at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from molgen.datasets.prepare import Prepared


EMBED, BONDS = "PATH --embed", "qm9 --bonds"
CRYSTALS = ("mp20", "perov5", "carbon24", "mpts52")
GOES_WITH: dict[str, tuple[str, ...]] = {
    "--source": ("qm9", BONDS, "geom", *CRYSTALS),
    "--excluded": ("qm9", BONDS),
    "--bonds": (BONDS,),
    "--split-files": ("geom",),
    "--split": ("PATH", EMBED),
    "--seed": ("PATH", EMBED),
    "--embed": (EMBED,),
    "--conformers": (EMBED, "geom"),
    "--limit": (EMBED,),
    "--workers": (EMBED, BONDS, "geom", *CRYSTALS, "PATH"),
    "--no-hydrogens": ("qm9", BONDS, "geom", "PATH", EMBED),
}
"""What is prepared, for each option that is not for everything."""


def check_usage(what: str, given: Mapping[str, object]) -> None:
    """Raise BadParameter for an option that does not go with what is prepared.

    Args:
        what: ``qm9``, ``geom``, a name of :data:`CRYSTALS`, or ``PATH``.
        given: The options of :data:`GOES_WITH`; None for those that were not given.
    """
    for kind, option in ((BONDS, "--bonds"), (EMBED, "--embed")):
        if kind == f"{what} {option}" and given[option] is not None:
            what = kind
    for option, kinds in GOES_WITH.items():
        if given[option] is not None and what not in kinds:
            raise typer.BadParameter(f"{option} goes with {' or '.join(kinds)}, not with {what}")


@dataclass(frozen=True)
class OwnSettings:
    """Options for data of one's own, as given on the command line."""

    name: str | None
    split: str | None
    seed: int
    hydrogens: bool
    overwrite: bool

    def folder(self, path: Path) -> Path:
        """Where the data set goes."""
        from molgen.datasets import find

        return find.folder_for(self.name or path.name.partition(".")[0])

    def fractions(self) -> tuple[float, float, float] | None:
        """Those of ``--split``; None where it is not given."""
        if self.split is None:
            return None
        try:
            train, valid, test = (float(word) for word in self.split.split("/"))
        except ValueError as error:
            raise typer.BadParameter(f"--split {self.split} is not three fractions such as 0.8/0.1/0.1") from error
        return train, valid, test


def qm9(
    source: Path | None,
    excluded: Path | None,
    name: str | None,
    hydrogens: bool,
    bonds: bool,
    overwrite: bool,
    workers: int,
) -> Prepared:
    """QM9, downloaded or from a local copy."""
    from molgen.cli.progress import progress_bar
    from molgen.datasets import find
    from molgen.datasets.download import download
    from molgen.datasets.packing import check_free
    from molgen.datasets.qm9 import ARCHIVE, UNCHARACTERISED
    from molgen.datasets.qm9_bonds import with_smiles
    from molgen.datasets.qm9_prepare import codes_for, prepare_qm9
    from molgen.datasets.source import open_source

    folder = find.folder_for(name or f"qm9{'' if hydrogens else '-noh'}{'-bonds' if bonds else ''}")
    check_free(folder, overwrite)
    origin = str(source) if source is not None else ARCHIVE.url
    if source is None:
        downloads = find.data_home() / "downloads"
        with progress_bar(f"downloading {ARCHIVE.name}", "bytes") as progress:
            excluded = excluded or download(UNCHARACTERISED, downloads)
            source = download(ARCHIVE, downloads, progress)
    structures, arrays = open_source(source)
    codes = codes_for(source, excluded, arrays)
    if bonds:
        structures = with_smiles(structures, arrays, source)
    with progress_bar("finding bonds" if bonds else "packing", "molecules") as progress:
        return prepare_qm9(
            structures,
            folder,
            codes=codes,
            source=origin,
            hydrogens=hydrogens,
            bonds=bonds,
            overwrite=overwrite,
            workers=workers,
            progress=progress,
        )


def geom(
    source: Path | None,
    split_files: Path | None,
    name: str | None,
    conformers: int,
    hydrogens: bool,
    overwrite: bool,
    workers: int,
) -> Prepared:
    """GEOM-Drugs from a local copy; tells the rule of its split, and the conformers that were dropped."""
    from molgen.cli.progress import progress_bar
    from molgen.datasets import find
    from molgen.datasets.geom_prepare import prepare_geom
    from molgen.datasets.geom_source import WHERE
    from molgen.datasets.packed import PackedDataset
    from molgen.datasets.packing import check_free
    from molgen.errors import MissingError

    if source is None:
        raise MissingError("molgen does not download GEOM-Drugs: no checksum of its 50 GB is known", hint=WHERE)
    folder = find.folder_for(name or f"geom-drugs{'' if hydrogens else '-noh'}")
    check_free(folder, overwrite)
    with progress_bar("cleaning", "molecules") as progress:
        made = prepare_geom(
            source,
            folder,
            conformers=conformers,
            split_files=split_files,
            hydrogens=hydrogens,
            overwrite=overwrite,
            workers=workers,
            progress=progress,
        )
    meta = PackedDataset.open(made.folder).meta
    typer.echo(f"split {meta['about']['split']}", err=True)
    if dropped := "; ".join(f"{count:,} x {kind}" for kind, count in meta["conformers"]["dropped"].items()):
        typer.echo(f"conformers dropped, of {meta['conformers']['examined']:,} examined: {dropped}", err=True)
    return made


def crystals(what: str, source: Path | None, name: str | None, overwrite: bool, workers: int) -> Prepared:
    """A published set of crystals, downloaded or from a local copy."""
    from tempfile import TemporaryDirectory

    from molgen.cli.progress import progress_bar
    from molgen.datasets import find
    from molgen.datasets.crystal_prepare import prepare_crystals
    from molgen.datasets.crystal_sets import CRYSTAL_SETS
    from molgen.datasets.download import download
    from molgen.datasets.packing import check_free

    published = CRYSTAL_SETS[what]
    folder = find.folder_for(name or what)
    check_free(folder, overwrite)
    origin = str(source)
    with TemporaryDirectory(prefix="molgen-") as scratch:
        if source is None:
            source = Path(scratch)
            origin = " ".join(remote.url for remote in published.files.values())
            for remote in published.files.values():
                with progress_bar(f"downloading {remote.name}", "bytes") as progress:
                    file = download(remote, find.data_home() / "downloads", progress)
                (source / remote.name).symlink_to(file.resolve())
        with progress_bar("reading and reducing", "crystals") as progress:
            return prepare_crystals(
                source,
                folder,
                published=published,
                origin=origin,
                overwrite=overwrite,
                workers=workers,
                progress=progress,
            )


def own(path: Path, settings: OwnSettings, workers: int | None) -> Prepared:
    """A file, archive or folder of structures; crystals by what :func:`holds_crystals` says of it."""
    from molgen.datasets.crystal_source import holds_crystals

    if holds_crystals(path):
        return _own_crystals(path, settings, workers or 1)
    if workers is not None:
        raise typer.BadParameter(f"--workers goes with crystals, and {path} holds none that are known by its name")
    return _own_molecules(path, settings)


def _own_crystals(path: Path, settings: OwnSettings, workers: int) -> Prepared:
    from molgen.cli.progress import progress_bar
    from molgen.datasets.crystal_prepare import prepare_crystals

    if not settings.hydrogens:
        raise typer.BadParameter(f"--no-hydrogens goes with molecules, and {path} holds crystals")
    with progress_bar("reading and reducing", "crystals") as progress:
        return prepare_crystals(
            path,
            settings.folder(path),
            fractions=settings.fractions(),
            seed=settings.seed,
            overwrite=settings.overwrite,
            workers=workers,
            progress=progress,
        )


def _own_molecules(path: Path, settings: OwnSettings) -> Prepared:
    from molgen.cli.progress import progress_bar
    from molgen.datasets.own import prepare_own
    from molgen.datasets.packing import check_free
    from molgen.datasets.prepare import FRACTIONS

    folder = settings.folder(path)
    check_free(folder, settings.overwrite)
    with progress_bar("packing", "structures") as progress:
        return prepare_own(
            path,
            folder,
            fractions=settings.fractions() or FRACTIONS,
            seed=settings.seed,
            hydrogens=settings.hydrogens,
            overwrite=settings.overwrite,
            progress=progress,
        )


def smiles(path: Path, settings: OwnSettings, conformers: int, limit: int | None, workers: int) -> Prepared:
    """A list of SMILES with geometries made for it."""
    from molgen.cli.progress import progress_bar
    from molgen.datasets.smiles_prepare import prepare_smiles, store_of

    folder = settings.folder(path)
    try:
        with progress_bar("embedding", "molecules") as progress:
            return prepare_smiles(
                path,
                folder,
                fractions=settings.fractions(),
                seed=settings.seed,
                conformers=conformers,
                limit=limit,
                hydrogens=settings.hydrogens,
                overwrite=settings.overwrite,
                workers=workers,
                progress=progress,
            )
    except KeyboardInterrupt:
        if kept := store_of(folder).molecules():
            typer.echo(f"{kept:,} molecules are kept; the same command goes on with the others", err=True)
        raise


def report(made: Prepared) -> None:
    """What was made on stdout; what was left out on stderr, with exit code 5 for unreadable records."""
    from molgen.datasets.left_out import left_out_lines, noun, repeated_lines
    from molgen.datasets.packed import PackedDataset
    from molgen.datasets.unsanitised import unsanitised_lines
    from molgen.errors import PartialError

    data = PackedDataset.open(made.folder)
    counts = "  ".join(f"{key} {count:,}" for key, count in data.meta["splits"].items())
    typer.echo(f"{data.name}: {len(data):,} structures ({counts}) in {made.folder}")
    typer.echo(f"fingerprint {data.fingerprint}")
    if missing := sum(data.meta.get("missing", {}).values()):
        parts = ", ".join(f"{key} {count:,}" for key, count in data.meta["missing"].items())
        typer.echo(f"the source lacks {missing:,} {noun(data.meta)} of this data set: {parts}", err=True)
    if not data.meta["splits"]["train"]:
        typer.echo(f"no train split: {data.name} serves for scoring, not for training", err=True)
    for line in (*left_out_lines(data.meta), *repeated_lines(data.meta), *unsanitised_lines(data.meta)):
        typer.echo(line, err=True)
    for what, count in data.meta["not_kept"].items():
        typer.echo(f"not kept: {what} of {count:,} structures", err=True)
    if made.skipped.total:
        total = sum(data.meta.get("molecules", data.meta["splits"]).values()) + made.skipped.total
        raise PartialError(
            f"{made.skipped.total:,} of {total:,} records could not be used: {'; '.join(made.skipped.lines())}",
            hint=f"the data set {data.name} holds the others",
        )
