"""Sampling DiffCSP: the joint state, and predictor and corrector steps of any length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from molgen.errors import ConfigError
from molgen.geometry.lattice import right_handed
from molgen.models.crystal import Crystal
from molgen.models.known import Known
from molgen.processes.gaussian import per_structure
from molgen.randomness import NoiseSource

if TYPE_CHECKING:
    from molgen.models.diffcsp import DiffCSP

OnStep = Callable[[int, "State"], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """Crystals at one time.

    Attributes:
        mask: True where an atom is real, shape ``(B, N)``.
        fractional: Coordinates in [0, 1), shape ``(B, N, 3)``.
        lattice: Rows in angstrom, shape ``(B, 3, 3)``.
        types: One-hot elements with noise, without it where they are known, zero in padding, shape ``(B, N, K)``.
        known: What is given.
    """

    mask: Tensor
    fractional: Tensor
    lattice: Tensor
    types: Tensor
    known: Known

    def crystal(self) -> Crystal:
        """The crystals with the element of the largest coordinate, of those allowed, in right-handed cells."""
        lattice, fractional = right_handed(self.lattice, self.fractional)
        elements = self.known.restrict(self.types).argmax(-1) * self.mask
        return Crystal(mask=self.mask, fractional=fractional, lattice=lattice, elements=elements)


def start(model: DiffCSP, mask: Tensor, noise: NoiseSource, given: tuple[Crystal, Known] | None = None) -> State:
    """Draw everything at t = 1: uniform coordinates, standard normal lattice rows and types.

    Args:
        model: The model.
        mask: True for real atoms, shape ``(B, N)``.
        noise: Random draws.
        given: Crystals and which of their elements are known; None for nothing.

    Raises:
        ConfigError: Elements are not known, and the model was trained on known ones alone.
    """
    known = Known.nothing(mask) if given is None else given[1]
    if model.config.formulas == 1.0 and not torch.equal(known.elements, mask):
        raise ConfigError(
            "this model predicts the structure of a given composition, and none is given",
            hint="molgen sample CHECKPOINT --formula LiFePO4",
        )
    n, real = mask.shape[1], mask.unsqueeze(-1)
    fractional = torch.stack([noise.uniform_atoms(n) for _ in range(3)], dim=-1).to(mask.device) * real
    types = model.normal_types(mask, noise)
    if given is not None:
        types = torch.where(known.elements.unsqueeze(-1), model.one_hot(given[0]), types)
    lattice = model.normal_lattice(noise).to(mask.device)
    return State(mask=mask, fractional=fractional, lattice=lattice, types=types, known=known)


def predictor_corrector(
    model: DiffCSP, state: State, times: Tensor, mask: Tensor, noise: NoiseSource, on_step: OnStep | None = None
) -> State:
    """A Langevin step of the coordinates, then an ancestral step of everything; two network calls per step.

    Jiao et al. 2023, algorithm 2; the steps may be of any length. The last one draws nothing.
    """
    return _steps(model, state, times, noise, on_step, corrects=True)


def predictor(
    model: DiffCSP, state: State, times: Tensor, mask: Tensor, noise: NoiseSource, on_step: OnStep | None = None
) -> State:
    """The ancestral steps alone; one network call per step."""
    return _steps(model, state, times, noise, on_step, corrects=False)


def _steps(
    model: DiffCSP, state: State, times: Tensor, noise: NoiseSource, on_step: OnStep | None, *, corrects: bool
) -> State:
    for k in range(1, len(times)):
        t, s = times[k - 1 : k], times[k : k + 1]
        last = k == len(times) - 1
        if corrects:
            score = model.coordinates.score_of(model.predict(state, t).fractional, t)
            step_lr, draw = model.config.sample_step_lr, _draw(state, noise, last)
            moved = model.coordinates.corrector(state.fractional, score, t, draw, step_lr)
            state = replace(state, fractional=moved * state.mask.unsqueeze(-1))
        state = _predictor_step(model, state, t, s, noise, first=k == 1, last=last)
        if on_step is not None:
            on_step(k, state)
    return state


def _predictor_step(
    model: DiffCSP, state: State, t: Tensor, s: Tensor, noise: NoiseSource, *, first: bool, last: bool
) -> State:
    """Everything at s < t.

    In the first step lattice and types stay as they are drawn. At t = 1 their signal is 1.6e-5 of the noise, so the
    draw is as good for s, and the step would multiply the network's error by alpha_s / alpha_t: 100 for the published
    1,000 steps, 5,000 for 20, which makes cells of thousands of angstrom.
    """
    prediction, real = model.predict(state, t), state.mask.unsqueeze(-1)
    score = model.coordinates.score_of(prediction.fractional, t)
    moved = model.coordinates.predictor(state.fractional, score, t, s, _draw(state, noise, last)) * real
    if first and not last:
        return replace(state, fractional=moved)
    mean, std = model.gaussian.posterior(state.lattice, prediction.lattice, t, s)
    lattice = mean if last else mean + std * model.normal_lattice(noise).to(mean.device)
    types = state.types
    if model.config.formulas < 1.0:
        error = prediction.atoms
        if state.known.allowed is not None:  # the clean coordinate of what is not allowed is known to be zero
            exact = types / per_structure(model.gaussian.schedule.sigma(t), types)
            error = torch.where(state.known.allowed.unsqueeze(1), error, exact)
        mean, std = model.gaussian.posterior(types, error, t, s)
        drawn = mean if last else mean + std * model.normal_types(state.mask, noise)
        types = torch.where(state.known.elements.unsqueeze(-1), types, drawn)
    return replace(state, fractional=moved, lattice=lattice, types=types * real)


def _draw(state: State, noise: NoiseSource, last: bool) -> Tensor:
    """Noise of the coordinates; none in the last step."""
    if last:
        return torch.zeros_like(state.fractional)
    return noise.normal(state.mask.shape[1], 3).to(state.fractional.device)
