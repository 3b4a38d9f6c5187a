"""Sampling the Wyckoff Transformer: orbit after orbit, many genes at a time, within what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from molgen.models.gene_features import at_least_float32
from molgen.models.gene_vocabulary import Placed
from molgen.networks.set_transformer import Dropout, Memory
from molgen.randomness import NoiseSource

if TYPE_CHECKING:
    from molgen.models.wyformer import Wyformer


WORTH_LEAVING_OUT = 0.8
"""Rows are picked out when they are less than this share of all: else it costs as much as it spares."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Choices:
    """What may come next in ``B`` genes.

    Attributes:
        end: Whether the gene may end, shape ``(B,)``.
        elements: Whether an element may go to some position, shape ``(B, K)``.
        orbits: Whether an orbit of an element may go to a position, shape ``(B, K, P)``.
    """

    end: Tensor
    elements: Tensor
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
        properties: What the model reads of the whole (:meth:`Wyformer.described`), shape ``(B, properties)``.
    """

    placed: Placed
    stuck: Tensor
    log_prob: Tensor
    properties: Tensor


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
    properties = torch.full((count, len(model.data.property_names)), torch.nan, device=device)
    rows, codes, keys = torch.arange(count, device=device), _codes(model), groups.clone()
    for stage in range(most):
        there = torch.ones(len(rows), stage, dtype=torch.bool, device=device)
        parts = {"elements": elements[rows, :stage], "places": places[rows, :stage]}
        placed = Placed(groups=groups[rows], mask=there, **parts)
        choices = wanted.choices(placed, rows)
        may = torch.cat([choices.elements, choices.end.unsqueeze(1)], dim=1)
        can = may.any(1)
        stuck[rows[~can]] = True
        seen = _Seen.of(model, placed, keys[rows])
        element, place, gained = _next(model, placed, seen, choices, may, uniform[rows, 3 * stage : 3 * stage + 3])
        goes_on = can & (element != model.vocabulary.end)
        log_prob[rows] += gained * can
        ends = (~goes_on).nonzero().squeeze(1)
        if len(ends):
            memory, start = seen.at(ends)
            properties[rows[ends]] = model.described(placed.groups[ends], memory, start).to(properties)
        rows, element, place = rows[goes_on], element[goes_on], place[goes_on]
        if not len(rows):
            break
        elements[rows, stage], places[rows, stage] = element, place
        keys[rows] += codes[element, place]
        length[rows] = stage + 1
    else:
        stuck[rows] = True
    mask = torch.arange(most, device=device) < length.unsqueeze(1)
    placed = Placed(groups=groups, mask=mask, elements=elements, places=places)
    return Drawn(placed=placed, stuck=stuck, log_prob=log_prob, properties=properties)


def draws_per_gene(model: Wyformer) -> int:
    """Uniform numbers that a gene takes at most: three for every orbit, and for the end."""
    return 3 * (len(model.data.orbit_histogram) + 1)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What a model knows of genes, once for all that have the same orbits so far: at the beginning those are many.

    Attributes:
        memory: Of the distinct ones.
        start: Of their queries, shape ``(D, hidden)``.
        which: The one that each gene is, shape ``(B,)``.
    """

    memory: Memory
    start: Tensor
    which: Tensor

    @classmethod
    def of(cls, model: Wyformer, placed: Placed, keys: Tensor) -> _Seen:
        """Ask the model.

        Args:
            model: In evaluation mode.
            placed: What is there.
            keys: Alike where, and only where, that is the same, shape ``(B,)``.
        """
        first, which = distinct(keys)
        parts = (placed.groups[first], placed.mask[first], placed.elements[first], placed.places[first])
        one = Placed(groups=parts[0], mask=parts[1], elements=parts[2], places=parts[3])
        return cls(*model.remember(one, Dropout()), which)

    def at(self, rows: Tensor) -> tuple[Memory, Tensor]:
        """Of some genes."""
        which = self.which[rows]
        if len(which) == len(self.start) and bool((which == torch.arange(len(which), device=which.device)).all()):
            return self.memory, self.start
        return self.memory.of(which), self.start[which]


def distinct(keys: Tensor) -> tuple[Tensor, Tensor]:
    """The first row of each distinct key, ``(D,)``, and which of these each row equals, ``(B,)``.

    All rows in order where few could be left out.
    """
    rows = torch.arange(len(keys), device=keys.device)
    values, which = keys.unique(return_inverse=True)
    if len(values) > WORTH_LEAVING_OUT * len(keys):
        return rows, rows
    return torch.full_like(values, len(keys)).scatter_reduce_(0, which, rows, "amin"), which


def _codes(model: Wyformer) -> Tensor:
    """A random number for every element on every position, shape ``(K, P)``: their sums, modulo 2^64, tell multisets of
    orbits apart; that two of a million coincide has a probability of 10^-7."""
    table = model.vocabulary
    generator = torch.Generator().manual_seed(0)
    shape, most = (table.classes, table.exists.shape[1]), 2**63 - 1
    return torch.randint(-most, most, shape, generator=generator).to(table.exists.device)


def _next(
    model: Wyformer, placed: Placed, seen: _Seen, choices: Choices, may: Tensor, uniform: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The next element (or the end) and position of each gene, and the log of their probability, each ``(B,)``.

    Args:
        model: In evaluation mode.
        placed: What is there.
        seen: What the model knows of it.
        choices: What may come next.
        may: Elements, and the end, that may come next, shape ``(B, K + 1)``.
        uniform: Shape ``(B, 3)``.
    """
    table, config = model.vocabulary, model.config
    rows = torch.arange(len(uniform), device=uniform.device)
    zero = torch.zeros_like(placed.groups)

    def pick(number: int, asked: Tensor, may: Tensor, element: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """A class of each row and its log p; the network is spared rows not ``asked``, where only one may come."""
        chosen, gained = may.long().argmax(1), torch.zeros(len(may), device=may.device)
        at = asked.nonzero().squeeze(1)
        if not len(at):
            return chosen, gained
        if len(at) > WORTH_LEAVING_OUT * len(may):
            at = rows
        positions = table.exists.shape[1]
        told = element[at] * positions + place[at]  # the question, besides what is there
        first, which = distinct(seen.which[at] * (table.classes * positions) + told)
        few = at[first]
        memory, start = seen.at(few)
        query = model.features.one_query(number, start, placed.groups[few], element[few], place[few])
        logits = at_least_float32(model.heads[number](model.network.read(query, memory, Dropout())[:, 0]))[which]
        picked, log_prob = _pick(logits, may[at], temperatures[number], uniform[at, number])
        return chosen.index_copy(0, at, picked), gained.to(log_prob.dtype).index_copy(0, at, log_prob)

    temperatures = (
        config.sample_element_temperature,
        config.sample_site_temperature,
        config.sample_enumeration_temperature,
    )
    element, first = pick(0, may.sum(1) > 1, may, zero, zero)
    goes_on, asked = element != table.end, element.clamp(max=table.end - 1)
    sites, numbers = table.site[placed.groups], table.enumeration[placed.groups]
    free = choices.orbits[rows, asked]
    may = table.spread(sites, free, table.sites)
    site, second = pick(1, goes_on & (may.sum(1) > 1), may, asked, zero)
    at_site = free & (sites == site.unsqueeze(1))
    may = table.spread(numbers, at_site, table.enumerations)
    number, third = pick(2, goes_on & (may.sum(1) > 1), may, asked, at_site.long().argmax(1))
    place = (at_site & (numbers == number.unsqueeze(1))).long().argmax(1)
    return element, place, first + (second + third) * goes_on


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
