"""What `molgen sample` does to each structure before it is written, what it counts, and what it says in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from molgen.io import Target
    from molgen.sampling.conditions import Condition
    from molgen.sampling.generator import Generator
    from molgen.sampling.output import SampleFile
    from molgen.structure import Structure

UNITS = "formula_units"
GROUP = "space group"


def facts_of(generator: Generator) -> dict[str, Any]:
    """Provenance of what a model makes here: the model, the machine, the versions."""
    from molgen.provenance import hardware, versions

    return {
        "checkpoint": str(generator.path),
        "model": generator.checkpoint.recipe.get("model", {}).get("name"),
        "recipe": generator.checkpoint.recipe,
        "training": generator.checkpoint.provenance,
        "hardware": hardware(generator.device),
        "versions": versions(),
    }


@dataclass(frozen=True)
class Writing:
    """How structures become records of a file.

    Attributes:
        facts: What is done to them, for the sidecar.
        prepare: Done to each before it is written.
        count: What is counted of each.
    """

    facts: dict[str, Any]
    prepare: Callable[[Structure], Structure]
    count: Callable[[Structure], Mapping[str, int]]


def writing(generator: Generator, target: Target, symmetrise: float | None) -> Writing:
    """What suits the model and the format.

    Args:
        generator: The model.
        target: Where structures go.
        symmetrise: Tolerance in angstrom at which crystals are made symmetric, if they are to be.
    """
    own = generator.model.states_bonds
    bonds: str | None = "the model's own" if own else None
    if generator.model.data.is_periodic:
        from molgen.chemistry.crystal_export import exported
        from molgen.chemistry.unit_cell import TOLERANCE

        facts = {"cell": "Niggli, right-handed", "symprec": symmetrise or TOLERANCE, "symmetrised": bool(symmetrise)}
        sites = ".cif" in target.format.extensions
        return Writing(facts, partial(exported, tolerance=symmetrise, sites=sites), _counted_crystal)
    if "bonds" in target.format.keeps and own:
        from molgen.chemistry.labels import counted, labelled

        return Writing({"bonds": bonds}, labelled, counted)
    if "bonds" in target.format.keeps:
        from molgen.chemistry.bonds import perceive_bonds

        return Writing({"bonds": "lookup of interatomic distances (EDM's table)"}, perceive_bonds, lambda s: {})
    return Writing({"bonds": bonds}, lambda s: s, lambda s: {})


def noun(generator: Generator) -> str:
    """What the model makes."""
    return "crystals" if generator.model.data.is_periodic else "molecules"


def _counted_crystal(structure: Structure) -> dict[str, int]:
    from molgen.symmetry.gene import ASKED

    properties = structure.properties
    counts = {"symmetric": int(properties.get("space_group_number", 1) > 1)}
    counts["space_group_not_found"] = int("space_group_number" not in properties)
    counts |= {f"{GROUP} {_compared(properties)}": 1} if ASKED in properties else {}
    return counts | ({f"{UNITS} {properties[UNITS]}": 1} if UNITS in properties else {})


def _compared(properties: Mapping[str, Any]) -> str:
    """What became of the space group that was asked for."""
    from molgen.symmetry.gene import ASKED
    from molgen.symmetry.groups import space_group

    asked, found = properties[ASKED], properties.get("space_group_number")
    if found is None:
        return "not found"
    if found == asked:
        return "as asked"
    # More translations alone make another group of as many rotations.
    fewer = len(space_group(found).rotations) < len(space_group(asked).rotations)
    return "of lower symmetry" if fewer else "of higher symmetry"


def conclude(file: SampleFile, generator: Generator, n: int, condition: Condition | None, *, ends: bool) -> None:
    """Say what was made, or raise PartialError where something is missing.

    Args:
        file: Of the samples.
        generator: The model.
        n: How many were asked for.
        condition: What was asked of them.
        ends: Whether nothing else is done with them.
    """
    rate = f", {file.state['molecules_per_second']:,} {noun(generator)}/s" if file.state["molecules_per_second"] else ""
    typer.echo(f"{file.written:,} {noun(generator)} in {file.path}{rate}; provenance in {file.sidecar}", err=True)
    _say_counts(file, ranked=not ends)
    for kind, one in file.rejected.items():
        typer.echo(f"not written: {one['count']:,} x {kind} ({one['first']})", err=True)
    if lost := file.not_finite:
        first = lost[0]
        raise _missing(
            f"{len(lost)} of {n} {noun(generator)} have coordinates that are not finite and were not written; "
            f"the first: number {first['index']} (chunk {first['chunk']}, row {first['row']}, {first['atoms']} atoms)",
            f"{file.sidecar} lists them; --precision 32, more --steps, or a longer trained model",
        )
    if file.written < n:
        by_chance = condition is not None and condition.by_chance
        tries = f" of {file.made:,} that were made for it" if by_chance else ""
        cure = f"{file.sidecar} counts the reasons; a longer trained model" + (", or another request" * by_chance)
        raise _missing(f"{file.written:,} of {n:,} {noun(generator)}{tries} could be written", cure)
    if ends:
        typer.echo(f"next: molgen score {file.path} --reference {_reference(generator)}", err=True)


def _say_counts(file: SampleFile, ranked: bool) -> None:
    counts = file.counts
    if "sanitised" in counts:
        typer.echo(f"{counts['sanitised']:,} sanitised, {counts['connected']:,} in one piece", err=True)
    if "symmetric" in counts:
        typer.echo(f"{counts['symmetric']:,} with symmetry (a space group other than P1)", err=True)
    groups = {name.removeprefix(f"{GROUP} "): count for name, count in counts.items() if name.startswith(GROUP)}
    if groups:
        exact = f"{groups.get('as asked', 0):,} of {sum(groups.values()):,} have the space group of their gene"
        others = "; ".join(f"{count:,} {what}" for what, count in sorted(groups.items()) if what != "as asked")
        typer.echo(exact + (f" ({others})" if others else ""), err=True)
    shares = {name.removeprefix(f"{UNITS} "): count for name, count in counts.items() if name.startswith(UNITS)}
    if shares:
        named = ", ".join(f"Z = {units}: {count:,}" for units, count in shares.items())
        cure = "" if ranked else "; not ranked, which takes energies: --relax --rank energy"
        typer.echo(f"by formula units in the cell: {named}{cure}", err=True)


def _reference(generator: Generator) -> Any:
    """What to score against: the checkpoint's folder where it has hashes for novelty, else its data set."""
    from molgen.scoring.smiles_forms import HASHES_FILE

    folder = generator.path.parent
    shipped = (folder / HASHES_FILE).is_file()
    return folder if shipped else generator.checkpoint.provenance.get("dataset", "qm9")


def _missing(message: str, hint: str) -> Exception:
    from molgen.errors import PartialError

    return PartialError(message, hint=hint)
