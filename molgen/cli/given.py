"""What the user asks of `molgen sample`: a formula, a chemical system, targets, a fragment or genes, and settings by
name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from molgen.sampling.conditions import Request
    from molgen.structure import Structure
    from molgen.symmetry.gene import Gene


@dataclass(frozen=True)
class Asked:
    """Options of the command line as they were written, None where they were not."""

    formula: str | None = None
    units: str | None = None
    system: str | None = None
    targets: str | None = None
    per_target: int | None = None
    templates: str | None = None
    fragment: Path | None = None
    fragment_atoms: str | None = None
    atoms: str | None = None
    genes: Path | None = None

    def request(self, model: Any) -> Request:
        """What is asked for, checked as far as it can be before files are read, and then read from them.

        Raises:
            typer.BadParameter: Options exclude each other, or the model cannot do it (exit code 2).
            MolgenError: An option's value or a file cannot be used.
        """
        from molgen.datasets.find import with_split
        from molgen.sampling.conditions import Request, refusal
        from molgen.sampling.formula import parse_units
        from molgen.sampling.sizes import parse_atoms

        options: dict[str, Any] = {"formula": self.formula, "chemical system": self.system, "targets": self.targets}
        options |= {"fragment": self.fragment, "genes": self.genes}
        given = [name for name, value in options.items() if value is not None]
        if self.fragment_atoms is not None and self.fragment is None:
            raise typer.BadParameter("--fragment-atoms chooses atoms of a --fragment, and none is given")
        if self.per_target is not None and self.targets is None and self.genes is None:
            raise typer.BadParameter("--per-target counts structures for each of --targets or --genes: none are given")
        if reason := refusal(
            model,
            given,
            atoms=self.atoms is not None,
            units=self.units is not None,
            templates=self.templates is not None,
        ):
            raise typer.BadParameter(reason)
        # The train split: the others are what predictions are compared with.
        templates = None if self.templates is None else with_split(self.templates, "train")
        return Request(
            formula=self.formula,
            formula_units=None if self.units is None else parse_units(self.units),
            chemical_system=self.system,
            targets=None if self.targets is None else _read_crystals(self.targets),
            per_target=self.per_target or 1,
            targets_source=self.targets or "",
            templates=None if templates is None else _read_templates(templates),
            templates_source=templates or "",
            fragment=None if self.fragment is None else _read_fragment(self.fragment, self.fragment_atoms),
            atoms=None if self.atoms is None else parse_atoms(self.atoms),
            genes=None if self.genes is None else read_gene_file(self.genes),
            genes_source="" if self.genes is None else str(self.genes),
        )

    @property
    def source(self) -> dict[str, Any]:
        """Where what was given came from, for the sidecar."""
        if self.fragment is None:
            return {}
        return {"fragment": str(self.fragment), "fragment_atoms": self.fragment_atoms}


def _read_fragment(path: Path, atoms: str | None) -> Structure:
    from molgen.chemistry.fragment import parse_indices, read_fragment

    return read_fragment(path, None if atoms is None else parse_indices(atoms))


def read_gene_file(path: Path) -> list[Gene]:
    """The genes of a file; lines that hold none are counted on stderr, the first of each kind in words."""
    from molgen.io import Skipped
    from molgen.symmetry.lines import read_genes

    skipped = Skipped()
    genes = list(read_genes(path, on_error=lambda number, reason: skipped.add(number - 1, reason)))
    for line in skipped.lines():
        typer.echo(f"skipped in {path}: {line}", err=True)
    return genes


def _read_templates(spec: str) -> list[Structure]:
    """The crystals of a file or data set in reduced cells; what is none is counted on stderr."""
    from molgen.chemistry.unit_cell import canonical_cell
    from molgen.errors import InputError

    reduced, lost = [], 0
    for structure in _read_crystals(spec):
        try:
            reduced.append(canonical_cell(structure))
        except InputError:
            lost += 1
    if lost:
        typer.echo(f"note: {lost:,} of {spec} are no crystals, or have flat cells, and are no templates", err=True)
    return reduced


def _read_crystals(spec: str) -> list[Structure]:
    """The structures of a file or data set; what cannot be read is counted on stderr."""
    from molgen.datasets.find import open_structures
    from molgen.io import Skipped

    skipped = Skipped()
    structures = list(open_structures(spec, on_error=skipped.add))
    for line in skipped.lines():
        typer.echo(f"skipped in {spec}: {line}", err=True)
    return structures


def options_from(assignments: list[str] | None) -> dict[str, str]:
    """``["temperature=0.9"]`` -> {"temperature": "0.9"}.

    Raises:
        ConfigError: An entry has another form.
    """
    from molgen.errors import ConfigError

    options: dict[str, str] = {}
    for assignment in assignments or []:
        name, equals, value = assignment.partition("=")
        if not (name and equals and value):
            raise ConfigError(f"--set {assignment} is not a setting", hint="write --set temperature=0.9")
        options[name] = value
    return options
