"""What `molgen sample` does with a Wyckoff Transformer: genes as JSON lines, continued when run again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from molgen.errors import PartialError
    from molgen.sampling.gene_file import GeneFile
    from molgen.sampling.gene_request import GeneRequest
    from molgen.sampling.generator import Generator
    from molgen.sampling.output import SampleFile
    from molgen.sampling.sizes import Plan


REALISER = "crystalflow_mp20_genes"
"""Model that makes crystals of genes, where no other is named."""


def options_shared_out(
    generator: Generator, options: dict[str, str], only_genes: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """Settings of the sampler by name: those of the model of genes, and the rest, which is for the one of crystals."""
    own = {name.removeprefix("sample_") for name in vars(generator.model.config)}
    if only_genes:
        return options, {}
    return {k: v for k, v in options.items() if k in own}, {k: v for k, v in options.items() if k not in own}


@dataclass(frozen=True)
class GeneOptions:
    """Options of the command line that a model of genes takes, as they were written, None where they were not."""

    spacegroup: str | None = None
    atoms: str | None = None
    max_atoms: int | None = None
    formula: str | None = None
    units: str | None = None
    system: str | None = None
    charge_balanced: bool = False

    def with_balance(self, options: dict[str, str]) -> dict[str, str]:
        """Settings of the sampler with the share of charge-unbalanced genes that is kept, where that is stated.

        Raises:
            typer.BadParameter: It is stated twice, or beside a formula.
        """
        stated = "unbalanced" in options
        if stated and self.charge_balanced:
            raise typer.BadParameter("--charge-balanced is --set unbalanced=0; give one of them")
        if stated and self.formula is not None:
            raise typer.BadParameter("--set unbalanced has no place beside --formula, which states all atoms")
        if self.formula is not None:
            return options | {"unbalanced": "1"}
        return options | {"unbalanced": "0"} if self.charge_balanced else options

    def request(self, generator: Generator) -> GeneRequest:
        """What is asked for.

        Raises:
            typer.BadParameter: Two options exclude each other.
            MolgenError: A value cannot be used, or nothing can be what was asked for.
        """
        from molgen.sampling.formula import parse_units
        from molgen.sampling.gene_request import GeneRequest
        from molgen.sampling.sizes import parse_atoms
        from molgen.symmetry.groups import group_number

        if self.atoms is not None and self.max_atoms is not None:
            raise typer.BadParameter("--max-atoms 20 is --atoms 1-20; give one of them")
        alone = {"chemical-system": self.system, "atoms": self.atoms, "max-atoms": self.max_atoms}
        for name, value in (alone | {"charge-balanced": self.charge_balanced or None}).items():
            if self.formula is not None and value is not None:
                raise typer.BadParameter(
                    f"--{name} has no place beside --formula, which states all atoms; leave it out"
                )
        if self.units is not None and self.formula is None:
            raise typer.BadParameter("--num-formula-units needs a --formula")
        atoms = (1, self.max_atoms) if self.max_atoms is not None else None
        return GeneRequest.of(
            generator.model.data,
            groups=None if self.spacegroup is None else [group_number(one) for one in self.spacegroup.split(",")],
            atoms=parse_atoms(self.atoms) if self.atoms is not None else atoms,
            chemical_system=self.system,
            formula=self.formula,
            formula_units=None if self.units is None else parse_units(self.units),
        )


def sample_genes(
    generator: Generator,
    given: GeneOptions,
    out: Path,
    n: int,
    seed: int,
    *,
    precision: str,
    options: dict[str, str],
    overwrite: bool,
    ends: bool,
) -> PartialError | None:
    """Make ``n`` genes and write them to ``out``.

    Args:
        generator: A model of genes.
        given: What is asked for.
        out: JSON lines, perhaps gzipped.
        n: Genes.
        seed: Of everything random.
        precision: ``32`` or ``bf16``.
        options: Settings of the model's sampler by name.
        overwrite: Replace a file of other settings.
        ends: Whether genes are all that is wanted.

    Returns:
        Where they are not all, what to raise once the crystals are made if fewer than ``n`` could be; else None.

    Raises:
        PartialError: Fewer than ``n`` could be made, and genes are all that is wanted, or there are none.
        MolgenError: See :meth:`GeneOptions.request`; the file belongs to something else or cannot be written.
    """
    from molgen.sampling.gene_runs import plan_genes
    from molgen.sampling.settings import check_precision, configured, options_of

    check_precision(precision)
    request, data = given.request(generator), generator.model.data
    if request.atoms is not None and request.atoms[1] > data.max_atoms:
        typer.echo(f"note: the training set has at most {data.max_atoms} atoms in the primitive cell", err=True)
    for remark in [] if request.compositions is None else request.compositions.remarks:
        typer.echo(f"note: {remark}", err=True)
    chosen = options_of(generator.model.config, given.with_balance(options))
    model = configured(generator.model, chosen)
    plan = plan_genes(model.data, request, n, seed)
    choices = {"n": n, "seed": seed, "precision": precision, "options": chosen, **request.settings}
    choices |= {"solver": model.default_solver, "steps": model.default_steps, "spacing": model.default_spacing}
    with _file(generator, plan, out, choices, overwrite) as file:
        if file.chunks_done:
            typer.echo(f"continuing {out}: {file.written:,} of {n:,} genes are there", err=True)
        try:
            for part in _rounds(file, model, request, plan):
                _fill(file, model, request, part, precision)
        except KeyboardInterrupt:
            typer.echo(f"{file.written:,} genes are kept in {out}; the same command continues", err=True)
            raise
    return _conclude(file, n, generator, ends=ends)


def _file(generator: Generator, plan: Plan, out: Path, choices: dict[str, Any], overwrite: bool) -> GeneFile:
    from molgen.cli.sampled import facts_of
    from molgen.sampling.gene_file import GeneFile

    decisive = {"checkpoint_sha256": generator.sha256(), **choices, "device": generator.device.partition(":")[0]}
    return GeneFile(out, decisive, facts_of(generator), len(plan.chunks), count=_counted, overwrite=overwrite)


def _counted(gene: Any) -> dict[str, int]:
    return {"p1": int(gene.number == 1)}


def _rounds(file: SampleFile, model: Any, request: GeneRequest, first: Plan) -> Iterator[tuple[Plan, int]]:
    """Each round's plan, and how many chunks came before it."""
    from molgen.sampling.gene_runs import plan_genes
    from molgen.sampling.output import rounds_of

    return rounds_of(file, first, lambda number, seed: plan_genes(model.data, request, number, seed), by_chance=True)


