"""log p of a gene under the Wyckoff Transformer: exact by a sum over all parts of it, or bounded by random orders.

The model draws orbits in some order and forgets it. As the next orbit depends on the set alone that is there, the
probability of reaching a multiset is a sum over its last orbit: f(S) = sum_x f(S - x) p(x | S - x), f(empty) = 1, and
p(gene) = f(gene) p(end | gene). A gene whose orbits occur c_1, c_2, ... times has prod (c_i + 1) parts; where these are
too many, the mean of p(order) / q(order) over random orders is an unbiased estimate of p, and its log a bound from
below in expectation (Jensen).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from molgen.models.gene_vocabulary import Placed
from molgen.models.wyformer import Wyformer
from molgen.networks.set_transformer import Dropout
from molgen.randomness import NoiseSource
from molgen.symmetry.batch import GeneBatch

MOST_PARTS = 256
"""Parts of a gene up to which its probability is exact."""
ORDERS = 8
"""Random orders of a larger gene."""
_PAIRS = 4096
_Orbit = tuple[int, int]
_Question = tuple[Sequence[_Orbit], _Orbit | None]
"""What is there, and the orbit that comes next, or None for the end."""
_Total = Callable[[Sequence[float]], float]


def log_prob(model: Wyformer, batch: GeneBatch, noise: NoiseSource) -> tuple[Tensor, Tensor]:
    """log p of the orbits given the space group, in nats, and whether it is exact, each of shape ``(B,)``.

    It is that of the gene as it is described; a crystal's is the sum over :meth:`molgen.symmetry.gene.Gene.relabelled`.

    Args:
        model: In evaluation mode.
        batch: Genes of one orbit or more.
        noise: Random draws, for orders.
    """
    placed = model.encode(batch)
    uniform, questions, sums = noise.uniform().tolist(), [], []
    exact = []
    for row, group in enumerate(placed.groups.tolist()):
        mask = placed.mask[row]
        orbits = list(zip(placed.elements[row][mask].tolist(), placed.places[row][mask].tolist(), strict=True))
        counts = Counter(orbits)
        exact.append(math.prod(count + 1 for count in counts.values()) <= MOST_PARTS)
        generator = torch.Generator().manual_seed(int(uniform[row] * 2**53))
        asked, total = _exact(counts) if exact[-1] else _bound(orbits, generator)
        questions += [(group, *question) for question in asked]
        sums.append((len(asked), total))
    logs, values = iter(_next_log_probs(model, questions, batch.device)), []
    for length, total in sums:
        values.append(total(list(itertools.islice(logs, length))))
    return (
        torch.tensor(values, dtype=torch.float64, device=batch.device),
        torch.tensor(exact, device=batch.device),
    )


def _exact(counts: Counter[_Orbit]) -> tuple[list[_Question], _Total]:
    """Questions about every part of a gene, and the log of its probability from their answers."""
    kinds = list(counts)
    parts = list(itertools.product(*(range(counts[kind] + 1) for kind in kinds)))
    steps = [(part, k) for part in parts for k, kind in enumerate(kinds) if part[k] < counts[kind]]
    full = tuple(counts[kind] for kind in kinds)
    questions: list[_Question] = [(_listed(kinds, part), kinds[k]) for part, k in steps]

    def total(logs: Sequence[float]) -> float:
        reached = {parts[0]: 0.0}
        arrivals: dict[tuple[int, ...], list[float]] = {}
        for (part, k), log in zip(steps, logs, strict=False):  # parts come in order: each after all that lead to it
            if part not in reached:
                reached[part] = _log_sum(arrivals[part])
            arrivals.setdefault((*part[:k], part[k] + 1, *part[k + 1 :]), []).append(reached[part] + log)
        return _log_sum(arrivals[full]) + logs[-1]

    return [*questions, (_listed(kinds, full), None)], total


def _bound(orbits: list[_Orbit], generator: torch.Generator) -> tuple[list[_Question], _Total]:
    """Questions along random orders of a gene, and the bound of the log of its probability from their answers."""
    repeats = sum(math.lgamma(count + 1) for count in Counter(orbits).values())
    log_orders = math.lgamma(len(orbits) + 1) - repeats  # of distinct orders, each as likely as any other
    questions: list[_Question] = []
    for _ in range(ORDERS):
        order = [orbits[i] for i in torch.randperm(len(orbits), generator=generator).tolist()]
        questions += [(order[:k], orbit) for k, orbit in enumerate([*order, None])]

    def total(logs: Sequence[float]) -> float:
        each = [sum(logs[at : at + len(orbits) + 1]) for at in range(0, len(logs), len(orbits) + 1)]
        return _log_sum(each) - math.log(ORDERS) + log_orders

    return questions, total


def _next_log_probs(
    model: Wyformer, questions: Sequence[tuple[int, Sequence[_Orbit], _Orbit | None]], device: torch.device
) -> list[float]:
    """log p of the orbit that follows each set in its space group; None for the end."""
    logs: list[float] = []
    table = model.vocabulary
    order = sorted(range(len(questions)), key=lambda row: len(questions[row][1]))  # sets of one size together
    for at in range(0, len(order), _PAIRS):
        some = [questions[row] for row in order[at : at + _PAIRS]]
        width = max(len(there) for _, there, _ in some)
        padded = torch.tensor([[*there, *[(0, 0)] * (width - len(there))] for _, there, _ in some], device=device)
        padded = padded.view(len(some), width, 2).long()
        sizes = torch.tensor([[len(there)] for _, there, _ in some], device=device)
        placed = Placed(
            groups=torch.tensor([group for group, _, _ in some], device=device),
            mask=torch.arange(width, device=device) < sizes,
            elements=padded[..., 0],
            places=padded[..., 1],
        )
        element = torch.tensor([table.end if after is None else after[0] for _, _, after in some], device=device)
        place = torch.tensor([0 if after is None else after[1] for _, _, after in some], device=device)
        logs += orbit_log_prob(model, placed, element, place).tolist()
    values = [0.0] * len(order)
    for row, log in zip(order, logs, strict=True):
        values[row] = log
    return values


def orbit_log_prob(model: Wyformer, placed: Placed, element: Tensor, place: Tensor) -> Tensor:
    """log p of the next orbit, or of the end, given what is there, in nats, shape ``(B,)``, float64.

    Args:
        model: In evaluation mode.
        placed: What is there.
        element: Class of the next element, or that of the end, shape ``(B,)``.
        place: Its Wyckoff position; plays no part at the end, shape ``(B,)``.
    """
    table, none = model.vocabulary, Dropout()
    memory, start = model.remember(placed, none)
    ends = element == table.end
    asked = element.clamp(max=table.end - 1)
    answers = model.network.read(model.features.queries(start, placed.groups, asked, place)[:, :3], memory, none)
    free = table.open_places(placed, torch.full_like(placed.groups, model.data.max_atoms))
    rows = torch.arange(len(element), device=element.device)
    sites, numbers = table.site[placed.groups], table.enumeration[placed.groups]
    site, number = sites[rows, place], numbers[rows, place]
    logits = model.logits(answers, placed, free, free & (sites == site.unsqueeze(1)))
    logs = [values.double().log_softmax(1) for values in logits]
    orbit = logs[1][rows, site] + logs[2][rows, number]
    return logs[0][rows, element] + torch.where(ends, torch.zeros_like(orbit), orbit)


def _log_sum(values: Sequence[float]) -> float:
    return float(torch.tensor(values, dtype=torch.float64).logsumexp(0))


def _listed(kinds: Sequence[_Orbit], part: Sequence[int]) -> list[_Orbit]:
    return [kind for kind, count in zip(kinds, part, strict=True) for _ in range(count)]
