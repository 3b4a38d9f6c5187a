"""Training as work to be timed: the batches, loss, clipping, optimiser and weight average of a real run."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from molgen.benchmark.operations import autocast, count
from molgen.benchmark.timing import Work
from molgen.config import Recipe
from molgen.training.module import TrainingModule

_TRIES = 8
"""Batches of one size that are tried for one that does, or does not, see an earlier prediction."""


class Stepper:
    """Takes training steps outside of a Lightning trainer, on batches that stand for those of an epoch.

    Args:
        model: A registered model on its device, in training mode; its weights change.
        dataset: A packed data set or ``RandomMolecules``.
        recipe: Optimisation and batch size.
        batches: How many batches.
        precision: ``32``, or ``bf16`` for autocast as Lightning's ``bf16-mixed``.
        device: Of the model.
    """

    def __init__(self, model: Any, dataset: Any, recipe: Recipe, batches: int, precision: str, device: str) -> None:
        self.model, self.precision, self.device = model, precision, device
        self.module = TrainingModule(model, dataset, recipe.data.batch_size, recipe.training, seed=0).to(device)
        configured: Any = self.module.configure_optimizers()
        self.optimizer = configured["optimizer"]
        self.steps = self._typical_steps(batches)

    def __call__(self) -> None:
        """One step on each of the batches."""
        for step in self.steps:
            batch, noise = self.module.training_batch(step)
            with autocast(self.precision, self.device):
                loss = self.model.loss(batch, noise)["loss"]
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*self.trainer. reference is not registered.*")
                self.module.configure_gradient_clipping(self.optimizer)
            self.optimizer.step()
            self.module.averaged.update_parameters(self.model)

    def _typical_steps(self, batches: int) -> list[int]:
        """Steps of the first epoch, evenly spaced in mean size, of which the due share sees an earlier prediction."""
        data, at, count_all = self.module.dataset, self.module.batches.at, self.module.batches.per_epoch
        order = np.argsort([float(data.sizes[at(step)].mean()) for step in range(count_all)], kind="stable")
        share = float(getattr(self.model.config, "self_conditioning", 0.0))
        steps = []
        for index, alike in enumerate(np.array_split(order, min(batches, count_all))):
            wanted = 1 + math.floor((index + 1) * share + 0.5) - math.floor(index * share + 0.5)
            from_middle = alike[np.argsort(np.abs(np.arange(len(alike)) - len(alike) // 2), kind="stable")]
            for step in map(int, from_middle[:_TRIES]):
                if share in (0.0, 1.0) or self._calls(step) == wanted:
                    break
            steps.append(step)
        return steps

    def _calls(self, step: int) -> float:
        """Network calls per molecule of the loss at a step."""
        batch, noise = self.module.training_batch(step)
        with torch.no_grad(), autocast(self.precision, self.device):
            _, rows = count(self.model, lambda: self.model.loss(batch, noise))
        return rows / len(batch)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Atoms of every molecule of the batches, one after the other."""
        return np.concatenate([self.module.dataset.sizes[self.module.batches.at(step)] for step in self.steps])


def training_work(model: Any, dataset: Any, recipe: Recipe, batches: int, precision: str, device: str) -> Work:
    """Training steps of ``model``, run once (to count their arithmetic) so that they are warm; see ``Stepper``.

    The label ``optimizer_flop_per_molecule`` is the part of the arithmetic that the batch size does not change.
    """
    stepper = Stepper(model.train(), dataset, recipe, batches, precision, device)
    flop, rows = count(model, stepper)
    in_optimizer, _ = count(model, stepper.optimizer.step)
    if recipe.training.compile:
        model.network.compile(dynamic=True)
        stepper()
    sizes = stepper.sizes
    labels: dict[str, Any] = {"task": "training", "precision": precision, "steps": len(stepper.steps)}
    labels |= {"batch_size": stepper.module.batches.batch_size, "mean_atoms": float(sizes.mean())}
    labels |= {"optimizer_flop_per_molecule": in_optimizer * len(stepper.steps) / len(sizes)}
    return Work(stepper, len(sizes), rows / len(sizes), flop, labels)
