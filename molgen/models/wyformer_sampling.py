"""Sampling the Wyckoff Transformer: orbit after orbit, many genes at a time, within what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from molgen.models.gene_vocabulary import Placed
from molgen.models.wyformer import Wyformer, at_least_float32
from molgen.networks.set_transformer import Dropout
from molgen.randomness import NoiseSource


@dataclass(frozen=True, kw_only=True, eq=False)
class Choices:
    """What may come next in ``B`` genes.

    Attributes:
        end: Whether the gene may end, shape ``(B,)``.
        orbits: Whether an orbit of an element may go to a position, shape ``(B, K, P)``.
    """

    end: Tensor
    orbits: Tensor


class Wanted(Protocol):
    """What genes may hold, asked at every stage."""

    def choices(self, placed: Placed, rows: Tensor) -> Choices:
        """What may come next.

        Args:
            placed: What is there.
            rows: Which genes of the batch these are, shape ``(B,)``.
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """Genes that were drawn.

    Attributes:
        placed: Their orbits.
        stuck: True where nothing was left that could come next, and the gene is not complete, shape ``(B,)``.
        log_prob: Of the orbits in the order in which they were drawn, at the temperatures used, shape ``(B,)``.
    """

    placed: Placed
    stuck: Tensor
    log_prob: Tensor


def draw(model: Wyformer, groups: Tensor, wanted: Wanted, noise: NoiseSource) -> Drawn:
    """Draw one gene for each space group.

    Args:
        model: In evaluation mode.
        groups: Numbers of space groups, shape ``(B,)``.
        wanted: What they may hold; it must forbid more than ``len(orbit_histogram)`` orbits.
        noise: Blocks of ``draws_per_gene(model)`` atoms.
    """
    count, most, device = len(groups), draws_per_gene(model) // 3, groups.device
    uniform = noise.uniform_atoms(3 * most).to(device)
    elements, places = torch.zeros(2, count, most, dtype=torch.int64, device=device).unbind(0)
    length = torch.zeros_like(groups)
    stuck, log_prob = torch.zeros(count, dtype=torch.bool, device=device), torch.zeros(count, device=device)
    rows = torch.arange(count, device=device)
    for stage in range(most):
        there = torch.ones(len(rows), stage, dtype=torch.bool, device=device)
        parts = {"elements": elements[rows, :stage], "places": places[rows, :stage]}
        placed = Placed(groups=groups[rows], mask=there, **parts)
        choices = wanted.choices(placed, rows)
        can = choices.end | choices.orbits.flatten(1).any(1)
        stuck[rows[~can]] = True
        element, place, gained = _next(model, placed, choices, uniform[rows, 3 * stage : 3 * stage + 3])
        goes_on = can & (element != model.vocabulary.end)
        log_prob[rows] += gained * can
        rows, element, place = rows[goes_on], element[goes_on], place[goes_on]
        if not len(rows):
            break
        elements[rows, stage], places[rows, stage] = element, place
        length[rows] = stage + 1
    else:
        stuck[rows] = True
    mask = torch.arange(most, device=device) < length.unsqueeze(1)
    return Drawn(
        placed=Placed(groups=groups, mask=mask, elements=elements, places=places), stuck=stuck, log_prob=log_prob
    )


def draws_per_gene(model: Wyformer) -> int:
    """Uniform numbers that a gene takes at most: three for every orbit, and for the end."""
    return 3 * (len(model.data.orbit_histogram) + 1)


def _next(model: Wyformer, placed: Placed, choices: Choices, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The next element (or the end) and position of each gene, and the log of their probability, each ``(B,)``."""
    table, config, none = model.vocabulary, model.config, Dropout()
    rows = torch.arange(len(uniform), device=uniform.device)
    memory, start = model.remember(placed, none)
    zero = torch.zeros_like(placed.groups)
    sites, numbers = table.site[placed.groups], table.enumeration[placed.groups]

    def answer(which: int, element: Tensor, place: Tensor) -> Tensor:
        asked = model.features.queries(start, placed.groups, element, place)[:, which : which + 1]
        return at_least_float32(model.heads[which](model.network.read(asked, memory, none)[:, 0]))

    may = torch.cat([choices.orbits.any(2), choices.end.unsqueeze(1)], dim=1)
    element, first = _pick(answer(0, zero, zero), may, config.sample_element_temperature, uniform[:, 0])
    asked = element.clamp(max=table.end - 1)  # of those that end, the rest is not looked at
    free = choices.orbits[rows, asked]
    may = table.spread(sites, free, table.sites)
    site, second = _pick(answer(1, asked, zero), may, config.sample_site_temperature, uniform[:, 1])
    at_site = free & (sites == site.unsqueeze(1))
    some = at_site.long().argmax(1)
    may = table.spread(numbers, at_site, table.enumerations)
    number, third = _pick(answer(2, asked, some), may, config.sample_enumeration_temperature, uniform[:, 2])
    place = (at_site & (numbers == number.unsqueeze(1))).long().argmax(1)
    return element, place, first + (second + third) * (element != table.end)


def _pick(logits: Tensor, allowed: Tensor, temperature: float, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """One allowed class of each row and the log of its probability; the likeliest at temperature 0."""
    logits = logits.masked_fill(~allowed, -torch.inf)
    if temperature == 0.0:
        return logits.argmax(1), torch.zeros_like(uniform)
    shares = (logits / temperature).softmax(1)
    climbed = shares.cumsum(1)
    chosen = (climbed <= uniform.unsqueeze(1) * climbed[:, -1:]).sum(1).clamp(max=logits.shape[1] - 1)
    # Rounding may leave the sum at a class that is not allowed: take the likeliest then.
    chosen = torch.where(allowed.gather(1, chosen.unsqueeze(1)).squeeze(1), chosen, logits.argmax(1))
    return chosen, shares.gather(1, chosen.unsqueeze(1)).squeeze(1).log().nan_to_num()
