"""`molgen rank`: relaxed crystals in the order of their energies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from molgen.errors import PartialError
    from molgen.scoring.ranking import Ranking
    from molgen.structure import Structure

FORMAT = "molgen-ranked-1"
SHOWN = 10


def rank(
    source: Annotated[str, typer.Argument(metavar="A", help="Crystals that molgen relax wrote.")],
    out: Annotated[str, typer.Option("--out", "-o", help="File: .extxyz, .cif, .zip or FOLDER/ of CIFs.")],
    by: Annotated[str, typer.Option(help="energy: per atom, within each composition; hull: energy above it.")] = (
        "energy"
    ),
    hull: Annotated[
        str | None, typer.Option(help="Reference energies: a file that molgen data hull made, or mp20_all_chgnet.")
    ] = None,
    symmetrise: Annotated[float | None, typer.Option(help="Make crystals symmetric; tolerance in angstrom.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Sort relaxed crystals by energy and leave out repetitions: polymorphs, the most stable first.

    Each has its rank, how often it was found, its energy above the lowest of its composition, and with --hull its
    energy above the hull of known compounds and which compete with it. OUT.json holds settings and counts.

    Exit code 5: some crystals have no energy or did not converge; they are counted and left out.

    Example: molgen rank relaxed.extxyz -o polymorphs/ --hull mp20_all_chgnet
    """
    from molgen.chemistry.crystal_export import check_tolerance

    if symmetrise is not None:
        check_tolerance(symmetrise)
    if check_out(out, overwrite).absolute() == Path(source).absolute():
        raise typer.BadParameter(f"{out} is the file that is read; name another")
    if missing := write_ranked(source, out, Order(by, hull, symmetrise)):
        raise missing


@dataclass(frozen=True)
class Order:
    """How crystals are ranked and handed out.

    Attributes:
        by: One of ``molgen.scoring.ranking.ORDERS``; None leaves all crystals as they come.
        hull: What ``read_hull`` takes.
        symmetrise: Tolerance in angstrom at which they are made symmetric.
    """

    by: str | None
    hull: str | None
    symmetrise: float | None


def write_ranked(source: str, out: str, order: Order) -> PartialError | None:
    """Rank the crystals of a file and write them; says what came out. Gives what is to be raised in the end.

    Raises:
        InputError: None of them has an energy; nothing is written.
    """
    from molgen.errors import InputError, PartialError
    from molgen.io import open_writer, read, target_of
    from molgen.io.members import take_over

    target = target_of(out)
    made = _ranking(list(read(source)), order)
    shown = _exported(made, ".cif" in target.format.extensions, order.symmetrise)
    reasons = "; ".join(f"{count:,} x {reason}" for reason, count in made.unranked.most_common())
    if not shown:
        why = reasons or "it has none"
        raise InputError(f"no crystal of {source} can be ranked ({why})", hint="molgen relax makes such files")
    counts = {"written": len(shown), "unranked": dict(made.unranked), "no_reference": dict(made.off_hull)}
    document = {"format": FORMAT, "source": source, "settings": vars(order), **counts}
    partial = target.beside(".partial.")
    with open_writer(partial) as writer:
        for crystal in shown:
            writer.write(crystal)
    _sidecar(target.path).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    take_over(target_of(partial), target)
    typer.echo(_table(shown[:SHOWN]), err=True)
    more = f"; the best {SHOWN} are above" if len(shown) > SHOWN and order.by else ""
    typer.echo(f"{len(shown):,} crystals in {out}{more}", err=True)
    for reason, count in made.off_hull.most_common():
        typer.echo(f"energy above the hull unknown: {count:,} x {reason}", err=True)
    if not made.unranked:
        return None
    return PartialError(f"{made.unranked.total():,} crystals are left out ({reasons})", hint=f"{source} has all")


def _exported(made: Ranking, sites: bool, tolerance: float | None) -> list[Structure]:
    """The crystals as they are handed out; those that cannot be are counted as left out.

    Args:
        made: The ranking, whose counts grow.
        sites: Whether the format knows sites only, not atoms in one place.
        tolerance: In angstrom, for symmetric ones.
    """
    from molgen.chemistry.crystal_export import exported
    from molgen.errors import InputError

    shown = []
    for crystal in made.crystals:
        try:
            shown.append(exported(crystal, tolerance, sites=sites))
        except InputError as error:
            made.unranked[str(error).partition(":")[0]] += 1
    return shown


def _ranking(crystals: list[Any], order: Order) -> Ranking:
    from molgen.scoring.hull_file import read_hull
    from molgen.scoring.ranking import Ranking, ranked

    if order.by is None:
        return Ranking(crystals)
    known = None if order.hull is None else read_hull(order.hull)
    if known is not None and not known.calculator:
        typer.echo("note: the hull names no potential; that its energies are of one kind is on trust", err=True)
    return ranked(crystals, order.by, known)


def _table(crystals: list[Any]) -> str:
    """The first crystals in words."""
    from molgen.scoring.ranking import ABOVE_HULL, ABOVE_LOWEST, RANK, TIMES
    from molgen.scoring.relaxed_properties import ENERGY_PER_ATOM

    columns = {
        "rank": (RANK, "d"), "times": (TIMES, "d"), "formula": ("formula", "s"), "group": ("space_group", "s"),
        "atoms": ("", "d"), "eV/atom": (ENERGY_PER_ATOM, ".4f"), "above lowest": (ABOVE_LOWEST, ".4f"),
        "above hull": (ABOVE_HULL, ".4f"),
    }  # fmt: skip
    rows = [list(columns)]
    for crystal in crystals:
        values = [(crystal.properties.get(key) if key else len(crystal), form) for key, form in columns.values()]
        rows.append(["" if value is None else format(value, form) for value, form in values])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def check_out(out: str, overwrite: bool) -> Path:
    """Where the result goes.

    Raises:
        ConfigError, InputError: It holds no crystals in bulk.
        OutputError: It is there already, or the name of its sidecar is, and ``overwrite`` is False.
    """
    from molgen.errors import OutputError
    from molgen.sampling.output import check_format

    path = check_format(out, periodic=True).path
    taken = path.exists() and not (path.is_dir() and not any(path.iterdir()))
    for one, is_taken in ((path, taken), (_sidecar(path), _sidecar(path).exists())):
        if is_taken and not overwrite:
            raise OutputError(f"{one} exists already", hint="add --overwrite to replace it, or name another file")
    return path


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
