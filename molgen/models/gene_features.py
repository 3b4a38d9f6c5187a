"""What a network sees of a gene: orbits and space groups as vectors, and the questions about what comes next."""

from __future__ import annotations

import csv
from collections import Counter
from functools import cache
from importlib.resources import files

import numpy as np
import torch
from torch import Tensor, nn

from molgen.models.gene_vocabulary import GeneVocabulary, Placed
from molgen.symmetry.groups import GROUPS, space_group

QUERIES = 4
"""Element, site symmetry, enumeration, properties."""
CELL_NUMBERS = ("log_volume_per_atom", "log_b_over_a", "log_c_over_a", "cos_alpha", "cos_beta", "cos_gamma")
"""What is predicted of the conventional cell; the volume in angstrom^3."""
NOBLE = (0, 2, 10, 18, 36, 54, 86, 118)
"""Atomic numbers at which periods end."""
_PAIRS = ((1, 2), (0, 2), (0, 1))
"""Vectors between which alpha, beta and gamma are."""


def cell_numbers(cells: Tensor, atoms: Tensor, groups: Tensor) -> dict[str, Tensor]:
    """The numbers ``CELL_NUMBERS`` of conventional cells, each of shape ``(B,)``.

    Args:
        cells: Lengths (angstrom) and angles (degree), shape ``(B, 6)``.
        atoms: Of the primitive cells, shape ``(B,)``.
        groups: Numbers of the space groups, shape ``(B,)``.
    """
    lengths, cosines = cells[:, :3].log(), cells[:, 3:].deg2rad().cos()
    x, y, z = cosines.unbind(1)
    skew = 1.0 - x.square() - y.square() - z.square() + 2.0 * x * y * z
    volume = lengths.sum(1) + 0.5 * skew.clamp(min=1e-6).log() - (_points(groups) * atoms).log()
    shape = (lengths[:, 1] - lengths[:, 0], lengths[:, 2] - lengths[:, 0])
    return dict(zip(CELL_NUMBERS, (volume, *shape, x, y, z), strict=True))


def cells_of(numbers: dict[str, Tensor], atoms: Tensor, groups: Tensor) -> Tensor:
    """The inverse of :func:`cell_numbers`: lengths (angstrom) and angles (degree) that the space groups allow.

    Cosines of nearly flat cells, or that no three vectors have, are made smaller alike; the metric tensor is averaged
    over the point group.

    Returns:
        Shape ``(B, 6)``, float64.
    """
    volume, b, c, *cosines = (numbers[name].double() for name in CELL_NUMBERS)
    skew = torch.zeros(len(volume), 3, 3, dtype=torch.float64, device=volume.device)
    for (i, j), cosine in zip(_PAIRS, cosines, strict=True):
        skew[:, i, j] = skew[:, j, i] = cosine.nan_to_num()
    flattest = torch.linalg.eigvalsh(skew)[:, :1, None]  # at most 0
    unit = torch.eye(3).to(skew) + skew * (-0.95 / flattest.clamp(max=-1e-9)).clamp(max=1.0)
    lengths = torch.stack([torch.zeros_like(b), b, c], dim=1).exp()
    metric = unit * lengths.unsqueeze(1) * lengths.unsqueeze(2)
    average = _metric_averages().to(groups.device)[groups]
    metric = (average @ metric.flatten(1).unsqueeze(2)).view(-1, 3, 3)
    lengths = metric.diagonal(dim1=1, dim2=2).sqrt()
    cosines = [metric[:, i, j] / (lengths[:, i] * lengths[:, j]) for i, j in _PAIRS]
    points = _points(groups)
    size = (volume.exp() * points * atoms / torch.linalg.det(metric).sqrt()) ** (1 / 3)
    angles = torch.stack(cosines, dim=1).acos().rad2deg()
    return torch.cat([lengths * size.unsqueeze(1), angles], dim=1)


def _points(groups: Tensor) -> Tensor:
    """Lattice points of the conventional cells, shape of ``groups``."""
    return torch.tensor([1, *(len(space_group(n).centrings) for n in GROUPS)]).to(groups)[groups]


@cache
def _metric_averages() -> Tensor:
    """Each group's ``metric_average``; row 0 is not used. Shape ``(231, 9, 9)``."""
    return torch.from_numpy(np.stack([np.eye(9), *(space_group(n).metric_average for n in GROUPS)]))


def at_least_float32(x: Tensor) -> Tensor:
    """bfloat16 as float32, float64 as it is."""
    return x if x.dtype == torch.float64 else x.float()


