"""The run folder: what a run began with, and whether what is there may be continued or must be left alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from molgen.checkpoint import WEIGHTS_FILE
from molgen.config import Recipe, recipe_from_dict
from molgen.errors import InputError, MissingError, OutputError

CONFIG_FILE = "config.yaml"
STATE_FILE = Path("checkpoints") / "last.ckpt"
INITIAL = "initial_weights"
"""Key of config.yaml and of provenance: the checkpoint whose weights a run began with, where there was one."""
COMMANDS = "commands"
"""Key of config.yaml and of provenance: the command of the start and of each resumption, empty where there was none."""
CARRIED = (INITIAL, COMMANDS)
"""Facts that a resumed run takes over from config.yaml and that go into the checkpoint's provenance."""

MAY_CHANGE = (
    "steps",
    "validate_every",
    "validate_structures",
    "sample_structures",
    "sample_steps",
    "log_every",
    "compile",
)
"""Training settings that a resumed run may change; another number of steps moves the end of the decay."""


def carried_facts(folder: Path, command: str, *, resume: bool) -> dict[str, Any]:
    """What earlier parts of a run recorded of themselves, with the command of the part that begins now.

    Args:
        folder: The run folder.
        command: Command line that was given; empty for use from Python.
        resume: Whether the run that is there is continued.

    Raises:
        MissingError: There is nothing to resume.
        InputError: config.yaml is damaged.
    """
    began = began_with(folder) if resume else {COMMANDS: []}
    kept = {key: began[key] for key in CARRIED if key in began}
    return kept | {COMMANDS: [*began.get(COMMANDS, [""]), command]}  # earlier versions did not record how a run began


def prepare_folder(folder: Path, recipe: Recipe, facts: dict[str, Any], *, resume: bool, write: bool = True) -> None:
    """Make the run folder and write config.yaml.

    Args:
        folder: The run folder.
        recipe: Resolved recipe.
        facts: ``seed``, ``precision``, ``dataset_fingerprint`` and what :func:`carried_facts` gave.
        resume: Whether a run that is there is continued.
        write: Whether this process is the one of several that writes.

    Raises:
        OutputError: The folder holds a run or weights and ``resume`` is not given, or it cannot be written.
    """
    if not resume and ((folder / STATE_FILE).is_file() or (folder / WEIGHTS_FILE).is_file()):
        raise OutputError(f"{folder} holds a run already", hint="continue it with --resume, or choose another --out")
    try:
        (folder / STATE_FILE).parent.mkdir(parents=True, exist_ok=True)
        if write:
            OmegaConf.save(OmegaConf.create({**facts, **recipe.to_dict()}), folder / CONFIG_FILE)
    except OSError as error:
        raise OutputError.from_os_error(error, folder) from error


def began_with(folder: Path) -> dict[str, Any]:
    """Contents of a run's config.yaml.

    Raises:
        MissingError: There is nothing to resume.
        InputError: The file is damaged.
    """
    for needed in (STATE_FILE, Path(CONFIG_FILE)):
        if not (folder / needed).is_file():
            raise MissingError(f"{folder} holds no run to resume (no {needed})", hint="leave out --resume to start one")
    try:
        values = OmegaConf.to_container(OmegaConf.load(folder / CONFIG_FILE))
    except Exception as error:  # OmegaConf, YAML and Unicode errors have no common base
        raise InputError(f"{folder / CONFIG_FILE} cannot be read: {error}") from error
    if not isinstance(values, dict) or "seed" not in values:
        raise InputError(f"{folder / CONFIG_FILE} is not the config.yaml of a run")
    return {str(key): value for key, value in values.items()}


def recorded_recipe(folder: Path, overrides: Sequence[str]) -> tuple[Recipe, int, str | None]:
    """The recipe that a run began with, overrides applied, and its seed and precision (None when not recorded)."""
    values = began_with(folder)
    seed, precision = int(values.pop("seed")), values.pop("precision", None)
    for fact in ("dataset_fingerprint", *CARRIED):
        values.pop(fact, None)
    try:
        merged = OmegaConf.to_container(OmegaConf.merge(values, OmegaConf.from_dotlist(list(overrides))))
    except (OmegaConfBaseException, ValueError) as error:
        raise InputError(f"{folder / CONFIG_FILE}: {error}") from error
    return recipe_from_dict(merged, str(folder / CONFIG_FILE)), seed, precision  # type: ignore[arg-type]


def check_same_run(folder: Path, recipe: Recipe, facts: dict[str, Any]) -> None:
    """Refuse to continue a damaged run, or one that began otherwise.

    Raises:
        MissingError: There is nothing to resume.
        InputError: The state is damaged, or a setting, the seed or the data differ.
    """
    began, wanted = began_with(folder), {**facts, **recipe.to_dict()}
    fingerprint = began.get("dataset_fingerprint", facts["dataset_fingerprint"])
    if fingerprint != facts["dataset_fingerprint"]:
        raise InputError(
            f"{folder} was trained on data with fingerprint {fingerprint[:16]}, but {recipe.data.name} now has "
            f"{facts['dataset_fingerprint'][:16]}",
            hint="restore the data set, or start a new run",
        )
    changed = [key for key in ("seed", "precision") if began.get(key, wanted[key]) != wanted[key]]
    for part in ("model", "data", "training"):
        before = began.get(part) or {}
        changed += [
            f"{part}.{key}"
            for key, value in wanted[part].items()
            if before.get(key, value) != value
            and not (part == "training" and key in MAY_CHANGE)
            and not (part == "model" and key.startswith("sample_"))  # how a trained model is sampled
        ]
    changed = [key for key in changed if key != "data.name"]  # the fingerprint says whether the data are the same
    if changed:
        raise InputError(
            f"{folder} began with another {', '.join(changed)}",
            hint="resume with the settings it began with (leave the overrides out), or start a new run",
        )
    try:
        torch.load(folder / STATE_FILE, weights_only=True, map_location="cpu")
    except Exception as error:  # torch's reader fails in many ways on damaged bytes
        raise InputError(
            f"{folder / STATE_FILE} is damaged ({type(error).__name__})",
            hint="start a new run with another --out; the weights in model.safetensors can still be sampled",
        ) from error
