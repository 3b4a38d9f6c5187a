"""Starting from the weights of another checkpoint: pretraining on one data set, fine-tuning on another."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from molgen.checkpoint import Checkpoint, find
from molgen.errors import ConfigError
from molgen.provenance import file_sha256

_SHOWN = 8
"""Names that a line of the report lists at most."""


@dataclass
class Taken:
    """What a model took over.

    Attributes:
        whole: Names of the tensors that were taken as they are.
        partly: Names of those of which some classes' entries were taken, with what had none to take.
        left: Names of those that stay as initialised.
        numbers: Weights taken, one by one.
        total: All weights of the model.
        source: Where they come from: ``path``, ``sha256``, ``dataset``, ``steps``.
    """

    source: dict[str, Any]
    whole: list[str] = field(default_factory=list)
    partly: dict[str, list[str]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    numbers: int = 0
    total: int = 0

    def record(self) -> dict[str, Any]:
        """For provenance."""
        return {**self.source, "numbers_taken": self.numbers, "numbers": self.total}

    def lines(self) -> list[str]:
        """For the user."""
        lines = [
            f"weights from {self.source['path']}: {self.numbers:,} of {self.total:,} numbers; of the tensors "
            f"{len(self.whole)} whole, {len(self.partly)} in part, {len(self.left)} not"
        ]
        lines += [f"  in part: {name}, without {_listed(absent)}" for name, absent in self.partly.items()]
        return [*lines, f"  as initialised: {_listed(self.left)}"] if self.left else lines


def take_weights(model: Any, path: str | Path) -> Taken:
    """Copy into ``model`` the weights of a checkpoint that have the same name and shape.

    Where a weight has an entry per class (``class_axes`` of the model), entries are matched by what they stand for: an
    element, a charge, a bond order. Entries of classes that the checkpoint does not have stay as they are.

    Args:
        model: A registered model, freshly made.
        path: Checkpoint folder, file or name.

    Raises:
        MissingError: There is no such checkpoint.
        InputError: It is damaged.
        ConfigError: None of its weights fits.
    """
    checkpoint, file = Checkpoint.load(path), find(path)
    other = checkpoint.build()
    facts = {key: checkpoint.provenance.get(key) for key in ("dataset", "steps")}
    taken = Taken({"path": str(path), "sha256": file_sha256(file), **facts})
    weights, axes = other.state_dict(), (model.class_axes, other.class_axes)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            taken.total += parameter.numel()
            theirs = weights.get(name)
            labels = [found[name] for found in axes if name in found]
            if theirs is None or len(labels) == 1 or theirs.dim() != parameter.dim():
                taken.left.append(name)
            elif labels:
                _take_classes(taken, name, parameter, theirs, labels)
            elif theirs.shape == parameter.shape:
                _take_whole(taken, name, parameter, theirs)
            else:
                taken.left.append(name)
    if not taken.numbers:
        kinds = checkpoint.recipe["model"]["name"], model.config.name
        hint = "--init takes a checkpoint of the same kind of model and of the same widths"
        raise ConfigError(f"no weight of {path} ({kinds[0]}) fits this model ({kinds[1]})", hint=hint)
    return taken


def _take_whole(taken: Taken, name: str, parameter: Tensor, theirs: Tensor) -> None:
    parameter.copy_(theirs)
    taken.whole.append(name)
    taken.numbers += parameter.numel()


def _take_classes(
    taken: Taken, name: str, parameter: Tensor, theirs: Tensor, labels: list[tuple[int, list[str]]]
) -> None:
    """Copy the entries of the classes that both have; ``labels`` are the model's own axis and the checkpoint's."""
    (axis, own), (other_axis, known) = labels
    shared = [label for label in own if label in known]
    shapes = [[size for at, size in enumerate(t.shape) if at != axis] for t in (parameter, theirs)]
    if axis != other_axis or shapes[0] != shapes[1] or not shared:
        taken.left.append(name)
    elif own == known:
        _take_whole(taken, name, parameter, theirs)
    else:
        to, source = (torch.tensor([names.index(label) for label in shared]) for names in (own, known))
        rows = theirs.index_select(axis, source)
        parameter.index_copy_(axis, to, rows)
        taken.numbers += rows.numel()
        absent = [label for label in own if label not in known]
        if absent:
            taken.partly[name] = absent
        else:
            taken.whole.append(name)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
