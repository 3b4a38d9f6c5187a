"""`molgen rank`, and what `molgen sample --relax --rank` does after sampling."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from molgen.errors import PartialError
    from molgen.scoring.ranking import Ranking

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

    Exit code 5: some crystals have no energy.

    Example: molgen rank relaxed.extxyz -o polymorphs/ --hull mp20_all_chgnet
    """
    from molgen.chemistry.crystal_export import check_tolerance

    if symmetrise is not None:
        check_tolerance(symmetrise)
    _check(out, overwrite)
    if missing := write_ranked(source, out, Order(by, hull, symmetrise)):
        raise missing


@dataclass(frozen=True)
class Order:
    """How crystals are ranked and handed out.

    Attributes:
        by: One of ``molgen.scoring.ranking.ORDERS``; None leaves all as they come.
        hull: What ``read_hull`` takes.
        symmetrise: Tolerance in angstrom at which they are made symmetric.
    """

    by: str | None
    hull: str | None
    symmetrise: float | None


def write_ranked(source: str, out: str, order: Order) -> PartialError | None:
    """Rank the crystals of a file and write them; says what came out. Gives what is to be raised in the end."""
    from molgen.chemistry.crystal_export import exported
    from molgen.errors import PartialError
    from molgen.io import open_writer, read, target_of
    from molgen.io.members import take_over

    made = _ranking(list(read(source)), order)
    target = target_of(out)
    partial = target.beside(".partial.")
    with open_writer(partial) as writer:
        shown = [exported(crystal, order.symmetrise) for crystal in made.crystals]
        for crystal in shown:
            writer.write(crystal)
    take_over(target_of(partial), target)
    counts = {"written": len(shown), "unranked": dict(made.unranked), "no_reference": dict(made.off_hull)}
    document = {"format": FORMAT, "source": source, "settings": vars(order), **counts}
    sidecar = target.path.with_name(f"{target.path.name}.json")
    sidecar.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    typer.echo(_table(shown[:SHOWN]), err=True)
    more = f"; the best {SHOWN} are above" if len(shown) > SHOWN else ""
    typer.echo(f"{len(shown):,} crystals in {out}{more}", err=True)
    for reason, count in made.off_hull.most_common():
        typer.echo(f"energy above the hull unknown: {count:,} x {reason}", err=True)
    if not made.unranked:
        return None
    reasons = "; ".join(f"{count:,} x {reason}" for reason, count in made.unranked.most_common())
    return PartialError(
        f"{made.unranked.total():,} crystals have no energy ({reasons})", hint=f"{source} says why of each"
    )


def _ranking(crystals: list[Any], order: Order) -> Ranking:
    from molgen.scoring.hull_file import read_hull
    from molgen.scoring.ranking import Ranking, ranked

    if order.by is None:
        return Ranking(crystals)
    return ranked(crystals, order.by, None if order.hull is None else read_hull(order.hull))


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


@dataclass(frozen=True)
class Refining:
    """Relaxing, and ranking, what ``molgen sample`` made.

    Attributes:
        out: Where the result goes; the samples and the relaxed crystals lie beside it.
        calculator: Of the energies.
        order: How the result is sorted.
        workers: Processes that relax.
        overwrite: Replace what is there.
    """

    out: str
    calculator: str
    order: Order
    workers: int
    overwrite: bool

    def check(self) -> None:
        """Raise now what would fail after sampling."""
        from molgen.scoring.hull_building import crystal_potential
        from molgen.scoring.hull_file import read_hull

        _check(self.out, self.overwrite, own=True)
        crystal_potential(self.calculator)
        if self.order.hull is not None:
            read_hull(self.order.hull)
        _ranking([], self.order)

    def beside(self, what: str) -> Path:
        """``"sampled"`` -> ``x.sampled.extxyz`` beside ``x.cif``."""
        path = Path(self.out)
        return path.with_name(f"{Path(path.name.removesuffix('.gz')).stem or 'crystals'}.{what}.extxyz")

    def finish(self) -> PartialError | None:
        """Relax the samples and write the result; gives what is to be raised in the end."""
        from molgen.cli.relax import relax_crystals
        from molgen.errors import PartialError

        missing: PartialError | None = None
        relaxed = self.beside("relaxed")
        try:
            relax_crystals(self.beside("sampled"), relaxed, self.calculator, self.workers, self.overwrite)
        except PartialError as error:
            missing = error
        return write_ranked(str(relaxed), self.out, self.order) or missing


def _check(out: str, overwrite: bool, *, own: bool = False) -> None:
    """Raise where OUT cannot be written, or is there already, unless it is ``own``: a file of ranked crystals."""
    from molgen.errors import OutputError
    from molgen.sampling.output import check_format

    path = check_format(out, periodic=True).path
    if overwrite or not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    try:
        document = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
        if own and document.get("format") == FORMAT:
            return
    except (OSError, ValueError, AttributeError):
        pass
    raise OutputError(f"{path} exists already", hint="add --overwrite to replace it, or name another file")
