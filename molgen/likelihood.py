"""The likelihood bound of a model over many structures, with its terms, intervals and what it could not count."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.batch import AtomBatch
from molgen.errors import ConfigError, InputError
from molgen.randomness import NoiseSource
from molgen.sampling.settings import PRECISIONS
from molgen.scoring.rates import Z_95
from molgen.symmetry.batch import GeneBatch


@dataclass(frozen=True)
class Mean:
    """A mean over structures.

    Attributes:
        value: In nats per structure.
        standard_error: Of the mean; NaN for a single structure.
    """

    value: float
    standard_error: float

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.value - Z_95 * self.standard_error

    @property
    def high(self) -> float:
        """Upper end."""
        return self.value + Z_95 * self.standard_error

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Mean:
        """From one value per structure."""
        error = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
        return cls(float(values.mean()), error)

    def to_dict(self) -> dict[str, float | None]:
        """Ready for JSON."""
        found = {"value": self.value, "standard_error": self.standard_error, "low": self.low, "high": self.high}
        return {key: number if math.isfinite(number) else None for key, number in found.items()}


@dataclass(frozen=True)
class Likelihood:
    """Bound on -log p over the structures that the model can express at all.

    Attributes:
        n: Structures that the means are over.
        terms: ``nll`` and the terms that add up to it.
        excluded: Structures left out, by reason. With a reason of support, their -log p is infinite.
    """

    n: int
    terms: dict[str, Mean]
    excluded: dict[str, int]


def likelihood(
    model: Any,
    batches: Iterable[AtomBatch | GeneBatch],
    *,
    repeats: int = 1,
    seed: int = 0,
    precision: str = "32",
    progress: Callable[[int], None] = lambda done: None,
) -> Likelihood:
    """Estimate the bound of ``model.nll`` on every structure.

    Args:
        model: A registered model on its device.
        batches: The structures.
        repeats: Independent estimates that are averaged for each structure.
        seed: Of times and noise.
        precision: ``32``, or ``bf16`` for autocast.
        progress: Called with the number of structures done.

    Raises:
        ConfigError: ``repeats`` or ``precision`` is wrong.
        InputError: No structure is left to average over.
    """
    if repeats < 1 or precision not in PRECISIONS:
        raise ConfigError(f"repeats {repeats}, precision {precision!r}: need 1 or more, and one of {PRECISIONS}")
    device = next(model.parameters()).device
    autocast = torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
    excluded: Counter[str] = Counter()
    found: dict[str, list[NDArray[np.float64]]] = {}
    done = 0
    for number, batch in enumerate(batches):
        supported = _supported(model, batch, excluded)
        done += len(batch)
        if bool(supported.any()):
            chosen = batch[supported].to(device)
            with torch.inference_mode(), autocast:
                estimates = [model.nll(chosen, _noise(chosen, seed, number, k)) for k in range(repeats)]
            means = {key: torch.stack([one[key].double() for one in estimates]).mean(0) for key in estimates[0]}
            finite = torch.isfinite(means["nll"])
            excluded["the model's output is not finite"] += int((~finite).sum())
            for key, values in means.items():
                found.setdefault(key, []).append(values[finite].cpu().numpy())
        progress(done)
    reasons = {reason: count for reason, count in excluded.items() if count}
    terms = {key: np.concatenate(parts) for key, parts in found.items()}
    if not terms or not len(terms["nll"]):
        listed = "; ".join(f"{reason}: {count}" for reason, count in reasons.items()) or "there are none"
        raise InputError(f"no structure has a finite bound ({listed})")
    return Likelihood(len(terms["nll"]), {key: Mean.of(values) for key, values in terms.items()}, reasons)


def _supported(model: Any, batch: AtomBatch | GeneBatch, excluded: Counter[str]) -> Tensor:
    """Which structures have elements and a size that the model can produce, shape ``(B,)``; counts the others."""
    known = torch.isin(batch.elements, torch.tensor(model.data.elements)) | ~batch.mask
    elements = known.all(dim=1)
    sizes = torch.isfinite(model.data.size_log_prob(batch.num_atoms))
    excluded["an element that the model does not have"] += int((~elements).sum())
    excluded["a number of atoms that the training set does not have"] += int((elements & ~sizes).sum())
    return elements & sizes


def _noise(batch: AtomBatch | GeneBatch, seed: int, number: int, repeat: int) -> NoiseSource:
    state = np.random.SeedSequence(seed, spawn_key=(number, repeat)).generate_state(1, np.uint64)[0]
    return NoiseSource.seeded(int(state >> np.uint64(1)), len(batch), batch.mask.shape[1], device=batch.device)
