"""Recipes: a YAML preset, dotted overrides, dataclasses that say what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from molgen.errors import ConfigError, InputError
from molgen.models import MODELS


@dataclass
class DataConfig:
    """What to train on.

    Attributes:
        name: A prepared data set (see ``molgen data list``) or its folder.
        batch_size: Structures per step over all devices.
    """

    name: str = "qm9"
    batch_size: int = 64


DECAYS = ("none", "cosine", "tail")


@dataclass
class TrainingConfig:
    """How to train.

    Attributes:
        steps: Optimiser steps in all.
        learning_rate: Peak learning rate of AdamW.
        muon_learning_rate: Peak learning rate of Muon, which then trains the weight matrices; 0: AdamW trains them too.
        amsgrad: AdamW with amsgrad, as EDM; it keeps the step sizes of the large first gradients for good.
        warmup_steps: Steps of linear warm-up.
        decay: ``none``, ``cosine`` (to zero at ``steps``) or ``tail`` (constant, in the last 30 % linear to zero).
        weight_decay: Of AdamW.
        muon_weight_decay: Of Muon, times the learning rate; without it matrices grow as long as the rate is high.
        ema_decay: Decay of the weight average per step; it starts smaller, (1 + k)/(10 + k) at step k.
        clip: ``adaptive`` (1.5 mean + 2 std of the last 50 gradient norms, as EDM), or a number for a fixed norm.
        validate_every: Steps between validation losses, sample scores and checkpoints.
        validate_structures: Structures of the validation split used for the loss.
        sample_structures: Molecules sampled and scored at each validation; 0 for none.
        sample_steps: Sampler steps for those.
        log_every: Steps between rows of metrics.csv.
        compile: Compile the network with torch.compile.
    """

    steps: int = 1_000_000
    learning_rate: float = 1e-4
    muon_learning_rate: float = 0.0
    amsgrad: bool = True
    warmup_steps: int = 0
    decay: str = "none"
    weight_decay: float = 1e-12
    muon_weight_decay: float = 0.0
    ema_decay: float = 0.9999
    clip: str = "adaptive"
    validate_every: int = 2000
    validate_structures: int = 1024
    sample_structures: int = 64
    sample_steps: int = 50
    log_every: int = 50
    compile: bool = False


@dataclass
class Recipe:
    """A whole training run.

    Attributes:
        model: Settings of a registered model; ``model.name`` says which.
        data: The training set.
        training: The optimisation.
        description: One line for ``molgen models``.
    """

    model: Any
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    description: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionary, for YAML and for checkpoints."""
        container = OmegaConf.to_container(OmegaConf.structured(self))
        assert isinstance(container, dict)
        return {str(key): value for key, value in container.items()}