class GeneFeatures(nn.Module):
    """Vectors of orbits, groups and queries.

    Args:
        vocabulary: Tables of the model.
        hidden: Width.
    """

    group_marks: Tensor
    marks: Tensor

    def __init__(self, vocabulary: GeneVocabulary, hidden: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.element_table = nn.Embedding(vocabulary.classes, hidden)
        marks = element_marks(list(vocabulary.data.elements))
        self.register_buffer("marks", marks, persistent=False)
        self.mark_read = nn.Linear(marks.shape[1], hidden, bias=False)
        self.site = nn.Embedding(vocabulary.sites, hidden)
        self.enumeration = nn.Embedding(vocabulary.enumerations, hidden)
        self.group = nn.Embedding(231, hidden)
        self.query = nn.Parameter(torch.randn(QUERIES, hidden))
        marks = _group_marks()
        self.register_buffer("group_marks", marks, persistent=False)
        self.group_read = nn.Linear(marks.shape[1], hidden, bias=False)
        self.place_read = nn.Linear(6, hidden)
        self.count_read = nn.Linear(2 * vocabulary.classes + vocabulary.exists.shape[1] + 3, hidden)
        for table in (self.element_table, self.site, self.enumeration, self.group):
            nn.init.normal_(table.weight, std=0.5)

    def element(self, classes: Tensor) -> Tensor:
        """Vectors of elements: their own, and what they share with their group and period."""
        made: Tensor = self.element_table(classes) + self.mark_read(self.marks[classes])
        return made

    def _of_group(self, groups: Tensor) -> Tensor:
        made: Tensor = self.group(groups) + self.group_read(self.group_marks[groups])
        return made

    def forward(self, placed: Placed) -> tuple[Tensor, Tensor]:
        """Tokens, the group's first, ``(B, 1 + N, hidden)``, and what every query begins with, ``(B, hidden)``."""
        group = self._of_group(placed.groups)
        orbits = self.element(placed.elements) + self.of_places(placed.groups, placed.places) + group.unsqueeze(1)
        return torch.cat([group.unsqueeze(1), orbits], dim=1), group + self.count_read(self._counts(placed))

    def of_places(self, groups: Tensor, places: Tensor) -> Tensor:
        """Vectors of Wyckoff positions, ``(B, N, hidden)``."""
        table, rows = self.vocabulary, groups.unsqueeze(1)
        atoms, freedom = table.atoms[rows, places], table.freedom[rows, places]
        numbers = torch.cat(
            [
                atoms.unsqueeze(-1).clamp(min=1).log(),
                nn.functional.one_hot(freedom, 4),
                table.exists[rows, places].unsqueeze(-1),
            ],
            dim=-1,
        )
        classes = self.site(table.site[rows, places]) + self.enumeration(table.enumeration[rows, places])
        made: Tensor = classes + self.place_read(numbers.to(classes.dtype))
        return made

    def queries(self, start: Tensor, groups: Tensor, elements: Tensor, places: Tensor) -> Tensor:
        """The four questions: which element; which site symmetry for it; which enumeration for both; which properties.

        Args:
            start: What every query begins with, shape ``(B, hidden)``.
            groups: Numbers of the space groups, shape ``(B,)``.
            elements: Class of the element that the second and third are about, shape ``(B,)``.
            places: Position whose site symmetry the third is about, shape ``(B,)``.

        Returns:
            Shape ``(B, QUERIES, hidden)``.
        """
        element = self.element(elements)
        site = self.site(self.vocabulary.site[groups, places])
        told = torch.stack([torch.zeros_like(element), element, element + site, torch.zeros_like(element)], dim=1)
        return start.unsqueeze(1) + self.query + told

    def one_query(self, which: int, start: Tensor, groups: Tensor, elements: Tensor, places: Tensor) -> Tensor:
        """Question ``which`` of :meth:`queries` alone, shape ``(B, 1, hidden)``."""
        asked = start + self.query[which]
        if which in (1, 2):
            told: Tensor = self.element(elements)
            asked = asked + (told if which == 1 else told + self.site(self.vocabulary.site[groups, places]))
        return asked.unsqueeze(1)

    def counted(self, classes: list[str]) -> list[str]:
        """What each number of :meth:`_counts` is."""
        places = [f"orbits at position {k}" for k in range(self.vocabulary.exists.shape[1])]
        counts = [f"{what} of {label}" for what in ("quarter atoms", "atoms") for label in classes]
        return [*counts, *places, "atoms", "orbits", "log atoms"]

    def _counts(self, placed: Placed) -> Tensor:
        """Atoms of each element and orbits at each position so far: attention averages and cannot count.

        A sum of charges is linear in the atoms, a ratio in their logarithms.
        """
        table = self.vocabulary
        orbit = placed.mask.to(self.count_read.weight.dtype)
        atoms = table.atoms[placed.groups].gather(1, placed.places) * orbit
        of_element = atoms.new_zeros(len(atoms), table.classes).scatter_add_(1, placed.elements, atoms)
        of_place = atoms.new_zeros(len(atoms), table.exists.shape[1]).scatter_add_(1, placed.places, orbit)
        total, orbits = atoms.sum(1, keepdim=True), orbit.sum(1, keepdim=True)
        whole = torch.cat([total / 10.0, orbits / 5.0, torch.log1p(total)], dim=1)
        return torch.cat([of_element / 4.0, torch.log1p(of_element), torch.log1p(of_place), whole], dim=1)


def element_marks(numbers: list[int]) -> Tensor:
    """Period and group (1 to 18, 19 for the f block) of elements as one-hot numbers, shape ``(K, 7 + 19)``."""
    marks = torch.zeros(len(numbers), 7 + 19)
    for row, z in enumerate(numbers):
        period = sum(z > noble for noble in NOBLE)
        place, left = z - NOBLE[period - 1], NOBLE[period] - z  # from the period's beginning, and to its end
        if place <= (1 if period == 1 else 2):
            group = place
        else:
            group = 18 - left if left < 16 else 19
        marks[row, period - 1] = marks[row, 6 + group] = 1.0
    return marks


def _group_marks() -> Tensor:
    """Which operations and centrings each group has, those that three groups or more share, shape ``(231, M)``."""
    text = files("molgen").joinpath("symmetry", "space_groups.csv").read_text(encoding="utf-8")
    listed = [
        {*row["operations"].split(";"), *(f"centring {c}" for c in row["centrings"].split(";"))}
        for row in csv.DictReader(text.splitlines())
    ]
    counts = Counter(mark for marks in listed for mark in marks)
    shared = sorted(mark for mark, count in counts.items() if count >= 3)
    rows = [[0.0] * len(shared), *([float(mark in marks) for mark in shared] for marks in listed)]
    made = torch.tensor(rows)
    return made / made.square().sum(1, keepdim=True).sqrt().clamp(min=1.0)
