"""Sampling BondFlow: from noise to molecules, with what is given held in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from molgen.batch import AtomBatch
from molgen.models.graph import Graph
from molgen.models.known import Known
from molgen.networks.half_pairs import half_pairs
from molgen.processes.categorical_flow import tempered
from molgen.randomness import NoiseSource
from molgen.solvers.refinement import told_times

if TYPE_CHECKING:
    from molgen.models.bondflow import BondFlow, Prediction


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowState:
    """Everything at one time, and what the network said last.

    Attributes:
        graph: Positions in the frame of the known atoms, or centred; classes may be the mask's.
        known: What is given; its values are in ``graph`` at all times.
        before: The last prediction, None at the beginning.
    """

    graph: Graph
    known: Known
    before: Prediction | None = None


def start(model: BondFlow, mask: Tensor, noise: NoiseSource, given: tuple[Graph, Known] | None = None) -> FlowState:
    """Draw everything at t = 1.

    Args:
        model: The model.
        mask: True for real atoms, shape ``(B, N)``.
        noise: Random draws.
        given: Values and which of them are known, known atoms centred; None for nothing.
    """
    n = mask.shape[1]
    known = Known.nothing(mask) if given is None else given[1]
    changes = {"positions": model.position_noise(known, mask, noise)}
    for name, flow in model.flows.items():
        draw = noise.uniform_pairs if name == "bonds" else noise.uniform_atoms
        changes[name] = flow.noise(draw(n).to(mask.device))
    graph = _tidy(Graph(mask=mask, **changes))
    return FlowState(graph=graph if given is None else known.keep(given[0], graph), known=known)


def solve(
    model: BondFlow,
    state: FlowState,
    times: Tensor,
    mask: Tensor,
    noise: NoiseSource,
    on_step: Callable[[int, FlowState], None] | None = None,
) -> FlowState:
    """Predict, then draw everything at the next time; ``len(times) - 1`` network calls.

    Positions follow the bridge to the predicted ones (Euler's method where there is no noise), classes jump as in
    ``CategoricalFlow.step``. At t = 0 the positions are the prediction's and every class is its likeliest.

    Steps that begin at t = 0 refine, see ``molgen.solvers.refinement``.
    """
    told, flowing = told_times(times, model.config.sample_refinement_time)
    for k in range(1, len(times)):
        t, s = told[k - 1 : k], times[k : k + 1]
        prediction = model.predict(state.graph, t.expand(len(mask)), state.known, state.before)
        graph = _step(model, state, prediction, t, s, noise, last=k >= flowing)
        state = replace(state, graph=state.known.keep(state.graph, graph), before=prediction)
        if on_step is not None:
            on_step(k, state)
    return state


def _step(
    model: BondFlow, state: FlowState, prediction: Prediction, t: Tensor, s: Tensor, noise: NoiseSource, *, last: bool
) -> Graph:
    config, graph, mask = model.config, state.graph, state.graph.mask
    n = mask.shape[1]
    target = state.known.place(prediction.positions, graph.positions, mask)
    sigma = config.sample_position_noise
    draw = noise.normal(n, 3).to(mask.device) * mask.unsqueeze(-1) if sigma > 0 else torch.zeros_like(target)
    changes = {"positions": model.flow.step(graph.positions, target, t, s, draw, sigma)}
    pairs = half_pairs(n, mask.device)
    for name, flow in model.flows.items():
        dense = name == "bonds"
        uniform = noise.uniform_pairs if dense else noise.uniform_atoms
        draws = tuple(uniform(n).to(mask.device) for _ in range(4 if config.sample_category_noise > 0 else 2))
        classes = getattr(graph, name)
        if dense:
            classes, draws = pairs.take(classes), tuple(pairs.take(d) for d in draws)
        probabilities = tempered(prediction.logits[name], 0.0 if last else config.sample_temperature)
        drawn = flow.step(classes, probabilities, t, s, draws, 0.0 if last else config.sample_category_noise)
        changes[name] = pairs.expand(drawn.unsqueeze(-1)).squeeze(-1) if dense else drawn
    return _tidy(graph.replace(**changes))


def snapshot(model: BondFlow, state: FlowState) -> AtomBatch:
    """Positions on the way, given elements and the likeliest of the others, for a trajectory; without bonds."""
    drawn = state.graph.elements
    guess = drawn if state.before is None else state.before.logits["elements"].argmax(-1)
    elements = torch.where(state.known.elements, drawn, guess).clamp(max=model.flows["elements"].classes - 1)
    batch = model.vocabulary.decode(state.graph.replace(elements=elements, charges=elements * 0, bonds=_none(state)))
    return batch.replace(bonds=None, charges=None)


def _none(state: FlowState) -> Tensor:
    return torch.zeros_like(state.graph.bonds)


def _tidy(graph: Graph) -> Graph:
    """Class 0 in padding and on the diagonal."""
    return graph.replace(
        elements=graph.elements * graph.mask, charges=graph.charges * graph.mask, bonds=graph.bonds * graph.pairs
    )
