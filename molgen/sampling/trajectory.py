"""Frames of the first molecules on their way from noise to z_0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from molgen.batch import AtomBatch
from molgen.io import write
from molgen.structure import Structure

MOLECULES = 4
"""Molecules that are followed."""


class Trajectory:
    """Collects every k-th state; a ``watch`` for :func:`molgen.sampling.runner.run`.

    Args:
        model: A registered model.
        times: Of the solver's steps, shape ``(K + 1,)``.
        every: Steps between frames; the noise and the last step are always among them.
    """

    def __init__(self, model: Any, times: Tensor, every: int) -> None:
        self.model, self.times, self.every = model, times.tolist(), every
        self._frames: dict[int, AtomBatch] = {}
        self._begun = [False] * MOLECULES

    def __call__(self, step: int, state: Any, mask: Tensor) -> None:
        if step % self.every and step != len(self.times) - 1:
            return
        self._frames[step] = self.model.snapshot(state, mask)[:MOLECULES]
        known = getattr(state, "known", None)
        if known is not None and known.begun is not None:
            self._begun = known.begun[:MOLECULES].tolist()

    def write(self, path: Path) -> int:
        """All frames of the first molecule, then of the next; returns how many frames were not finite and are left out.

        Names are the molecules' indices; properties are ``step`` and the time ``t``. Positions are the latent's, in
        angstrom: at t near 1 they are noise.

        Raises:
            OutputError: It cannot be written.
        """
        by_step = {step: batch.to_structures() for step, batch in self._frames.items()}
        count = len(next(iter(by_step.values()), []))
        frames = [self._frame(k, step, by_step[step][k]) for k in range(count) for step in sorted(by_step)]
        finite = [frame for frame in frames if np.isfinite(frame.positions).all()]
        return len(frames) - write(path, finite)

    def _frame(self, index: int, step: int, structure: Structure) -> Structure:
        return structure.replace(
            name=str(index), properties={"step": step, "t": 0.0 if self._begun[index] else self.times[step]}
        )
