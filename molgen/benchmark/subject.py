"""What is measured: a trained model or a recipe, and the molecules it trains on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from molgen.benchmark.molecules import QM9, RandomMolecules
from molgen.checkpoint import Checkpoint, find
from molgen.config import Recipe, load_recipe, packaged_recipes, recipe_from_dict
from molgen.datasets.find import open_dataset
from molgen.errors import ConfigError, MissingError
from molgen.models import DataSummary, build

RANDOM = "random"
_EPOCH = 64
"""Batches of random molecules among which those that are measured are chosen."""


@dataclass(frozen=True)
class Subject:
    """A model that can be built as often as it is needed.

    Attributes:
        source: Weights file, or name of the recipe.
        recipe: How it is trained.
        data: Sizes, elements, charges and bonds.
        checkpoint: Its weights, or None for a recipe.
    """

    source: str
    recipe: Recipe
    data: DataSummary
    checkpoint: Checkpoint | None

    def build(self, device: str) -> Any:
        """A fresh copy of the model in evaluation mode."""
        if self.checkpoint is not None:
            return self.checkpoint.build(device)
        torch.manual_seed(0)
        return build(self.recipe.model, self.data).to(device).eval()


def open_subject(target: str, overrides: Sequence[str] = ()) -> Subject:
    """Find what ``target`` means: a packaged recipe's name, a YAML file, else a checkpoint.

    A recipe gets the summary of its data set, or QM9's where that is not prepared.

    Raises:
        ConfigError: Overrides that are wrong, or are given with a checkpoint.
        MissingError: There is no such thing.
        InputError: The file is damaged.
    """
    if target in packaged_recipes() or Path(target).suffix in (".yaml", ".yml"):
        from molgen.training.summary import summarise

        recipe = load_recipe(target, overrides)
        try:
            data = summarise(open_dataset(recipe.data.name))
        except MissingError:
            data = QM9
        return Subject(target, recipe, data, None)
    if overrides:
        raise ConfigError(f"{overrides[0]} cannot be set: {target} is not a recipe", hint="name a recipe instead")
    file = find(target)
    checkpoint = Checkpoint.load(file)
    return Subject(str(file), recipe_from_dict(checkpoint.recipe, str(file)), checkpoint.data, checkpoint)


def training_set(subject: Subject, name: str | None) -> tuple[Any, str]:
    """Molecules to train on, and what they are.

    Args:
        subject: The model.
        name: A data set, or ``random``; None for that of the recipe where it is prepared, else ``random``.

    Raises:
        MissingError: A data set that was asked for is not prepared.
    """
    if name != RANDOM:
        try:
            dataset = open_dataset(name or subject.recipe.data.name)
            return dataset, dataset.name
        except MissingError:
            if name is not None:
                raise
    return RandomMolecules(subject.data, _EPOCH * subject.recipe.data.batch_size), RANDOM
