"""The Wyckoff Transformer: a crystal's orbits one after another, in any order, as element, site symmetry, enumeration.

Given the space group and the multiset of orbits that are there, the next orbit is one of those that are missing, drawn
at random; a gene ends when none is. The network sees the orbits as a set, so their order never changes a probability.
Positions that are taken or would not fit are left out of every softmax: whatever is drawn is formally valid. The same
network predicts properties and the cell of a complete gene. Kazeev et al. 2025 (Wyckoff Transformer); the random order
is that of order-agnostic autoregression (Uria et al. 2014).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from molgen.errors import ConfigError
from molgen.models.data_summary import DataSummary
from molgen.models.gene_features import GeneFeatures, at_least_float32, cell_numbers
from molgen.models.gene_vocabulary import GeneVocabulary, Placed
from molgen.models.wyformer_sampling import draw
from molgen.networks.set_transformer import Dropout, Memory, SetTransformer
from molgen.randomness import NoiseSource
from molgen.symmetry.batch import GeneBatch

ORBITS = "orbits"
"""The one way of sampling, which has no times: orbit after orbit."""
FORBIDDEN = -1e9
"""Logit of what cannot be; finite, so that its product with a target of zero is zero."""


@dataclass
class WyformerConfig:
    """Settings of the Wyckoff Transformer.

    Attributes:
        name: Name in the registry.
        hidden: Width of a token.
        layers: Blocks of the network.
        reading: Blocks in which queries read the orbits, the last ones; all where there are fewer.
        heads: Attention heads.
        expansion: Width of the feed-forward layers over ``hidden``.
        dropout: Share of every change that is dropped in training.
        augment: Describe each training crystal from a random one of its origins.
        property_loss: Weight of the squared error of properties, in standard deviations.
        sample_element_temperature: Of the elements' probabilities. This and the next two may be changed after training.
        sample_site_temperature: Of the site symmetries' probabilities.
        sample_enumeration_temperature: Of the enumerations' probabilities.
        sample_unbalanced: Share that is kept of the genes whose ions cannot be neutral; others are drawn instead. What
            makes composition validity the data's, where that of the network is less.
    """

    name: str = "wyformer"
    hidden: int = 128
    layers: int = 3
    reading: int = 2
    heads: int = 4
    expansion: int = 2
    dropout: float = 0.1
    augment: bool = True
    property_loss: float = 0.1
    sample_element_temperature: float = 1.0
    sample_site_temperature: float = 1.0
    sample_enumeration_temperature: float = 1.0
    sample_unbalanced: float = 1.0


class Wyformer(nn.Module):
    """The model; see the module's text.

    Args:
        config: Settings.
        data: Elements, space groups, orbits and properties of the training set.

    Raises:
        ConfigError: The data set has no genes, or a setting is wrong.
    """

    makes_genes: ClassVar[bool] = True
    solvers: ClassVar[Mapping[str, Callable[..., Any]]] = {ORBITS: draw}
    default_solver: ClassVar[str] = ORBITS
    default_steps: ClassVar[int] = 1
    default_spacing: ClassVar[float] = 1.0
    states_bonds: ClassVar[bool] = False

    def __init__(self, config: WyformerConfig, data: DataSummary) -> None:
        super().__init__()
        if config.hidden % config.heads:
            raise ConfigError(f"model.hidden {config.hidden} is not a multiple of model.heads {config.heads}")
        self.config, self.data = config, data
        self.vocabulary = GeneVocabulary(data)
        self.features = GeneFeatures(self.vocabulary, config.hidden)
        self.network = SetTransformer(config.hidden, config.layers, config.reading, config.heads, config.expansion)
        sizes = (self.vocabulary.classes + 1, self.vocabulary.sites, self.vocabulary.enumerations)
        outputs = (*sizes, len(data.property_names))
        self.heads = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(config.hidden), nn.Linear(config.hidden, size)) for size in outputs
        )
        counts = torch.tensor(data.space_groups, dtype=torch.float64)
        self.register_buffer("group_shares", counts / counts.sum(), persistent=False)
        orbits = torch.tensor(data.orbit_histogram, dtype=torch.float64)
        self.mean_stages = float((orbits * torch.arange(1, len(orbits) + 1)).sum() / orbits.sum())

    group_shares: Tensor

    def encode(self, batch: GeneBatch) -> Placed:
        """Classes of a batch of genes.

        Raises:
            ConfigError: An element is not among the training set's.
        """
        elements = torch.searchsorted(self.vocabulary.elements, batch.elements).clamp(max=self.vocabulary.classes - 1)
        if bool(((self.vocabulary.elements[elements] != batch.elements) & batch.mask).any()):
            raise ConfigError("a gene has an element that the model's training set did not have")
        return Placed(groups=batch.groups, mask=batch.mask, elements=elements * batch.mask, places=batch.places)

    def remember(self, placed: Placed, drop: Dropout) -> tuple[Memory, Tensor]:
        """What the network knows of the orbits that are there, and the start of every query, ``(B, hidden)``."""
        tokens, query = self.features(placed)
        mask = torch.cat([placed.mask.new_ones(len(query), 1), placed.mask], dim=1)
        return self.network.remember(tokens, mask, drop), query

    def loss(self, batch: GeneBatch, noise: NoiseSource) -> dict[str, Tensor]:
        """Cross-entropy of the next orbit after a random part of each gene, and the error of the properties.

        Each gene of n orbits counts n + 1 times, as it has so many stages: without the properties, the sum of the terms
        is an unbiased estimate of the negative log-likelihood of a gene in random order, in nats.

        Args:
            batch: Genes.
            noise: Random draws.
        """
        clean = self.encode(batch)
        places = self._described_anew(clean, noise) if self.config.augment and self.training else clean.places
        order = noise.uniform_atoms(batch.mask.shape[1]).to(batch.device).masked_fill(~batch.mask, 2.0)
        rank = order.argsort(1).argsort(1)
        stages = batch.mask.sum(1) + 1
        length = (noise.uniform().to(batch.device) * stages).floor().long()
        known = rank < length.unsqueeze(1)
        left = batch.mask & ~known
        placed = Placed(groups=clean.groups, mask=known, elements=clean.elements * known, places=places * known)
        seed = int(noise.uniform_of_all() * 2**53)
        generator = torch.Generator(batch.device).manual_seed(seed) if self.training else None
        drop = Dropout(self.config.dropout, generator)
        memory, query = self.remember(placed, drop)
        following = (rank == length.unsqueeze(1)).long().argmax(1, keepdim=True)
        next_element, next_place = (field.gather(1, following).squeeze(1) for field in (clean.elements, places))
        answers = self.network.read(self.features.queries(query, placed.groups, next_element, next_place), memory, drop)
        terms = self._entropies(answers, clean.elements, places, placed, left, next_element, next_place)
        weight = stages / self.mean_stages
        losses = {name: (weight * term).mean() for name, term in terms.items()}
        error = self._property_error(self.heads[3](answers[:, 3]), batch, ~left.any(1))
        total = sum(losses.values(), self.config.property_loss * error)
        nats = {f"{name}_loss": value.detach() * self.mean_stages for name, value in losses.items()}
        return {"loss": total, **nats, "property_loss": error.detach()}

    def _entropies(
        self,
        answers: Tensor,
        elements: Tensor,
        places: Tensor,
        placed: Placed,
        left: Tensor,
        next_element: Tensor,
        next_place: Tensor,
    ) -> dict[str, Tensor]:
        """Cross-entropies of the three fields against the multiset of the orbits that are left, each ``(B,)``."""
        table, rows = self.vocabulary, torch.arange(len(left), device=left.device)
        goes_on = left.any(1)
        free = table.open_places(placed, torch.full_like(placed.groups, self.data.max_atoms))
        targets = _shares(elements, left, table.classes + 1)
        targets[:, table.end] = (~goes_on).to(targets)
        sites, numbers = (t[placed.groups] for t in (table.site, table.enumeration))
        of_element = left & (elements == next_element.unsqueeze(1))
        orbit_sites = sites.gather(1, places)
        next_site = sites[rows, next_place]
        of_site = of_element & (orbit_sites == next_site.unsqueeze(1))
        at_site = free & (sites == next_site.unsqueeze(1))
        logits = self.logits(answers, placed, free, at_site)
        return {
            "element": _entropy(logits[0], targets),
            "site": _entropy(logits[1], _shares(orbit_sites, of_element, table.sites)) * goes_on,
            "enumeration": _entropy(logits[2], _shares(numbers.gather(1, places), of_site, table.enumerations))
            * goes_on,
        }

    def logits(self, answers: Tensor, placed: Placed, free: Tensor, at_site: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the next element (or the end), its site symmetry, and its enumeration, without what cannot be.

        Args:
            answers: To the queries, shape ``(B, 3 or more, hidden)``.
            placed: What is there.
            free: Positions that another orbit may take, shape ``(B, P)``.
            at_site: Those of the site symmetry in question, shape ``(B, P)``.
        """
        table = self.vocabulary
        element, site, number = (at_least_float32(self.heads[k](answers[:, k])) for k in range(3))
        may_go_on, may_end = free.any(1, keepdim=True), placed.mask.any(1, keepdim=True)
        may = torch.cat([may_go_on.expand(-1, table.classes), may_end], dim=1)
        open_sites = table.spread(table.site[placed.groups], free, table.sites)
        open_numbers = table.spread(table.enumeration[placed.groups], at_site, table.enumerations)
        return (
            element.masked_fill(~may, FORBIDDEN),
            site.masked_fill(~open_sites, FORBIDDEN),
            number.masked_fill(~open_numbers, FORBIDDEN),
        )

    def predict(self, batch: GeneBatch) -> dict[str, Tensor]:
        """Properties of complete genes by name (``DataSummary.property_names``), in their own units, each ``(B,)``."""
        placed = self.encode(batch)
        return self.named(self.described(placed.groups, *self.remember(placed, Dropout())))

    def in_bfloat16(self) -> Wyformer:
        """A copy whose transformer computes in bfloat16; logits stay float32."""
        model = deepcopy(self)
        model.network.bfloat16()
        return model

    def described(self, groups: Tensor, memory: Memory, start: Tensor) -> Tensor:
        """Properties of complete genes in standard deviations, ``(B, properties)``, from :meth:`remember`."""
        none = torch.zeros_like(groups)  # the question about the whole names no orbit
        answers = self.network.read(self.features.one_query(3, start, groups, none, none), memory, Dropout())
        made: Tensor = self.heads[3](answers[:, 0])
        return at_least_float32(made)

    def named(self, made: Tensor) -> dict[str, Tensor]:
        """Properties by name, in their own units, each ``(B,)``, from :meth:`described`."""
        mean, std = (torch.tensor(v).to(made) for v in (self.data.property_mean, self.data.property_std))
        return dict(zip(self.data.property_names, (made * std + mean).unbind(1), strict=True))

    def _property_error(self, made: Tensor, batch: GeneBatch, complete: Tensor) -> Tensor:
        """Mean squared error over the known values of complete genes, in standard deviations."""
        own = cell_numbers(batch.cells, batch.num_atoms, batch.groups)
        values, unknown = {**batch.properties, **own}, torch.full_like(made[:, 0].float(), torch.nan)
        wanted = torch.stack([values.get(name, unknown).float() for name in self.data.property_names], dim=1)
        mean, std = (torch.tensor(v).to(wanted) for v in (self.data.property_mean, self.data.property_std))
        known = torch.isfinite(wanted) & complete.unsqueeze(1)
        error = (made.float() - (wanted.nan_to_num() - mean) / std).square() * known
        return error.sum() / known.sum().clamp(min=1)

    def _described_anew(self, clean: Placed, noise: NoiseSource) -> Tensor:
        """Positions of the same crystals from other origins, shape ``(B, N)``."""
        table, groups = self.vocabulary, clean.groups
        count = table.shift_count[groups]
        chosen = (noise.uniform().to(groups.device) * count).floor().long()
        return table.shifts[groups, chosen].gather(1, clean.places) * clean.mask

    @property
    def class_axes(self) -> dict[str, tuple[int, list[str]]]:
        """Weights that have an entry per class: the dimension, and what each entry is for."""
        classes = self.vocabulary.labels()
        return {
            "features.element_table.weight": (0, classes),
            "features.count_read.weight": (1, self.features.counted(classes)),
            **{f"heads.0.1.{part}": (0, [*classes, "end"]) for part in ("weight", "bias")},
            **{f"heads.3.1.{part}": (0, [f"property {n}" for n in self.data.property_names])
               for part in ("weight", "bias")},
        }  # fmt: skip

    def nll(self, batch: GeneBatch, noise: NoiseSource) -> dict[str, Tensor]:
        """-log p of genes in nats, ``nll`` and its terms ``group`` and ``orbits``, each ``(B,)``.

        Of the network's own distribution, at temperatures of 1 and with all of its unbalanced genes kept.
        Exact for genes of few orbits, else a bound: see :mod:`molgen.models.wyformer_likelihood`; ``exact`` is 1 or 0.
        """
        from molgen.models.wyformer_likelihood import log_prob

        orbits, exact = log_prob(self, batch, noise)
        group = -self.group_log_prob(batch.groups)
        return {"nll": group - orbits, "group": group, "orbits": -orbits, "exact": exact.double()}

    def group_log_prob(self, groups: Tensor) -> Tensor:
        """log p of space groups in the training set, nats, -inf for those that never occur, shape of ``groups``."""
        return self.group_shares[groups].log()


def _shares(classes: Tensor, chosen: Tensor, count: int) -> Tensor:
    """Share of each class among the chosen orbits, zero where none is, shape ``(B, count)``."""
    totals = torch.zeros(len(classes), count, device=classes.device)
    totals.scatter_add_(1, classes, chosen.float())
    return totals / chosen.sum(1, keepdim=True).clamp(min=1)


def _entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy against shares, in nats, shape ``(B,)``."""
    return -(targets * logits.log_softmax(-1)).sum(-1)
