"""Publishing a run: weights, hashes of a training set of molecules, and a card with the scores that were measured.

Scores belong to the very weights that are published: each names the SHA-256 of the model that was sampled
(:meth:`molgen.checkpoint.Checkpoint.sha256`), and scores of another model are refused. Where publishing changes the
weights (bfloat16), a model is therefore published without scores, sampled from where it was published, and updated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from molgen.card import card_text
from molgen.checkpoint import Checkpoint, find
from molgen.config import recipe_from_dict
from molgen.errors import ConfigError, OutputError
from molgen.measured import likelihood_row, score_rows
from molgen.sampling.settings import Settings
from molgen.scoring.novelty import Progress
from molgen.scoring.shipped import write_hashes


def publish(
    source: Path,
    folder: Path | None = None,
    *,
    scores: Sequence[Path] = (),
    likelihood: Path | None = None,
    changes: Mapping[str, str] | None = None,
    bf16: bool = False,
    command: str = "",
    notes: str = "",
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write ``model.safetensors``, ``CARD.md`` and the hashes of a training set of molecules, or update them.

    Novelty of crystals is found by comparing structures, so that it needs the training set itself: a model of crystals
    is published without hashes.

    Args:
        source: Folder of ``molgen train``, or a published one.
        folder: Where to publish, for example ``checkpoints/edm_qm9``; None updates ``source``, whose weights and
            hashes stay as they are, as does everything that is not given.
        scores: Outputs of ``molgen score --json`` on files written by ``molgen sample`` with these weights, see
            :func:`molgen.measured.score_rows`; they replace those that are there.
        likelihood: Output of ``molgen likelihood --json``.
        changes: New values of the model's settings of sampling (``sample_steps``), found after training.
        bf16: Store weight matrices as bfloat16; vectors and scalars stay as they are.
        command: The training command for the card, in place of those that the run recorded.
        notes: A paragraph for the card.
        workers: Processes for hashing the training set.
        progress: Called with (molecules hashed, None).

    Returns:
        Path of the card.

    Raises:
        ConfigError: A change is of something else than sampling or out of range, or an update would change weights.
        InputError: A score file is not what it should be, or belongs to other weights.
        MissingError: The training set of molecules, whose hashes are wanted, is not there.
        OutputError: Something cannot be written.
    """
    checkpoint = Checkpoint.load(source)
    facts, before = checkpoint.provenance, checkpoint.sha256()
    if folder is None and "scores" not in facts:
        raise ConfigError(
            f"{source} is a run", hint=f"name the folder to publish it in: molgen publish {source} FOLDER"
        )
    if bf16:
        checkpoint.weights = matrices_in_bf16(checkpoint.weights)
    weights = checkpoint.sha256()
    if weights != before:
        if folder is None:
            raise ConfigError(f"bfloat16 would change the weights of {source}", hint="publish the run anew")
        facts |= {"scores": [], "likelihood": None}
    change_sampling(checkpoint, changes or {})
    settings = Settings.of(checkpoint.build())
    facts |= {"command": command or facts.get("command", ""), "notes": notes or facts.get("notes", "")}
    facts["scores"] = [row for path in scores for row in score_rows(path, weights)] or facts.get("scores", [])
    bound = facts.get("likelihood") if likelihood is None else likelihood_row(likelihood, weights)
    facts["likelihood"] = bound
    target = find(source).parent if folder is None else folder
    if folder is not None and not checkpoint.data.is_periodic:
        write_hashes(checkpoint.recipe["data"]["name"], folder, workers=workers, progress=progress)
    checkpoint.save(target)
    card = target / "CARD.md"
    try:
        card.write_text(card_text(target.resolve().name, checkpoint, settings), encoding="utf-8")
    except OSError as error:
        raise OutputError.from_os_error(error, card) from error
    return card


def matrices_in_bf16(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Floating-point tensors of two and more dimensions as bfloat16, rounded to nearest; the others as they are.

    A matrix of bfloat16 has 8 significant bits, as every operand of a product under autocast. Vectors (biases, scales
    of norms) are few and stay exact.
    """
    return {
        name: weight.to(torch.bfloat16) if weight.is_floating_point() and weight.ndim >= 2 else weight
        for name, weight in weights.items()
    }


def change_sampling(checkpoint: Checkpoint, changes: Mapping[str, str]) -> None:
    """Change settings of sampling in a checkpoint's recipe; its provenance keeps what they were in training.

    Raises:
        ConfigError: It is not a setting of sampling, or the value is of another kind.
    """
    model = checkpoint.recipe["model"]
    for name in changes:
        if not name.startswith("sample_"):
            known = ", ".join(key for key in model if key.startswith("sample_"))
            hint = f"those of sampling are {known}" if known else f"{model['name']} has none"
            raise ConfigError(f"{name} is not a setting of sampling: the weights depend on it", hint=hint)
    read = recipe_from_dict(checkpoint.recipe | {"model": {**model, **changes}}, "--set")
    typed = asdict(read.model)
    record = checkpoint.provenance.setdefault("sampling_changed", {}) if changes else {}
    for name in changes:
        default = getattr(type(read.model)(), name)  # of runs that are older than the setting
        trained = record.get(name, {"trained": model.get(name, default)})["trained"]
        record[name] = {"trained": trained, "published": typed[name]}
        model[name] = typed[name]
