"""The form of a data set that a model is trained on."""

from __future__ import annotations

from collections.abc import Callable

from molgen.config import Recipe
from molgen.datasets.genes import GeneSet
from molgen.datasets.packed import PackedDataset
from molgen.datasets.symmetric import SymmetricSet
from molgen.models import MODELS

TrainingSet = PackedDataset | GeneSet | SymmetricSet
"""Structures; their genes; or structures with their space groups and orbits."""


def training_set(
    recipe: Recipe, packed: PackedDataset, progress: Callable[[int, int | None], None] = lambda done, total: None
) -> TrainingSet:
    """The data of a recipe, as its model sees them.

    Args:
        recipe: What is trained.
        packed: Its data set.
        progress: Called with (done, all) while genes are found.

    Raises:
        InputError: The model needs genes, and the data set holds molecules.
    """
    makes_genes = getattr(MODELS[recipe.model.name][1], "makes_genes", False)
    if not makes_genes and getattr(recipe.model, "symmetric", 0.0) <= 0:
        return packed
    genes = GeneSet.open(packed, workers=-1, progress=progress)
    return genes if makes_genes else SymmetricSet(genes)
