"""The callback that logs, validates, saves and stops a run."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
from torch import Tensor

from molgen.checkpoint import Checkpoint
from molgen.training.metrics import MetricsFile
from molgen.training.module import TrainingModule

Report = Callable[[int, int | None], None]
Log = Callable[[str], None]
SampleScores = Callable[[Any, int], dict[str, float]]


class Recorder(lightning.Callback):
    """Writes metrics, weights and resumable state; the first Ctrl-C stops after the current step and saves.

    Args:
        folder: Run folder.
        checkpoint: Everything of the published checkpoint but the weights.
        report: Progress in structures seen, out of all.
        log: Takes a line for the user.
        sample_scores: Called with the averaged model and the step; returns scores of molecules it samples.
    """

    def __init__(
        self, folder: Path, checkpoint: Checkpoint, report: Report, log: Log, sample_scores: SampleScores | None
    ) -> None:
        self.folder, self.checkpoint, self.report, self.log_line = folder, checkpoint, report, log
        self.sample_scores = sample_scores
        self.interrupted = False
        self._losses: list[Tensor] = []
        self._before = 0.0
        self._started = self._window = time.perf_counter()
        self._previous_handlers: dict[int, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self._seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._before = float(state_dict["seconds"])

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.metrics = MetricsFile(self.folder / "metrics.csv", trainer.global_step) if trainer.is_global_zero else None
        self._started = self._window = time.perf_counter()
        with suppress(ValueError):  # not in the main thread: signals are somebody else's
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous_handlers[number] = signal.signal(number, self._interrupt)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        while self._previous_handlers:
            signal.signal(*self._previous_handlers.popitem())

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        self.log_line("stopping after this step and saving; Ctrl-C again stops at once and loses the last steps")

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        config, step = pl_module.config, trainer.global_step
        # All processes must stop at the same step, whichever of them heard the Ctrl-C.
        self.interrupted = trainer.strategy.reduce_boolean_decision(self.interrupted, all=False)
        self._losses.append(outputs["loss"].detach())
        self.report(step * pl_module.batches.batch_size, config.steps * pl_module.batches.batch_size)
        values: dict[str, float] = {}
        if step % config.log_every == 0 or step == config.steps:
            values |= self._training_values(trainer, pl_module)
        if step % config.validate_every == 0 or step == config.steps:
            values |= self._validate(trainer, pl_module, step)
        if values and trainer.is_global_zero:
            assert self.metrics is not None
            self.metrics.write(step, values)
            for logger in trainer.loggers:
                logger.log_metrics(values, step)
        wanted = step % config.validate_every == 0 or step == config.steps or self.interrupted
        if wanted and math.isfinite(pl_module.gradient_norms[-1]):  # else the weights are lost; keep the last good ones
            self._save(trainer, pl_module, step)
        if self.interrupted:
            trainer.should_stop = True

    def _training_values(self, trainer: Any, module: TrainingModule) -> dict[str, float]:
        now = time.perf_counter()
        losses = [float(loss) for loss in self._losses]  # of this process's part of the batches
        rate = len(losses) * module.batches.batch_size / max(now - self._window, 1e-9)
        self._losses, self._window = [], now
        return {
            "epoch": trainer.global_step / module.batches.per_epoch,
            "seconds": self._seconds(),
            "train_loss": sum(losses) / max(len(losses), 1),
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "gradient_norm": module.gradient_norms[-1],
            "molecules_per_second": rate,
        }

    def _validate(self, trainer: Any, module: TrainingModule, step: int) -> dict[str, float]:
        if not trainer.is_global_zero:
            return {}
        with trainer.precision_plugin.forward_context():
            values = module.validation_loss()
            if self.sample_scores is not None and module.config.sample_structures > 0:
                values |= self.sample_scores(module.averaged_model, step)
        self.log_line(f"step {step}: " + ", ".join(f"{name} {value:.4g}" for name, value in values.items()))
        self._window = time.perf_counter()
        return values

    def _save(self, trainer: Any, module: TrainingModule, step: int) -> None:
        path = self.folder / "checkpoints" / "last.ckpt"
        trainer.save_checkpoint(path.with_suffix(".new"))
        if trainer.is_global_zero:
            path.with_suffix(".new").replace(path)
            self.checkpoint.weights = dict(module.averaged_model.state_dict())
            self.checkpoint.provenance |= {"steps": step, "training_seconds": round(self._seconds(), 1)}
            self.checkpoint.save(self.folder)

    def _seconds(self) -> float:
        """Time spent training so far, earlier parts of the run included."""
        return self._before + time.perf_counter() - self._started
