"""Sampling EQGAT-diff: the joint state and ancestral steps of any length."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from molgen.geometry.centering import remove_mean
from molgen.models.graph import Graph
from molgen.processes.classes import draw_class
from molgen.randomness import NoiseSource

if TYPE_CHECKING:
    from molgen.models.eqgat import EQGATDiffusion


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """Molecules at one time: the graph and, beside it, extra features of atoms.

    Attributes:
        graph: Positions and classes; on the way a class may be the mask's.
        features: Class of each extra feature by name, shape ``(B, N)``, int64.
    """

    graph: Graph
    features: Mapping[str, Tensor]

    def __getitem__(self, field: str) -> Tensor:
        """Classes of a categorical field."""
        if field in self.features:
            return self.features[field]
        classes: Tensor = getattr(self.graph, field)
        return classes

    def replaced(self, positions: Tensor, classes: Mapping[str, Tensor]) -> State:
        """The same molecules with other values: symmetric bonds, class 0 in padding and on the diagonal."""
        mask = self.graph.mask
        graph = self.graph.replace(
            positions=positions,
            elements=classes["elements"] * mask,
            charges=classes["charges"] * mask,
            bonds=_mirrored(classes["bonds"]) * self.graph.pairs,
        )
        return State(graph=graph, features={name: classes[name] * mask for name in self.features})


def start(model: EQGATDiffusion, mask: Tensor, noise: NoiseSource) -> State:
    """Draw everything at t = 1.

    Args:
        model: The model.
        mask: True for real atoms, shape ``(B, N)``.
        noise: Random draws.
    """
    n = mask.shape[1]
    empty = torch.zeros(mask.shape, dtype=torch.int64, device=mask.device)
    positions = model.centred_noise(mask, noise)
    pairs = empty.unsqueeze(-1).expand(-1, -1, n)
    graph = Graph(mask=mask, positions=positions, elements=empty, charges=empty, bonds=pairs)
    drawn = {
        name: process.start(model.uniform(name, n, noise).to(mask.device)) for name, process in model.classes.items()
    }
    return State(graph=graph, features=dict.fromkeys(model.extra, empty)).replaced(positions, drawn)


def ancestral(
    model: EQGATDiffusion,
    state: State,
    times: Tensor,
    mask: Tensor,
    noise: NoiseSource,
    on_step: Callable[[int, State], None] | None = None,
) -> State:
    """Draw from p(z_s | z_t) along the times; ``len(times) - 1`` network calls.

    Positions: q(x_s | x_t, x_0) at the predicted x_0. Classes: the sum of q(z_s | z_t, x_0) over the predicted
    probabilities of x_0. Both hold for any s < t, so the times need not be the training grid.
    """
    n = mask.shape[1]
    for k in range(1, len(times)):
        t, s = times[k - 1 : k], times[k : k + 1]
        prediction = model.predict(state, t.expand(len(mask)))
        mean, std = model.positions.posterior_of_clean(state.graph.positions, prediction.positions, t, s)
        positions = remove_mean(mean + std * model.centred_noise(mask, noise), mask)
        drawn = {}
        for name, process in model.classes.items():
            probabilities = process.posterior(state[name], prediction.logits[name].softmax(-1), t, s)
            drawn[name] = draw_class(probabilities, model.uniform(name, n, noise).to(mask.device))
        state = state.replaced(positions, drawn)
        if on_step is not None:
            on_step(k, state)
    return state


def _mirrored(classes: Tensor) -> Tensor:
    """The upper triangle and its mirror image: draws are symmetric but for rounding, which may decide a class."""
    upper = classes.triu(1)
    return upper + upper.mT
