"""The one LightningModule: any registered model, batches by step, averaged weights, adaptive clipping."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from molgen.batch import AtomBatch
from molgen.config import TrainingConfig
from molgen.datasets.batching import SizeBatches, ordered_batches
from molgen.randomness import NoiseSource
from molgen.symmetry.batch import GeneBatch
from molgen.training.data import TrainingSet
from molgen.training.optimizer import MuonAdamW

TAIL = 0.3
"""Share of the steps over which the decay ``tail`` lowers the learning rate."""


def decay_factor(decay: str, progress: float) -> float:
    """Learning rate over its peak when ``progress`` (0 to 1) of the steps are done.

    ``tail`` is constant until the end comes near, so that a run can be continued with more steps.
    """
    if decay == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * progress))
    return min(1.0, (1.0 - progress) / TAIL) if decay == "tail" else 1.0


class TrainingModule(lightning.LightningModule):
    """Trains ``model`` on the training split of ``dataset``.

    The batch and the noise of a step depend on the seed and the step alone, and each device takes every n-th structure
    of the same batch: a resumed run, and a run on several devices, see the same numbers as an uninterrupted run on one.

    Args:
        model: A registered model.
        dataset: Packed data set, its genes, or its crystals with their symmetry.
        batch_size: Structures per step over all devices.
        config: Optimisation settings.
        seed: Of batches and noise.
    """

    def __init__(self, model: Any, dataset: TrainingSet, batch_size: int, config: TrainingConfig, seed: int) -> None:
        super().__init__()
        self.model: Any = model
        self.dataset, self.config, self.seed = dataset, config, seed
        train = dataset.indices("train")
        self.batches = SizeBatches(train, dataset.sizes[train], batch_size, seed)
        self.gradient_norms: list[float] = []
        self.averaged = AveragedModel(model, multi_avg_fn=self._average, use_buffers=False).requires_grad_(False)

    def _average(self, averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        decay = min(self.config.ema_decay, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(list(averaged), list(current), 1 - decay)

    @property
    def averaged_model(self) -> Any:
        """The model with exponentially averaged weights."""
        return self.averaged.module

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Update the weights and then their average, before any callback can save the one without the other."""
        super().optimizer_step(*args, **kwargs)
        self.averaged.update_parameters(self.model)

    def training_batch(self, step: int) -> tuple[AtomBatch | GeneBatch, NoiseSource]:
        """This device's part of the batch of ``step``, with its noise."""
        indices = self.batches.at(step)
        rank, world = (self.global_rank, self.trainer.world_size) if self._trainer is not None else (0, 1)
        rows = slice(rank, None, world)
        atoms = int(self.dataset.sizes[indices].max())
        generator_seed = int(np.random.SeedSequence((self.seed, step)).generate_state(1, np.uint64)[0] >> 1)
        noise = NoiseSource.seeded(generator_seed, len(indices), atoms, device=self.device, rows=rows)
        return self.dataset.batch(indices)[rows].to(self.device), noise

    def training_step(self, _: Any, batch_idx: int) -> Tensor:
        batch, noise = self.training_batch(self.global_step)
        losses: dict[str, Tensor] = self.model.loss(batch, noise)
        if not bool(torch.isfinite(losses["loss"])):
            raise FloatingPointError(f"the loss is {float(losses['loss'].detach())} at step {self.global_step}")
        for name, value in losses.items():
            self.log(f"train_{name}", value.detach().float(), batch_size=len(batch))
        return losses["loss"]

    def validation_loss(self) -> dict[str, float]:
        """Mean loss terms of the averaged model on part of the validation split; the noise is the same every time."""
        self.averaged_model.eval()
        indices = self.dataset.indices("valid")
        chosen = np.random.default_rng(0).permutation(indices)[: self.config.validate_structures]
        sums: dict[str, float] = {}
        with torch.no_grad():
            for number, rows in enumerate(ordered_batches(chosen, self.dataset.sizes[chosen], self.batches.batch_size)):
                batch = self.dataset.batch(rows).to(self.device)
                noise = NoiseSource.seeded(number, len(rows), batch.mask.shape[1], device=self.device)
                for name, value in self.averaged_model.loss(batch, noise).items():
                    sums[name] = sums.get(name, 0.0) + float(value) * len(rows)
        return {f"valid_{name}": value / max(len(chosen), 1) for name, value in sums.items()}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        config = self.config
        options: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
        options["amsgrad"] = config.amsgrad
        optimizer: torch.optim.Optimizer
        if config.muon_learning_rate > 0:
            muon = config.muon_learning_rate, config.muon_weight_decay
            optimizer = MuonAdamW(self.model.parameters(), *muon, **options, fused=True)
        else:
            optimizer = torch.optim.AdamW(self.model.parameters(), **options, fused=True)

        def factor(step: int) -> float:
            warm = min(1.0, (step + 1) / max(config.warmup_steps, 1))
            return warm * decay_factor(config.decay, min(step / config.steps, 1.0))

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """EDM's rule: at most 1.5 mean + 2 std of the last 50 norms; or a fixed norm."""
        if self.config.clip == "adaptive":
            recent = np.array(self.gradient_norms or [math.inf])
            limit = float(1.5 * recent.mean() + 2 * recent.std()) if np.isfinite(recent).all() else math.inf
        else:
            limit = float(self.config.clip)
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit if math.isfinite(limit) else 1e12))
        self.gradient_norms = [*self.gradient_norms[-49:], min(norm, limit)]
        self.log("gradient_norm", norm)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["gradient_norms"] = list(self.gradient_norms)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.gradient_norms = list(checkpoint["gradient_norms"])
