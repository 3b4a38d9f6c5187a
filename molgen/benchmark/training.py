"""Training as work to be timed: the batches, loss, clipping, optimiser and weight average of a real run."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.benchmark.operations import autocast, count
from molgen.benchmark.timing import Work
from molgen.config import Recipe
from molgen.training.module import TrainingModule


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
        self.steps = _evenly_by_size(self.module, batches)

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

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Atoms of every molecule of the batches, one after the other."""
        return np.concatenate([self.module.dataset.sizes[self.module.batches.at(step)] for step in self.steps])


def _evenly_by_size(module: TrainingModule, batches: int) -> list[int]:
    """Steps of the first epoch whose batches are evenly spaced in mean size."""
    sizes = [float(module.dataset.sizes[module.batches.at(step)].mean()) for step in range(module.batches.per_epoch)]
    order = np.argsort(sizes, kind="stable")
    middles = ((np.arange(min(batches, len(order))) + 0.5) * len(order) / min(batches, len(order))).astype(int)
    return [int(step) for step in order[middles]]


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
