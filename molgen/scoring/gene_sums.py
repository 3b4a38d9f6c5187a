"""What distances between sets of genes are made of: counts over genes, and the distances of WyFormer's evaluation.

Kazeev et al. (ICML 2025): ``statistical_evaluator.py`` of SymmetryAdvantage/WyckoffTransformer has the definitions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molgen.elements import NUMBERS, SYMBOLS
from molgen.scoring.distributions.distances import wasserstein
from molgen.scoring.distributions.histograms import Histogram
from molgen.scoring.rates import Distance

Array = NDArray[np.float64]
DRAWS, SEED = 200, 20211
"""Random samples of real genes behind a noise floor, and their seed."""
COUNTED = ("space_group", "n_elements", "orbits", "freedom")
"""Columns of a row that are counted; the composition comes from its formula."""
_TERM = re.compile(r"([A-Z][a-z]?)(\d*)")


def chi_square(sample: Array, reference: Array) -> float | None:
    """scipy's ``chisquare`` of relative frequencies, the reference's as the expected ones.

    What the reference lacks is left out, and the rest of the sample is taken to sum to one, as in WyFormer's
    evaluation. It falls as the sample grows: k groups of expected shares cost about (k - 1) / n.

    Args:
        sample: Counts or weights of categories, shape ``(k,)``.
        reference: The same of the reference, shape ``(k,)``.

    Returns:
        None where the sample has nothing that the reference has.
    """
    shared = reference > 0
    seen, expected = sample[shared], reference[shared] / reference.sum()
    if not seen.sum():
        return None
    seen = seen / seen.sum()
    return float(((seen - expected) ** 2 / expected).sum())


def earth_movers(sample: Array, reference: Array) -> float | None:
    """Wasserstein-1 distance of counts of the numbers 0, 1, 2, ..., each shape ``(k,)``; None without any."""
    if not sample.sum() or not reference.sum():
        return None
    return wasserstein(_histogram(sample), _histogram(reference))


def _histogram(counts: Array) -> Histogram:
    bins = np.flatnonzero(counts)
    return Histogram(bins, counts[bins].astype(np.int64))


@dataclass(frozen=True)
class GeneDistance:
    """One distance between two sets of genes.

    Attributes:
        name: Of the metric.
        of: What is counted: of ``COUNTED``, or ``composition``.
        measure: From the counts of both sets.
        meaning: One line.
    """

    name: str
    of: str
    measure: Callable[[Array, Array], float | None]
    meaning: str


DISTANCES = (
    GeneDistance("space_group_chi2", "space_group", chi_square, "chi-square of space groups' frequencies"),
    GeneDistance("element_chi2", "composition", chi_square, "chi-square of elements' mean shares of a composition"),
    GeneDistance("elements_emd", "n_elements", earth_movers, "earth mover's distance of the number of elements"),
    GeneDistance("orbits_emd", "orbits", earth_movers, "earth mover's distance of the number of orbits"),
    GeneDistance("freedom_emd", "freedom", earth_movers, "earth mover's distance of the number of free coordinates"),
)


class GeneTable:
    """Genes as arrays of what is counted, gene by gene.

    Args:
        counted: By name of ``COUNTED``, each of shape ``(n,)``.
        compositions: Share of each atomic number in each gene, shape ``(n, 119)``.
    """

    def __init__(self, counted: dict[str, NDArray[np.int64]], compositions: Array) -> None:
        self._counted, self._compositions = counted, compositions

    def __len__(self) -> int:
        return len(self._compositions)

    @classmethod
    def of(cls, facts: Iterable[Sequence[int]], formulas: Iterable[str]) -> GeneTable:
        """From the values of ``COUNTED`` and the formula of each gene."""
        columns = np.array([tuple(row) for row in facts], np.int64).reshape(-1, len(COUNTED)).T
        compositions = np.zeros((columns.shape[1], len(SYMBOLS)))
        for shares, formula in zip(compositions, formulas, strict=True):
            for symbol, count in _TERM.findall(formula):
                shares[NUMBERS.get(symbol, 0)] += int(count or 1)
        totals = compositions.sum(axis=1, keepdims=True)
        return cls(dict(zip(COUNTED, columns, strict=True)), compositions / np.maximum(totals, 1))

    def sums(self, rows: NDArray[np.int64] | None = None) -> GeneSums:
        """Over all genes, or those in ``rows``, shape ``(k,)``."""
        made = GeneSums()
        chosen = slice(None) if rows is None else rows
        made.n = len(self) if rows is None else len(rows)
        made.counts = {name: np.bincount(values[chosen]).astype(float) for name, values in self._counted.items()}
        made.counts["composition"] = self._compositions[chosen].sum(axis=0)
        return made


class GeneSums:
    """Counts over any number of genes, in memory that does not grow with it.

    Attributes:
        n: Genes.
        counts: How many genes have the value 0, 1, ...; of ``composition`` the sum of all shares, by atomic number.
    """

    def __init__(self) -> None:
        self.n = 0
        self.counts: dict[str, Array] = {name: np.zeros(1) for name in (*COUNTED, "composition")}

    def add(self, other: GeneSums) -> None:
        """Count the genes of the other too."""
        self.n += other.n
        pairs = {name: _alike(counts, other.counts[name]) for name, counts in self.counts.items()}
        self.counts = {name: mine + theirs for name, (mine, theirs) in pairs.items()}

    def distance(self, other: GeneSums, distance: GeneDistance) -> float | None:
        """From these genes, the sample, to the reference."""
        return distance.measure(*_alike(self.counts[distance.of], other.counts[distance.of]))


def _alike(first: Array, second: Array) -> tuple[Array, Array]:
    """Both padded with zeros to one length."""
    length = max(len(first), len(second))
    return np.pad(first, (0, length - len(first))), np.pad(second, (0, length - len(second)))


@dataclass(frozen=True)
class RealGenes:
    """Genes of real crystals: what samples are compared with, and others that show what chance alone does.

    Attributes:
        name: Of both, in words.
        test: Sums over the test part.
        valid: Genes of the validation part.
    """

    name: str
    test: GeneSums
    valid: GeneTable

    def distances(self, sample: GeneSums) -> dict[str, Distance]:
        """From the sample to the test part; beside each, from as many genes of the validation part, drawn at random."""
        size = min(sample.n, len(self.valid))
        rng = np.random.default_rng(SEED)
        draws = 0 if not size else DRAWS if size < len(self.valid) else 1  # all of them are one sample
        drawn = [self.valid.sums(rng.permutation(len(self.valid))[:size]) for _ in range(draws)]
        found = {}
        for one in DISTANCES:
            floors = [value for sums in drawn if (value := sums.distance(self.test, one)) is not None]
            found[one.name] = Distance.beside(sample.distance(self.test, one), sample.n, floors, size)
        return found
