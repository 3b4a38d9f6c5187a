"""`molgen convert`: from one file format, or a data set, to another."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial as partial_of
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from molgen.cli.progress import Report
    from molgen.io import Skipped, Target, Writer
    from molgen.structure import Structure

_REPORT_EVERY = 100


def convert(
    source: Annotated[
        str, typer.Argument(metavar="A", help="A file, folder or zip, or a data set: NAME[:split]; genes.")
    ],
    target: Annotated[str, typer.Argument(metavar="B", help="The file to make; its ending says the format.")],
    bonds: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="Bonds in B: file (those of A), lookup, xyz2mol or openbabel (from coordinates), none; auto is file "
            "where A states bonds, else xyz2mol.",
        ),
    ] = "auto",
    niggli: Annotated[bool, typer.Option("--niggli", help="Crystals in their right-handed Niggli cell.")] = False,
    symmetrise: Annotated[
        float | None,
        typer.Option(help="Crystals also exactly symmetric, in the space group found at this tolerance in angstrom."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random coordinates for genes.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace B if it exists.")] = False,
) -> None:
    """Copy structures from one format to another.

    Formats by ending: .sdf .mol .xyz .extxyz .smi .smiles .cif .vasp .poscar; .gz may follow. B.zip and B/ hold one CIF
    for each structure, B.poscar.zip and B.poscar/ one POSCAR. Geometries for SMILES are made with ETKDG and MMFF94.
    --niggli and --symmetrise label crystals with formula and space group; a symmetrised crystal's CIF holds the
    conventional cell with its operations. Genes (A.jsonl) become crystals of their space group and orbits with random
    free parameters, no two atoms nearer than 0.7 of their covalent radii, in the cell that a gene states or a plausible
    one: to be relaxed. Where B holds bonds and A states none, they are perceived, with formal
    charges, and stderr says so. Unreadable records and structures whose bonds cannot be perceived are counted by reason
    on stderr and give exit code 5; the latter are written without bonds.

    Examples: molgen convert molecules.xyz molecules.sdf.gz; molgen convert crystals.extxyz cifs/ --symmetrise 0.1
    """
    from molgen.cli.progress import progress_bar
    from molgen.errors import InputError
    from molgen.io import Skipped, open_writer, target_of
    from molgen.io.members import remove, take_over

    final = target_of(target)
    _check(source, final, bonds, overwrite)
    change = _change(niggli, symmetrise)
    # The ending stays last: it names the format of the unfinished file too.
    partial = final.beside(".partial.")
    counts = _Counts(Skipped(), Skipped(), Skipped())
    writer = open_writer(partial)
    try:
        with writer, progress_bar("converting", "structures") as report:
            _copy(_opened(source, seed, counts.skipped), writer, bonds, change, counts, report)
        if not writer.count:
            raise InputError(f"nothing in {source} could be converted: {'; '.join(counts.skipped.lines())}")
        take_over(target_of(partial), final)
    except BaseException:
        if writer.count:
            typer.echo(f"unfinished: the first {writer.count:,} structures are in {partial}", err=True)
        else:
            remove(target_of(partial))
        raise
    typer.echo(f"{writer.count:,} structures written to {target}", err=True)
    _summarise(source, final.path, bonds, writer.count, counts)


@dataclass
class _Counts:
    """What became of the structures.

    Attributes:
        skipped: Those not written, by reason.
        unbonded: Those written without the bonds that were asked for, by reason.
        assumed: Those whose bonds rest on an assumption, by what was assumed.
        perceived: How many got bonds, by bond source.
        lost: How many state what the format has no place for.
    """

    skipped: "Skipped"
    unbonded: "Skipped"
    assumed: "Skipped"
    perceived: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)


def _change(niggli: bool, symmetrise: float | None) -> "Callable[[Structure], Structure] | None":
    """What is done to each structure; None for nothing."""
    if symmetrise is None and not niggli:
        return None
    from molgen.chemistry.crystal_export import check_tolerance, exported

    return partial_of(exported, tolerance=None if symmetrise is None else check_tolerance(symmetrise))


def _check(source: str, final: "Target", bonds: str, overwrite: bool) -> None:
    from molgen.chemistry.perception import check_source
    from molgen.errors import ConfigError, InputError, OutputError

    target, known = final.path, final.format
    if bonds != "none":
        try:
            check_source(bonds)
        except ConfigError as error:
            raise ConfigError(str(error), hint=f"{error.hint}, none") from error
    if bonds in ("lookup", "xyz2mol", "openbabel") and "bonds" not in known.keeps:
        raise InputError(f"{target.name} has no place for bonds", hint="write to .sdf, or leave --bonds out")
    if not target.exists():
        return
    if Path(source).exists() and target.samefile(source):
        raise InputError(f"{source} and {target} are the same file", hint="name another file for B")
    if final.container == "folder" and not any(target.iterdir()):
        return
    if not overwrite:
        raise OutputError(f"{target} exists already", hint="add --overwrite to replace it, or name another file")


def _opened(source: str, seed: int, skipped: "Skipped") -> "Iterator[Structure]":
    """The structures of a source; those of genes are random."""
    from molgen.datasets.find import open_structures
    from molgen.symmetry.lines import is_gene_file

    return _realised(source, seed, skipped) if is_gene_file(source) else open_structures(source, on_error=skipped.add)


def _realised(source: str, seed: int, skipped: "Skipped") -> "Iterator[Structure]":
    import numpy as np

    from molgen.errors import InputError
    from molgen.symmetry.lines import read_genes
    from molgen.symmetry.random_atoms import random_crystal

    for index, gene in enumerate(read_genes(source, on_error=lambda line, reason: skipped.add(line - 1, reason))):
        try:
            yield random_crystal(gene, np.random.default_rng((seed, index)))
        except InputError as error:
            skipped.add(index, str(error))


def _copy(
    structures: "Iterator[Structure]",
    writer: "Writer",
    bonds: str,
    change: "Callable[[Structure], Structure] | None",
    counts: _Counts,
    report: "Report",
) -> None:
    """Stream the source into the writer."""
    from molgen.errors import InputError

    for structure in structures:
        # What was read and what was skipped so far add up to the number of this record.
        index = writer.count + counts.skipped.total
        bonded, problem = structure, ""
        if "bonds" in writer.format.keeps:
            bonded, problem = _with_bonds(structure, bonds, index, counts)
        try:
            writer.write(bonded if change is None else change(bonded))
        except InputError as error:
            counts.skipped.add(index, problem or str(error))
            continue
        if problem:
            counts.unbonded.add(index, problem)
        for what in ("charges", "bonds", "lattice", "properties"):
            value = getattr(structure, what)
            if what not in writer.format.keeps and value is not None and len(value):
                if what == "charges" and not value.any():
                    continue
                counts.lost[what] = counts.lost.get(what, 0) + 1
        if writer.count % _REPORT_EVERY == 0:
            report(writer.count, None)
    report(writer.count, None)


def _with_bonds(structure: "Structure", bonds: str, index: int, counts: _Counts) -> tuple["Structure", str]:
    """The structure with the bonds that were asked for, and why it has none if it should."""
    from molgen.chemistry.perception import perceive

    if bonds == "none":
        return structure.replace(bonds=None), ""
    if bonds == "auto":
        # Bonds of a crystal cross the faces of its cell; none of the sources looks there.
        if structure.bonds is not None or structure.lattice is not None:
            return structure, ""
        bonds = "xyz2mol"
    found = perceive(structure, bonds)
    if found.reason:
        return structure.replace(bonds=None), found.reason
    if found.note:
        counts.assumed.add(index, found.note)
    if bonds != "file":
        counts.perceived[bonds] = counts.perceived.get(bonds, 0) + 1
    return found.structure, ""


def _summarise(source: str, target: Path, bonds: str, written: int, counts: _Counts) -> None:
    from molgen.errors import PartialError

    for name, count in counts.perceived.items():
        why = f" ({source} states none; --bonds none leaves them out)" if bonds == "auto" else ""
        typer.echo(f"bonds of {count:,} structures perceived by {name}{why}", err=True)
    for line in counts.assumed.lines():
        typer.echo(f"assumed for bonds: {line}", err=True)
    if counts.lost:
        named = ", ".join(f"{what} ({count:,})" for what, count in counts.lost.items())
        typer.echo(f"{target.name} has no place for some of what {source} states: {named}", err=True)
    for line in counts.unbonded.lines():
        typer.echo(f"without bonds: {line}", err=True)
    for line in counts.skipped.lines():
        typer.echo(f"skipped: {line}", err=True)
    problems = []
    if total := counts.skipped.total:
        problems.append(f"{total:,} of {total + written:,} structures were skipped")
    if total := counts.unbonded.total:
        problems.append(f"{total:,} of {written:,} structures were written without bonds")
    if problems:
        raise PartialError("; ".join(problems))