def _fill(
    file: SampleFile,
    model: Any,
    request: GeneRequest,
    part: tuple[Plan, int],
    precision: str,
) -> None:
    """Make the chunks of a round that the file lacks and write each as it comes."""
    from molgen.cli.progress import progress_bar
    from molgen.sampling.gene_runs import make_genes

    plan, before = part
    with progress_bar("sampling" if not before else "replacing", "genes") as report:
        first = max(0, file.chunks_done - before)
        began = time.perf_counter()
        for _, genes, problems in make_genes(model, plan, request, precision=precision, first=first, progress=report):
            file.add(genes, time.perf_counter() - began, problems)
            began = time.perf_counter()


def _conclude(file: SampleFile, n: int, generator: Generator, *, ends: bool) -> PartialError | None:
    from molgen.errors import PartialError

    rate = f", {file.state['molecules_per_second']:,} genes/s" if file.state["molecules_per_second"] else ""
    typer.echo(f"{file.written:,} genes in {file.path}{rate}; provenance in {file.sidecar}", err=True)
    typer.echo(f"{file.counts.get('p1', 0):,} without symmetry (space group P1)", err=True)
    for kind, one in file.rejected.items():
        typer.echo(f"not written: {one['count']:,} x {kind} ({one['first']})", err=True)
    if 0 < (kept := file.state["settings"]["options"]["unbalanced"]) < 1:
        typer.echo(f"of genes that are not charge balanced {kept:.0%} are kept (--set unbalanced={kept:g})", err=True)
    if file.written < n:
        hint = f"{file.sidecar} counts the reasons; another request, or more of them"
        missing = PartialError(f"{file.written:,} of {n:,} genes could be made", hint=hint)
        if ends or not file.written:
            raise missing
        return missing
    if not ends:
        return None
    dataset = generator.checkpoint.provenance.get("dataset", "mp20")
    typer.echo(f"next: molgen score {file.path} --reference {dataset}", err=True)
    typer.echo(f"crystals: molgen sample {REALISER} --genes {file.path} -o crystals.extxyz", err=True)
    return None
