"""Running a recipe in a folder: start, resume, stop."""

from __future__ import annotations

import logging
import os
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader

from molgen.checkpoint import Checkpoint
from molgen.config import Recipe
from molgen.datasets.find import resolve
from molgen.datasets.genes import GeneSet
from molgen.datasets.packed import PackedDataset
from molgen.errors import ConfigError, InputError, OutputError
from molgen.models import build
from molgen.training.data import training_set
from molgen.training.folder import CARRIED, INITIAL, STATE_FILE, carried_facts, check_same_run, prepare_folder
from molgen.training.initial import take_weights
from molgen.training.module import TrainingModule
from molgen.training.provenance import provenance
from molgen.training.recorder import Log, Recorder, Report, SampleScores
from molgen.training.summary import summarise, with_genes

_BESIDE_THE_POINT = (
    ".*does not have many workers.*",  # batches are assembled in the step, from memory-mapped arrays
    ".*your dataloader is not resumable.*",  # the loader only counts; the step decides the batch
    ".*smaller than the logging interval.*",  # the recorder logs
    ".*isinstance.treespec, LeafSpec.*",  # Lightning's own use of torch
)


def train(
    recipe: Recipe,
    folder: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    init: str | Path | None = None,
    command: str = "",
    report: Report = lambda done, total: None,
    log: Log = lambda line: None,
    sample_scores: SampleScores | None = None,
    trainer_options: dict[str, Any] | None = None,
) -> Path:
    """Train ``recipe`` in ``folder`` and return the path of its weights.

    Args:
        recipe: What to train.
        folder: Run folder: config.yaml, metrics.csv, checkpoints/last.ckpt, model.safetensors.
        seed: Of the initial weights, the batches and the noise.
        resume: Continue from checkpoints/last.ckpt; the result is that of an uninterrupted run.
        init: Checkpoint to take weights from at the start; see :func:`molgen.training.initial.take_weights`.
        command: Command line that was given, for provenance; a resumed run keeps those before it.
        report: Progress in structures.
        log: Takes lines for the user.
        sample_scores: See ``Recorder``.
        trainer_options: Passed to ``lightning.Trainer`` (accelerator, devices, num_nodes, strategy, precision).

    Raises:
        KeyboardInterrupt: Stopped by Ctrl-C, after saving.
        InputError: ``resume``, and the recipe, the seed or the data set are not those the run began with.
    """
    options = {"accelerator": "auto", "devices": 1, "precision": "32-true", **(trainer_options or {})}
    packed = PackedDataset.open(resolve(recipe.data.name))
    dataset = training_set(recipe, packed, report)
    if len(dataset.indices("train")) == 0:
        raise InputError(f"data set {dataset.name} has no training structures")
    facts = {"seed": seed, "precision": str(options["precision"]), "dataset_fingerprint": dataset.fingerprint}
    facts |= carried_facts(folder, command, resume=resume)
    if resume:
        check_same_run(folder, recipe, facts)
    summary = summarise(packed)
    if isinstance(dataset, GeneSet):
        summary = with_genes(summary, dataset)
    torch.manual_seed(seed)
    model = build(recipe.model, summary)
    taken = None if init is None else take_weights(model, init)
    if taken is not None:
        facts[INITIAL] = taken.record()
    if recipe.training.compile:
        model.network.compile(dynamic=True)
    module = TrainingModule(model, dataset, recipe.data.batch_size, recipe.training, seed)
    recorder = Recorder(folder, Checkpoint(recipe.to_dict(), summary, {}, {}), report, log, sample_scores)
    trainer = make_trainer(folder, recipe.training.steps, [recorder], options)
    on_gpu = trainer.strategy.root_device.type == "cuda"
    recorder.checkpoint.provenance |= provenance(dataset, seed, str(options["precision"]), on_gpu=on_gpu)
    recorder.checkpoint.provenance |= {key: value for key, value in facts.items() if key in CARRIED}
    if taken is not None and trainer.is_global_zero:
        for line in taken.lines():
            log(line)
    prepare_folder(folder, recipe, facts, resume=resume, write=trainer.is_global_zero)
    _fit(trainer, module, folder / STATE_FILE if resume else None)
    if recorder.interrupted:
        raise KeyboardInterrupt
    return folder / "model.safetensors"


def _fit(trainer: lightning.Trainer, module: TrainingModule, state: Path | None) -> None:
    """Train, from the state of an earlier part of the run where there is one; errors become those that users see."""
    steps: Any = DataLoader(range(module.batches.per_epoch), batch_size=None)  # type: ignore[arg-type]
    try:
        trainer.fit(module, steps, ckpt_path=state, weights_only=True)
    except FloatingPointError as error:
        raise InputError(f"training stopped: {error}", hint="lower training.learning_rate, then --resume") from error
    except SystemExit as error:  # Lightning turns a second Ctrl-C into an exit code of its own
        raise KeyboardInterrupt from error
    except OSError as error:
        raise OutputError.from_os_error(error, Path(trainer.default_root_dir)) from error


def make_trainer(folder: Path, steps: int, callbacks: list[Any], options: dict[str, Any]) -> lightning.Trainer:
    """A Lightning trainer that leaves logging, validation and checkpoints to the callbacks given."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in _BESIDE_THE_POINT:
        warnings.filterwarnings("ignore", message=message)
    logger: Any = False
    if find_spec("tensorboard") is not None:
        from lightning.pytorch.loggers import TensorBoardLogger

        logger = TensorBoardLogger(folder, name="tensorboard", version="")
    quiet: dict[str, Any] = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    try:
        return lightning.Trainer(
            max_steps=steps,
            callbacks=callbacks,
            logger=logger,
            log_every_n_steps=10**9,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            default_root_dir=os.fspath(folder),
            **quiet,
            **options,
        )
    except (MisconfigurationException, ValueError) as error:
        chosen = ", ".join(f"{key}={value}" for key, value in options.items())
        raise ConfigError(f"these devices or this precision cannot be used here ({chosen}): {error}") from error
