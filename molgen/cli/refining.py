"""Relaxing, and ranking, what `molgen sample` made: its options --relax and --rank."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from molgen.cli.rank import FORMAT, Order, check_out, write_ranked

if TYPE_CHECKING:
    from molgen.errors import PartialError

CALCULATOR = "chgnet"


@dataclass(frozen=True)
class Refining:
    """What is done after sampling.

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

    @property
    def sampled(self) -> Path:
        """Where the samples go."""
        return beside(self.out, "sampled.extxyz")

    @property
    def relaxed(self) -> Path:
        """Where the relaxed crystals go."""
        return beside(self.out, "relaxed.extxyz")

    def check(self, periodic: bool, trajectory: Path | None) -> None:
        """Raise now what would fail after sampling.

        Args:
            periodic: Whether the model makes crystals.
            trajectory: Where paths of samples go.
        """
        from molgen.errors import ConfigError
        from molgen.scoring.hull_building import crystal_potential
        from molgen.scoring.hull_file import read_hull
        from molgen.scoring.ranking import ranked

        if not periodic:
            raise typer.BadParameter("--relax and --rank are for crystals; molgen relax relaxes molecules, too")
        path = check_out(self.out, self.overwrite or self._is_ours())
        if trajectory is not None and trajectory.absolute() in (p.absolute() for p in (path, self.relaxed)):
            raise ConfigError(f"--trajectory {trajectory} is not the name of an .extxyz file of its own")
        potential = crystal_potential(self.calculator)
        known = None if self.order.hull is None else read_hull(self.order.hull)
        if known is not None and known.calculator and known.energies != potential.energy_version:
            raise ConfigError(
                f"--hull {self.order.hull} is of {known.energies}, and --calculator is {potential.energy_version}",
                hint="molgen data hull makes one of this potential",
            )
        if self.order.by is not None:
            ranked([], self.order.by, known)

    def finish(self) -> PartialError | None:
        """Relax the samples and write the result; gives what is to be raised in the end."""
        from molgen.cli.relax import relax_crystals
        from molgen.errors import PartialError

        missing: PartialError | None = None
        try:
            relax_crystals(self.sampled, self.relaxed, self.calculator, self.workers, self.overwrite)
        except PartialError as error:
            missing = error
        return write_ranked(str(self.relaxed), self.out, self.order) or missing

    def _is_ours(self) -> bool:
        """Whether what is in ``out`` was made of the crystals beside it, so that it may be made again."""
        path = Path(self.out)
        try:
            document = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
            return bool(document["format"] == FORMAT and document["source"] == str(self.relaxed))
        except (OSError, ValueError, KeyError, TypeError):
            return False


def refining(
    out: str,
    relax: bool,
    rank: str | None,
    calculator: str | None,
    hull: str | None,
    workers: int | None,
    symmetrise: float | None,
    overwrite: bool,
) -> Refining | None:
    """What the options ask for, if anything; the arguments are those of the command line."""
    if hull is not None and rank is None:
        raise typer.BadParameter("--hull goes with --rank")
    if not relax and rank is None:
        given = {"--calculator": calculator, "--workers": workers}
        if alone := [name for name, value in given.items() if value is not None]:
            raise typer.BadParameter(f"{', '.join(alone)}: for --relax or --rank, which are not given")
        return None
    if workers == 0:
        raise typer.BadParameter("need 1 or more, or -1 for one per core", param_hint="--workers")
    return Refining(out, calculator or CALCULATOR, Order(rank, hull, symmetrise), workers or 1, overwrite)


def beside(out: str, ending: str) -> Path:
    """``sampled.extxyz`` -> ``x.sampled.extxyz`` beside ``x.cif.gz`` or the folder ``x/``."""
    path = Path(out)
    name = path.name if out.endswith("/") else Path(path.name.removesuffix(".gz")).stem
    return path.with_name(f"{name or 'crystals'}.{ending}")
