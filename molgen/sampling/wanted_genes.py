"""What genes may hold: a number of atoms, elements that all must occur, or an exact composition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from molgen.models.gene_vocabulary import GeneVocabulary, Placed
from molgen.models.wyformer_sampling import Choices
from molgen.symmetry.groups import space_group


@dataclass(frozen=True, kw_only=True, eq=False)
class AtomsAndElements:
    """Genes of a number of atoms, of given elements.

    Attributes:
        table: Of the model.
        atoms: Least and most atoms of the primitive cell.
        elements: Classes that may and must occur, shape ``(E,)``; None for any.
    """

    table: GeneVocabulary
    atoms: tuple[int, int]
    elements: Tensor | None = None

    def choices(self, placed: Placed, rows: Tensor) -> Choices:
        """See :class:`molgen.models.wyformer_sampling.Wanted`.

        While elements are missing, an orbit may not take the room that one of each of them needs at least.
        """
        table, count = self.table, self.table.classes
        here, most = table.atoms_of(placed), torch.full_like(placed.groups, self.atoms[1])
        free = table.open_places(placed, most)
        end = placed.mask.any(1) & (here >= self.atoms[0])
        if self.elements is None:
            any_of_them = free.any(1, keepdim=True).expand(-1, count)
            return Choices(end=end, elements=any_of_them, orbits=free.unsqueeze(1).expand(-1, count, -1))
        seen = torch.zeros(len(free), count, dtype=torch.bool, device=free.device)
        seen = seen.scatter(1, placed.elements, True) if placed.mask.shape[1] else seen
        missing = (~seen[:, self.elements]).sum(1)
        atoms = table.atoms[placed.groups]
        smallest = atoms.masked_fill(~free, 10**6).min(1).values
        allowed = torch.zeros(len(free), count, dtype=torch.bool, device=free.device)
        allowed[:, self.elements] = True
        others = (missing.unsqueeze(1) - (allowed & ~seen).long()).clamp(min=0)
        room = (most - here).view(-1, 1, 1) - others.unsqueeze(2) * smallest.view(-1, 1, 1)
        orbits = allowed.unsqueeze(2) & free.unsqueeze(1) & (atoms.unsqueeze(1) <= room)
        return Choices(end=end & (missing == 0), elements=orbits.any(2), orbits=orbits)


@dataclass(frozen=True, kw_only=True, eq=False)
class ExactCompositions:
    """Genes of exact compositions.

    Attributes:
        table: Of the model.
        counts: Atoms of each class of element in the primitive cell, shape ``(B, K)``.
    """

    table: GeneVocabulary
    counts: Tensor

    def choices(self, placed: Placed, rows: Tensor) -> Choices:
        """See :class:`molgen.models.wyformer_sampling.Wanted`: what leaves a rest that can still be placed."""
        table, device = self.table, placed.groups.device
        atoms = table.atoms[placed.groups].gather(1, placed.places)
        left = self.counts[rows].to(device).scatter_add(1, placed.elements, -atoms * placed.mask)
        orbits = torch.zeros(len(left), table.classes, table.exists.shape[1], dtype=torch.bool)
        groups, places = placed.groups.tolist(), placed.places.tolist()
        for row, (number, rest) in enumerate(zip(groups, left.tolist(), strict=True)):
            classes = [e for e, count in enumerate(rest) if count]
            used = tuple(sorted(set(places[row])))
            for column, e in enumerate(classes):
                allowed = openings(number, used, tuple(rest[k] for k in classes), column)
                orbits[row, e, list(allowed)] = True
        orbits = orbits.to(device)
        return Choices(end=(left == 0).all(1) & placed.mask.any(1), elements=orbits.any(2), orbits=orbits)


@cache
def openings(number: int, used: tuple[int, ...], counts: tuple[int, ...], which: int) -> tuple[int, ...]:
    """Positions to which an orbit of one element may go so that the rest of the atoms can be placed, too.

    Args:
        number: Of the space group.
        used: Positions that are taken; those that are no fixed points do not matter.
        counts: Atoms of each element that are to be placed.
        which: The element in question.
    """
    group = space_group(number)
    found = []
    for k, (position, size) in enumerate(zip(group.positions, group.multiplicities.tolist(), strict=True)):
        if size > counts[which] or (position.freedom == 0 and k in used):
            continue
        rest = list(counts)
        rest[which] -= size
        taken = tuple(sorted({*used, k})) if position.freedom == 0 else used
        if can_hold(number, tuple(rest), taken):
            found.append(k)
    return tuple(found)


def can_hold(number: int, counts: Sequence[int], used: Sequence[int] = ()) -> bool:
    """Whether a space group has orbits for so many atoms of each element in its primitive cell.

    Args:
        number: Of the space group.
        counts: Atoms of each element.
        used: Positions that are taken; those that are no fixed points do not matter.
    """
    group = space_group(number)
    fixed: dict[int, int] = {}
    for k, (position, size) in enumerate(zip(group.positions, group.multiplicities.tolist(), strict=True)):
        if position.freedom == 0 and k not in used:
            fixed[size] = fixed.get(size, 0) + 1
    points = tuple(sorted(fixed.items()))
    return _fits(number, tuple(sorted((count for count in counts if count), reverse=True)), points)


@cache
def most_orbits(number: int, most: int) -> tuple[int, ...]:
    """Of how many orbits each number of atoms from 0 to ``most`` can be made up at most, -1 where of none.

    Genes of so many orbits and fewer elements can be: any element may go to any orbit.

    Args:
        number: Of the space group.
        most: Atoms of the primitive cell.
    """
    group = space_group(number)
    found = [0] + [-1] * most
    for position, size in zip(group.positions, group.multiplicities.tolist(), strict=True):
        totals = range(size, most + 1)
        for total in totals if position.freedom else reversed(totals):  # downwards, a fixed point is taken once
            if found[total - size] >= 0:
                found[total] = max(found[total], found[total - size] + 1)
    return tuple(found)


@cache
def _fits(number: int, counts: tuple[int, ...], points: tuple[tuple[int, int], ...]) -> bool:
    """Whether orbits of free positions and at most so many fixed points of each size add up to every count."""
    if not counts:
        return True
    first, rest = counts[0], counts[1:]
    reach = _free_sums(number, first)
    sizes = [size for size, _ in points]
    # Largest fixed points first: they leave fewest ways.
    for taken in _ways(first, points):
        left = first - sum(size * many for size, many in zip(sizes, taken, strict=True))
        if reach[left]:
            remaining = tuple((size, have - many) for (size, have), many in zip(points, taken, strict=True))
            if _fits(number, rest, tuple(pair for pair in remaining if pair[1])):
                return True
    return False


def _ways(most: int, points: tuple[tuple[int, int], ...]) -> list[tuple[int, ...]]:
    """How many fixed points of each size may be taken so that their atoms are at most ``most``."""
    ways: list[tuple[int, ...]] = [()]
    for size, have in points:
        ways = [(*way, many) for way in ways for many in range(min(have, most // size) + 1)]
    sizes = np.array([size for size, _ in points], np.int64)
    return [way for way in ways if int(np.dot(sizes, np.array(way, np.int64))) <= most]


@cache
def _free_sums(number: int, most: int) -> tuple[bool, ...]:
    """Whether orbits of positions with freedom add up to each number of atoms from 0 to ``most``."""
    group = space_group(number)
    pairs = zip(group.positions, group.multiplicities.tolist(), strict=True)
    sizes = {size for position, size in pairs if position.freedom}
    reach = [True] + [False] * most
    for total in range(1, most + 1):
        reach[total] = any(size <= total and reach[total - size] for size in sizes)
    return tuple(reach)