def packaged_recipes() -> dict[str, str]:
    """Names of the recipes that come with the package, with their descriptions."""
    folder = resources.files("molgen") / "recipes"
    names = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return {name: str(_read_yaml(name).get("description", "")) for name in names}


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a packaged recipe or a YAML file and apply overrides such as ``training.learning_rate=2e-4``.

    Raises:
        ConfigError: No such recipe, an unknown key (with the near miss), or a value of the wrong type.
    """
    values = _read_yaml(name)
    for override in overrides:
        if "=" not in override or override.startswith("="):
            raise ConfigError(f"{override!r} is not an override", hint="write key.subkey=value")
    try:
        merged = OmegaConf.merge(values, OmegaConf.from_dotlist(list(overrides)))
    except OmegaConfBaseException as error:
        raise ConfigError(f"recipe {name}: {error}") from error
    assert isinstance(merged, DictConfig)
    return recipe_from_dict(OmegaConf.to_container(merged), name)  # type: ignore[arg-type]


def recipe_from_dict(values: dict[str, Any], source: str) -> Recipe:
    """Check nested values against the dataclasses. ``source`` names them in messages."""
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: the recipe is {values!r}, not a mapping")
    model = values.get("model")
    model_name = model.get("name") if isinstance(model, dict) else None
    if model_name not in MODELS:
        near = _suggest(str(model_name), list(MODELS))
        raise ConfigError(f"{source}: model.name is {model_name!r}", hint=near or f"one of {', '.join(MODELS)}")
    schema = OmegaConf.structured(Recipe(model=MODELS[model_name][0]()))
    _reject_unknown(values, OmegaConf.to_container(schema), source, "")  # type: ignore[arg-type]
    parts: dict[str, Any] = {}
    for part, cls in (("model", MODELS[model_name][0]), ("data", DataConfig), ("training", TrainingConfig)):
        try:
            parts[part] = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(cls), values.get(part, {})))
        except OmegaConfBaseException as error:
            key = f"{part}.{getattr(error, 'full_key', None) or '?'}"
            raise ConfigError(f"{source}: {key}: {str(error).splitlines()[0]}") from error
    recipe = Recipe(**parts, description=str(values.get("description", "")))
    _check_ranges(recipe, source)
    return recipe


_MANY = 1e12
_RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "model": {
        **dict.fromkeys(("hidden", "layers", "reading", "num_steps"), (1, _MANY)),
        **dict.fromkeys(("position_scale", "element_scale", "number_scale"), (1e-6, _MANY)),
        **dict.fromkeys(("coordinate_range", "normalisation"), (1e-6, _MANY)),
        "precision": (1e-12, 0.4),
        **dict.fromkeys(("pair", "heads", "expansion", "largest_weight"), (1, _MANY)),
        **dict.fromkeys(("vectors", "edges", "pair_hidden", "frequencies"), (1, _MANY)),
        **dict.fromkeys(("fractional_loss", "lattice_loss", "sample_step_lr"), (0, _MANY)),
        **{f"{field}_exponent": (0.1, 10) for field in ("position", "element", "charge", "bond")},
        **dict.fromkeys(("feature_loss", "hybrid_weight", "smallest_weight"), (0, _MANY)),
        **dict.fromkeys(("radial", "bumps"), (2, _MANY)),
        **dict.fromkeys(("self_conditioning", "formulas", "fragments"), (0, 1)),
        **dict.fromkeys(("symmetric", "cells", "sample_unbalanced"), (0, 1)),
        "dropout": (0, 0.9),
        "property_loss": (0, _MANY),
        "sample_steps": (1, _MANY),
        "sample_spacing": (0.1, 10),
        **dict.fromkeys(("sample_position_noise", "sample_category_noise", "sample_temperature"), (0, _MANY)),
        **{f"sample_{field}_temperature": (0, _MANY) for field in ("element", "site", "enumeration")},
        "sample_annealing": (0, _MANY),
        "sample_template_time": (1e-3, 1),
        **dict.fromkeys(("sample_symmetric_draws", "sample_symmetric_tries"), (1, 10_000)),
        "sample_refinement": (0, 1),
        "sample_refinement_time": (1e-3, 1),
        "time_power": (0.1, 10),
        **dict.fromkeys(("position_noise", "position_loss", "element_loss", "charge_loss", "bond_loss"), (0, _MANY)),
    },
    "data": {"batch_size": (1, _MANY)},
    "training": {
        **dict.fromkeys(("steps", "validate_every", "log_every", "sample_steps"), (1, _MANY)),
        **dict.fromkeys(("warmup_steps", "validate_structures", "sample_structures"), (0, _MANY)),
        **dict.fromkeys(("weight_decay", "muon_weight_decay", "muon_learning_rate"), (0, 1)),
        "learning_rate": (1e-12, 1e30),
        "ema_decay": (0, 1),
    },
}
"""Smallest and largest value of each numeric setting."""


def _check_ranges(recipe: Recipe, source: str) -> None:
    training = recipe.training
    if training.decay not in DECAYS:
        hint = f"one of {', '.join(DECAYS)}"
        raise ConfigError(f"{source}: training.decay is {training.decay!r}", hint=hint)
    if training.clip != "adaptive":
        try:
            clip = float(training.clip)
        except ValueError:
            clip = -1.0
        if not clip > 0:
            raise ConfigError(f"{source}: training.clip is {training.clip!r}", hint="adaptive, or a positive number")
    for part, ranges in _RANGES.items():
        for key in ranges:
            if hasattr(settings := getattr(recipe, part), key):
                check_range(part, key, getattr(settings, key), f"{source}: {part}.{key}")
    if training.muon_learning_rate > 0 and recipe.model.hidden < 32:
        hint = "training.muon_learning_rate=0"
        raise ConfigError(f"{source}: Muon needs matrices of at least 32 rows; model.hidden is too small", hint=hint)


def check_range(part: str, key: str, value: float, name: str) -> None:
    """Raise ConfigError, which calls the setting ``name``, unless ``value`` suits ``key`` of ``part`` of a recipe."""
    low, high = _RANGES[part].get(key, (0.0, _MANY))
    if not low <= value <= high:  # also false for nan
        wanted = f"between {low:g} and {high:g}" if high < _MANY else f"at least {low:g}"
        raise ConfigError(f"{name} is {value}; it must be {wanted}")


def _reject_unknown(values: dict[str, Any], known: dict[str, Any], source: str, prefix: str) -> None:
    for key, value in values.items():
        if key not in known:
            hint = _suggest(key, list(known)) or f"known keys: {', '.join(sorted(known))}"
            raise ConfigError(f"{source}: unknown key {prefix}{key}", hint=hint)
        if isinstance(known[key], dict):
            if not isinstance(value, dict):
                raise ConfigError(f"{source}: {prefix}{key} is {value!r}; it must be a section with keys")
            _reject_unknown(value, known[key], source, f"{prefix}{key}.")


def _suggest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else ""


def _read_yaml(name: str) -> dict[str, Any]:
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise ConfigError(f"recipe file {path} does not exist")
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, OSError) as error:
            raise InputError(f"recipe file {path} cannot be read: {error}") from error
    else:
        resource = resources.files("molgen") / "recipes" / f"{name}.yaml"
        if not resource.is_file():
            folder = resources.files("molgen") / "recipes"
            known = sorted(e.name.removesuffix(".yaml") for e in folder.iterdir() if e.name.endswith(".yaml"))
            raise ConfigError(f"no recipe {name!r}", hint=_suggest(name, known) or f"one of {', '.join(known)}")
        text = resource.read_text(encoding="utf-8")
    try:
        values = OmegaConf.to_container(OmegaConf.create(text))
    except Exception as error:
        raise InputError(f"recipe {name} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"recipe {name} is empty or not a mapping")
    return values  # type: ignore[return-value]
