"""`molgen sample`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from molgen.sampling.conditions import Condition
    from molgen.sampling.generator import Generator
    from molgen.sampling.settings import Settings

_OUT = "File: .sdf (with bonds), .extxyz, .xyz, + .gz; crystals: .extxyz, .cif, .zip, FOLDER/ of CIFs; genes: .jsonl."


def sample(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint or run folder, weights file, or name in checkpoints/.")],
    out: Annotated[str, typer.Option("--out", "-o", help=_OUT)],
    n: Annotated[int | None, typer.Option("-n", "--number", min=1, help="Structures; default 1,000.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Solver steps; default the model's own number.")] = None,
    solver: Annotated[str | None, typer.Option(help="One of the model's; EDM: ancestral, ddim, dpm, dpm_sde.")] = None,
    spacing: Annotated[float | None, typer.Option(help="Exponent of the times; above 1, more near t = 0.")] = None,
    atoms: Annotated[str | None, typer.Option(help="Number of atoms, 19 or 10-20; default as trained on.")] = None,
    formula: Annotated[str | None, typer.Option(help="Composition, C7H10O2 (with hydrogens) or LiFePO4.")] = None,
    num_formula_units: Annotated[str | None, typer.Option(help="Formula units in a crystal's cell, 2 or 1..4.")] = None,
    spacegroup: Annotated[str | None, typer.Option(help="Of genes: 225, Fm-3m, or several: 221,225.")] = None,
    max_atoms: Annotated[int | None, typer.Option(min=1, help="Of genes: most atoms in the primitive cell.")] = None,
    charge_balanced: Annotated[bool, typer.Option("--charge-balanced", help="Genes of ions or alloys.")] = False,
    chemical_system: Annotated[str | None, typer.Option(help="Elements of every crystal, Li-Mn-O.")] = None,
    targets: Annotated[str | None, typer.Option(help="File or data set (mp20:test) to predict.")] = None,
    per_target: Annotated[int | None, typer.Option("-k", "--per-target", min=1, help="Structures for each.")] = None,
    templates: Annotated[str | None, typer.Option(help="Known crystals to begin with: mp20, or a file.")] = None,
    fragment: Annotated[Path | None, typer.Option(help="File whose first molecule is kept and grown.")] = None,
    fragment_atoms: Annotated[str | None, typer.Option(help="Its atoms to keep, from 0: 0,1,4-6; default all.")] = None,
    genes: Annotated[Path | None, typer.Option(help="File of genes, .jsonl: space groups and orbits to keep.")] = None,
    realise: Annotated[str | None, typer.Option(help="Makes crystals of genes; crystalflow_mp20_genes.")] = None,
    symmetrise: Annotated[float | None, typer.Option(help="Make crystals symmetric; tolerance in angstrom.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Setting of the model's sampler, name=value.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Structures at once; the result is the same.")] = None,
    relax: Annotated[bool, typer.Option("--relax", help="Relax crystals, atoms and cell.")] = False,
    rank: Annotated[str | None, typer.Option(help="Relax, leave out repetitions, sort by energy or hull.")] = None,
    calculator: Annotated[str | None, typer.Option(help="Of --relax: chgnet (usual), or ASE's module:factory.")] = None,
    hull: Annotated[str | None, typer.Option(help="Reference energies for --rank; mp20_all_chgnet ships.")] = None,
    workers: Annotated[int | None, typer.Option(min=-1, help="Processes that relax; -1 for one per core.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    precision: Annotated[str, typer.Option(help="32, or bf16 for the network's matrix products.")] = "32",
    trajectory: Annotated[Path | None, typer.Option(help="Paths of the first four structures, .extxyz.")] = None,
    trajectory_every: Annotated[int, typer.Option(min=1, help="Steps between their frames.")] = 10,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files instead of continuing.")] = False,
) -> None:  # fmt: skip
    """Make molecules or crystals. The same command again continues where it stopped; OUT.json holds the provenance.

    A model with bonds writes its own bonds and charges; in .sdf each molecule says whether RDKit sanitises it
    (sanitised, else sanitise_error) and whether it is one piece (connected), and OUT.json counts them. Other models'
    bonds are looked up by distance. With --fragment the given atoms come first, where they are in the file.

    Crystals are written in their right-handed Niggli cell with formula and space group (found at 0.1 angstrom, or at
    the tolerance of --symmetrise, which makes them exactly symmetric; a CIF then holds the operations). With
    --num-formula-units the structures are shared out among the numbers that fit the training set's cells. With
    --chemical-system those that lack an element are rejected, counted, and replaced. With --targets each structure
    says in property target whose composition it has, for the match scores. With --templates the k-th crystal of a
    composition begins as the k-th best known crystal (of a data set's train split) with its elements exchanged, and is
    refined, without noise; property template names it. A dozen steps are enough. With --genes each crystal keeps the
    space group and the orbits of its gene, and the cell where the gene states one; target names the gene, and
    asked_space_group its group, which the space group found is compared with.

    With --relax OUT holds the relaxed crystals, as molgen relax makes them; samples and relaxed crystals with the
    provenance of each lie beside it, in OUT.sampled.extxyz and OUT.relaxed.extxyz (without OUT's ending). With
    --rank energy OUT holds the polymorphs of each composition, repetitions left out, the most stable first; with
    --rank hull all of them by their energy above the --hull (see molgen rank).

    A Wyckoff Transformer makes genes where OUT ends with .jsonl; else OUT.genes.jsonl, and of each gene a crystal by
    --realise. It takes --spacegroup, --chemical-system, --formula, --atoms and --max-atoms (of the primitive cell),
    and --charge-balanced. Of genes that fail SMACT's test of composition validity a share is kept and the others are
    replaced: all with --charge-balanced, else as many as --set unbalanced=SHARE leaves (molgen info has the default).

    Exit code 5: some structures are missing, as numbers are not finite, the cell is flat, or it is not what was asked
    for; OUT.json counts the reasons.

    Examples: molgen sample checkpoints/edm_qm9 -n 1000 -o out.sdf --steps 250;
    molgen sample CHECKPOINT --formula C7H10O2 -n 100 -o out.sdf;
    molgen sample CHECKPOINT --formula LiFePO4 --num-formula-units 1..4 -n 20 -o cifs/ --symmetrise 0.1;
    molgen sample CHECKPOINT --formula LiFePO4 --num-formula-units 1..4 -n 100 -o polymorphs/ --relax --rank energy;
    molgen sample CHECKPOINT --targets mp20:test -k 20 -o predicted.extxyz --templates mp20;
    molgen sample CHECKPOINT --genes genes.jsonl -k 4 -o crystals.extxyz;
    molgen sample checkpoints/wyformer_mp20 --spacegroup 225 --chemical-system Li-Mn-O -n 20 -o cifs/
    """
    from molgen.cli.interruption import end_by_sigterm_as_by_ctrl_c
    from molgen.host_cpu import prepare_cpu

    end_by_sigterm_as_by_ctrl_c()
    prepare_cpu()
    from molgen.cli.given import Asked, options_from
    from molgen.cli.refining import beside, refining
    from molgen.cli.sample_genes import REALISER, GeneOptions, options_shared_out, sample_genes
    from molgen.cli.sample_run import DEFAULT_NUMBER, fill, planned, rounds, sample_file
    from molgen.cli.sampled import conclude, noun, writing
    from molgen.errors import PartialError
    from molgen.io import target_of
    from molgen.sampling.generator import load
    from molgen.sampling.output import check_format
    from molgen.sampling.settings import Settings
    from molgen.sampling.trajectory import Trajectory
    from molgen.symmetry.lines import is_gene_file

    options, missing = options_from(set_), None
    generator = load(checkpoint, device)
    after = refining(out, relax, rank, calculator, hull, workers, symmetrise, overwrite)
    made = out if after is None else str(after.sampled)
    if after is not None and not is_gene_file(out):
        after.check(generator.model.data.is_periodic, trajectory)
    if getattr(generator.model, "makes_genes", False):
        _refuse(generator, targets=targets, templates=templates, fragment=fragment, genes=genes)
        _refuse(generator, fragment_atoms=fragment_atoms)
        given = GeneOptions(spacegroup, atoms, max_atoms, formula, num_formula_units, chemical_system, charge_balanced)
        only_genes = is_gene_file(out)
        if only_genes:
            _refuse(generator, relax=relax or None, rank=rank)
            unfit = {"steps": steps, "solver": solver, "spacing": spacing, "per_target": per_target}
            _refuse(generator, **unfit, symmetrise=symmetrise, trajectory=trajectory, realise=realise)
        realiser = None if only_genes else load(realise or REALISER, device)
        genes = Path(out) if only_genes else beside(out, "genes.jsonl")
        options, rest = options_shared_out(generator, options, only_genes)
        if realiser is not None:  # what it would refuse later it refuses before genes are made
            manner_of = {"steps": steps, "solver": solver, "spacing": spacing, "precision": precision, "options": rest}
            _check_realiser(realiser, made, manner_of, symmetrise, trajectory, overwrite)
        missing = sample_genes(
            generator, given, genes, n or DEFAULT_NUMBER, seed,
            precision=precision, options=options, overwrite=overwrite, ends=only_genes,
        )  # fmt: skip
        if realiser is None:
            return
        generator, options, n = realiser, rest, None
        formula = num_formula_units = chemical_system = atoms = None
    else:
        only_of_genes = {"spacegroup": spacegroup, "max_atoms": max_atoms, "charge_balanced": charge_balanced or None}
        _refuse(generator, **only_of_genes, realise=realise)
    target = target_of(made)
    if trajectory is not None:
        _check_trajectory(trajectory, target.path, overwrite)
    check_format(made, generator.model.data.is_periodic)
    _check_symmetrise(symmetrise, generator)
    if genes is not None and steps is None:
        steps = getattr(generator.model, "gene_steps", None)
    settings = Settings.of(
        generator.model, steps=steps, solver=solver, spacing=spacing, precision=precision, options=options
    )
    asked = Asked(
        formula=formula,
        units=num_formula_units,
        system=chemical_system,
        targets=targets,
        per_target=per_target,
        templates=templates,
        fragment=fragment,
        fragment_atoms=fragment_atoms,
        atoms=atoms,
        genes=genes,
    )
    work = planned(generator, asked, n, seed)
    follower = (
        None if trajectory is None else Trajectory(generator.model, settings.times(generator.model), trajectory_every)
    )
    choices = {"n": work.number, "seed": seed, "atoms": atoms, **_choices(settings, work.condition)}
    choices |= {"trajectory": None if trajectory is None else str(trajectory)}
    choices |= {"trajectory_every": None if trajectory is None else trajectory_every}
    choices |= {} if symmetrise is None else {"symmetrise": symmetrise}
    manner = writing(generator, target, symmetrise)
    with sample_file(generator, work.plan, made, choices, asked.source, manner, overwrite) as file:
        if file.chunks_done:
            typer.echo(f"continuing {made}: {file.written:,} of {work.number:,} {noun(generator)} are there", err=True)
        try:
            for plan in rounds(file, generator, work):
                fill(file, generator, plan, settings, batch_size or generator.default_batch, follower, trajectory)
        except KeyboardInterrupt:
            typer.echo(f"{file.written:,} {noun(generator)} are kept in {made}; the same command continues", err=True)
            raise
    try:
        conclude(file, generator, work.number, work.condition, ends=after is None)
    except PartialError as error:
        if after is None or not file.written:
            raise
        typer.echo(f"note: {error}", err=True)
        missing = error
    if after is not None:
        missing = after.finish() or missing
    if missing is not None:
        raise missing


def _choices(settings: Settings, condition: Condition | None) -> dict[str, Any]:
    """What decides the structures, as the sidecar holds it."""
    names = ("steps", "solver", "spacing", "precision")
    given = {} if condition is None else condition.settings
    return {**{name: getattr(settings, name) for name in names}, "options": dict(settings.options) or None, **given}


def _refuse(generator: Generator, **options: Any) -> None:
    """Raise BadParameter for options that are given and that a model has no use for."""
    if given := [name.replace("_", "-") for name, value in options.items() if value is not None]:
        named = ", ".join(f"--{name}" for name in given)
        raise typer.BadParameter(f"{named}: {generator.model.config.name} has no use for it here")


def _check_realiser(
    realiser: Generator,
    out: str,
    settings: dict[str, Any],
    symmetrise: float | None,
    trajectory: Path | None,
    overwrite: bool,
) -> None:
    """Raise what a model of crystals would object to, given genes that are yet to be made."""
    from molgen.sampling.conditions import refusal
    from molgen.sampling.output import check_format, sidecar_of
    from molgen.sampling.settings import Settings

    if reason := refusal(realiser.model, ["genes"]):
        raise typer.BadParameter(f"--realise: {reason}")
    target = check_format(out, periodic=True)
    Settings.of(realiser.model, **settings)
    _check_symmetrise(symmetrise, realiser)
    if trajectory is not None:
        _check_trajectory(trajectory, target.path, overwrite)
    if not overwrite:
        sidecar_of(target)


def _check_trajectory(trajectory: Path, out: Path, overwrite: bool) -> None:
    from molgen.errors import ConfigError, OutputError

    if trajectory.suffix != ".extxyz" or trajectory == out:
        raise ConfigError(f"--trajectory {trajectory} is not the name of an .extxyz file of its own")
    # Where OUT exists this continues a run with the same --trajectory, whose file it is; else it is somebody else's.
    if trajectory.exists() and not out.exists() and not overwrite:
        raise OutputError(f"{trajectory} exists already", hint="add --overwrite to replace it, or name another file")


def _check_symmetrise(tolerance: float | None, generator: Generator) -> None:
    if tolerance is None:
        return
    from molgen.chemistry.crystal_export import check_tolerance

    check_tolerance(tolerance)
    if not generator.model.data.is_periodic:
        raise typer.BadParameter("--symmetrise is for crystals, and this model makes molecules")
