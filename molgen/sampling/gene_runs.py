"""Making genes: the plan of space groups and compositions, and the runner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from molgen.chemistry.charge_balance import is_charge_balanced
from molgen.elements import SYMBOLS
from molgen.models.data_summary import DataSummary
from molgen.models.gene_features import CELL_NUMBERS, cells_of
from molgen.models.wyformer_sampling import Drawn, Wanted, draw, draws_per_gene
from molgen.randomness import NoiseBlock, NoiseSource
from molgen.sampling.gene_request import GeneRequest
from molgen.sampling.sizes import CHUNK, Plan, generator_of
from molgen.sampling.wanted_genes import AtomsAndElements, ExactCompositions
from molgen.symmetry.batch import GeneBatch
from molgen.symmetry.gene import CELL, Gene

BATCH = 128 * CHUNK
"""Genes at once: of many, more are alike at the beginning."""
_GROUPS = 10
_LUCK = 11


def plan_genes(data: DataSummary, request: GeneRequest, n: int, seed: int) -> Plan:
    """Space groups of ``n`` genes, drawn from the training set's shares, and which composition each has.

    Args:
        data: Of the model.
        request: What is asked for.
        n: Genes.
        seed: Of the draw, and of the noise.

    Returns:
        A plan whose ``chunks`` hold numbers of space groups.
    """
    items = np.arange(n) % (1 if request.compositions is None else len(request.compositions.numbers))
    groups = np.zeros(n, np.int64)
    for item in np.unique(items).tolist():
        weights = request.weights(data, item)
        rng = generator_of(seed, _GROUPS, item)
        rows = items == item
        groups[rows] = rng.choice(len(weights), size=int(rows.sum()), p=weights / weights.sum())
    chunks = [slice(at, at + CHUNK) for at in range(0, n, CHUNK)]
    return Plan(
        seed,
        [groups[chunk] for chunk in chunks],
        np.cumsum([0, *(len(groups[chunk]) for chunk in chunks)]),
        items=[items[chunk] for chunk in chunks],
    )


def draw_orbits(
    model: Any, plan: Plan, request: GeneRequest, *, precision: str = "32", first: int = 0, batch: int = BATCH
) -> Iterator[tuple[range, Drawn]]:
    """Draw the plan's chunks in order, several at once.

    Args:
        model: A Wyckoff Transformer on its device, in evaluation mode.
        plan: From :func:`plan_genes`.
        request: What is asked for.
        precision: ``32``, or ``bf16`` for the transformer.
        first: Chunk to begin with; a few before it may be drawn, too.
        batch: Genes at once, rounded down to whole chunks; plays no part in the result, up to rounding.

    Yields:
        Indices of chunks, and what was drawn for them.
    """
    model = model.in_bfloat16() if precision == "bf16" else model
    device, width = next(model.parameters()).device, draws_per_gene(model)
    at = max(1, batch // CHUNK)
    # Batches begin where they would without what is there, so that a continued run rounds as one in one piece.
    for start in range(first - first % at, len(plan.chunks), at):
        chunks = range(start, min(start + at, len(plan.chunks)))
        groups = torch.from_numpy(np.concatenate([plan.chunks[c] for c in chunks])).to(device)
        items = np.concatenate([plan.items_of(c) for c in chunks])
        blocks = [
            NoiseBlock(torch.Generator(device).manual_seed(plan.noise_seed(c)), len(plan.chunks[c]), width)
            for c in chunks
        ]
        with torch.inference_mode():
            drawn = draw(model, groups, _wanted(model, request, items, device), NoiseSource(blocks))
        yield chunks, drawn


def make_genes(
    model: Any,
    plan: Plan,
    request: GeneRequest,
    *,
    precision: str = "32",
    first: int = 0,
    batch: int = BATCH,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Iterator[tuple[int, list[Gene], list[str]]]:
    """Make the plan's chunks in order; arguments as :func:`draw_orbits` has them.

    Args:
        model, plan, request, precision, first, batch: What is drawn.
        progress: Called with (genes made, all).

    Yields:
        The chunk's index, its genes with their predicted properties, and why each is not what was asked for
        ("kind: detail"), empty where it is. Of genes whose ions cannot be neutral the share ``sample_unbalanced`` of
        the model is kept. Others in their place are drawn with new space groups: together they follow the model's joint
        distribution, weighted by that share where a gene is not balanced.
    """
    for chunks, drawn in draw_orbits(model, plan, request, precision=precision, first=first, batch=batch):
        with torch.inference_mode():
            genes = _described(_batch_of(model, drawn), model.named(drawn.properties))
        problems = [_problem(gene, stuck) for gene, stuck in zip(genes, drawn.stuck.tolist(), strict=True)]
        if model.config.sample_unbalanced < 1.0:
            luck = [generator_of(plan.noise_seed(c), _LUCK).random(len(plan.chunks[c])) for c in chunks]
            refused = np.concatenate(luck) >= model.config.sample_unbalanced
            triples = zip(genes, problems, refused.tolist(), strict=True)
            problems = [problem or (_unbalanced(gene) if no else "") for gene, problem, no in triples]
        if request.compositions is not None and request.compositions.labels:
            items = np.concatenate([plan.items_of(c) for c in chunks])
            labels = [request.compositions.labels[item] for item in items.tolist()]
            genes = [gene.labelled(label) for gene, label in zip(genes, labels, strict=True)]
        before = 0
        for c in chunks:
            rows = slice(before, before + len(plan.chunks[c]))
            before = rows.stop
            if c >= first:
                progress(int(plan.starts[c + 1]), len(plan))
                yield c, genes[rows], problems[rows]


def _wanted(model: Any, request: GeneRequest, items: np.ndarray, device: torch.device) -> Wanted:
    table = model.vocabulary
    if request.compositions is not None:
        wanted = [Counter(request.compositions.numbers[item]) for item in items.tolist()]
        counts = [[counter[z] for z in model.data.elements] for counter in wanted]
        return ExactCompositions(table=table, counts=torch.tensor(counts, device=device))
    low, high = request.atom_range
    elements: Tensor | None = None
    if request.system is not None:
        elements = torch.tensor([model.data.elements.index(z) for z in request.system.numbers], device=device)
    return AtomsAndElements(table=table, atoms=(low, min(high, model.data.max_atoms)), elements=elements)


def _batch_of(model: Any, drawn: Drawn) -> GeneBatch:
    placed = drawn.placed
    elements = model.vocabulary.elements[placed.elements] * placed.mask
    cells = torch.full((len(elements), len(CELL)), torch.nan)
    return GeneBatch(mask=placed.mask, groups=placed.groups, elements=elements, places=placed.places, cells=cells)


@torch.inference_mode()
def with_predictions(model: Any, batch: GeneBatch) -> list[Gene]:
    """Genes with the properties and the conventional cell that a Wyckoff Transformer predicts of them."""
    return _described(batch, model.predict(batch))


def _described(batch: GeneBatch, predicted: dict[str, Tensor]) -> list[Gene]:
    """Genes with what was predicted of them: every property, and the cell where its numbers are among them."""
    columns = {name: value for name, value in predicted.items() if name not in CELL_NUMBERS}
    if set(CELL_NUMBERS) <= set(predicted):
        cells = cells_of(predicted, batch.num_atoms.clamp(min=1), batch.groups)
        columns |= dict(zip(CELL, cells.unbind(1), strict=True))
    if not columns:
        return batch.to_genes()
    rows = torch.stack([column.double() for column in columns.values()], dim=1).tolist()
    return batch.to_genes(dict(zip(columns, (round(value, 6) for value in row), strict=True)) for row in rows)


def _problem(gene: Gene, stuck: bool) -> str:
    if stuck:
        return f"dead end: no orbit of space group {gene.number} could follow {_so_far(gene)}"
    if defect := gene.problem():
        return f"impossible gene: {defect}"
    return ""


def _unbalanced(gene: Gene) -> str:
    return "" if is_charge_balanced(gene.numbers) else f"not charge balanced: {gene.formula}"


def _so_far(gene: Gene) -> str:
    letters = gene.group.letters
    return " ".join(f"{SYMBOLS[z]} on {letters[k]}" for z, k in gene.orbits) or "the beginning"
