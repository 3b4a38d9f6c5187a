"""What the user gives to `molgen sample`: a formula or a fragment, and settings by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from molgen.sampling.conditions import Condition


def condition_of(
    model: Any,
    formula: str | None,
    fragment: Path | None,
    fragment_atoms: str | None,
    atoms: tuple[int, int] | None,
) -> Condition | None:
    """What every molecule is given, with a line on stderr for what may not be meant.

    Raises:
        typer.BadParameter: Options exclude each other, or the model cannot do it (exit code 2).
        MolgenError: The formula or the fragment cannot be used with this model.
    """
    from molgen.sampling.conditions import make_condition, refusal

    if formula is not None and fragment is not None:
        raise typer.BadParameter("--formula and --fragment exclude each other")
    if formula is not None and atoms is not None:
        raise typer.BadParameter("--formula states all atoms, so that --atoms has no place beside it")
    if fragment_atoms is not None and fragment is None:
        raise typer.BadParameter("--fragment-atoms chooses atoms of a --fragment, and none is given")
    for kind, value in (("formula", formula), ("fragment", fragment)):
        if value is not None and (reason := refusal(model, kind)):
            raise typer.BadParameter(reason)
    structure = None
    if fragment is not None:
        from molgen.chemistry.fragment import parse_indices, read_fragment

        structure = read_fragment(fragment, None if fragment_atoms is None else parse_indices(fragment_atoms))
    condition = make_condition(model, formula=formula, fragment=structure, atoms=atoms)
    for note in [] if condition is None else condition.notes(model.data):
        typer.echo(f"note: {note}", err=True)
    return condition


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
