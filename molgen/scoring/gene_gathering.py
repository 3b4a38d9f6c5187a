"""What a session adds up over rows with genes: who came first, who is new, and how the whole is distributed."""

from __future__ import annotations

import numpy as np

from molgen.scoring.gene_columns import FEW, NOVEL, few
from molgen.scoring.gene_sums import COUNTED, GeneSums, GeneTable
from molgen.scoring.hashes import HashSet, smiles_hash
from molgen.scoring.known_genes import KnownGenes
from molgen.scoring.protocol import Row
from molgen.scoring.rates import Distance, Rate


class GeneGathering:
    """Fills in the columns that depend on other records or on known genes, and makes the metrics that rows do not.

    Args:
        known: The known genes; None for none.
    """

    def __init__(self, known: KnownGenes | None) -> None:
        self.known = known
        self._seen = HashSet()
        self._n = self._n_few = 0
        self._new: set[str] = set()
        self._new_of_few: set[str] = set()
        self._novel_of_few = self._p1_of_few = 0
        self._all, self._few = GeneSums(), GeneSums()

    def fill(self, rows: list[Row], prefix: str) -> None:
        """Count consecutive rows, in order; what they already say of ``unique`` and ``novel`` stays.

        Args:
            rows: Those of earlier parts of a run too.
            prefix: Of the columns, ``"genes."``.
        """
        early = [int(row["index"] or 0) < FEW for row in rows]
        self._n, self._n_few = self._n + len(rows), self._n_few + sum(early)
        own = [(row, is_early) for row, is_early in zip(rows, early, strict=True) if row.get(f"{prefix}fingerprint")]
        self._tell_apart([row for row, _ in own], prefix)
        novel = [all(row.get(f"{prefix}{column}") for column in NOVEL) for row, _ in own]
        for (row, is_early), is_novel in zip(own, novel, strict=True):
            if is_novel:
                self._add_novel(row, prefix, is_early)
        self._all.add(_table([row for row, _ in own], prefix).sums())
        chosen = [row for (row, is_early), is_novel in zip(own, novel, strict=True) if is_early and is_novel]
        self._few.add(_table(chosen, prefix).sums())

    def _tell_apart(self, rows: list[Row], prefix: str) -> None:
        texts = [str(row[f"{prefix}fingerprint"]) for row in rows]
        first = self._seen.add(np.array([smiles_hash(text) for text in texts], np.uint64)).tolist()
        for row, text, is_first in zip(rows, texts, first, strict=True):
            if row.get(f"{prefix}unique") is None:
                row[f"{prefix}unique"] = is_first
            if self.known is not None:
                if row.get(f"{prefix}novel") is None:
                    row[f"{prefix}novel"] = not self.known.has_fingerprint(text)
                row[f"{prefix}new_template"] = not self.known.has_template(str(row[f"{prefix}template"]))

    def _add_novel(self, row: Row, prefix: str, is_early: bool) -> None:
        template = {str(row[f"{prefix}template"])} if row[f"{prefix}new_template"] else set()
        self._new |= template
        if is_early:
            self._new_of_few |= template
            self._novel_of_few += 1
            self._p1_of_few += bool(row[f"{prefix}p1"])

    def results(self) -> dict[str, Rate | Distance]:
        """The metrics that do not follow from single rows; none without known genes."""
        if self.known is None:
            return {}
        found: dict[str, Rate | Distance] = {
            "new_templates": Rate.wilson(len(self._new), self._n),
            "new_templates_of_few": Rate.wilson(len(self._new_of_few), self._n_few),
            "p1_of_novel_of_few": Rate.wilson(self._p1_of_few, self._novel_of_few),
        }
        if self.known.real is not None:
            found |= self.known.real.distances(self._all)
            found |= {few(name): distance for name, distance in self.known.real.distances(self._few).items()}
        return found


def _table(rows: list[Row], prefix: str) -> GeneTable:
    facts = ([int(row[f"{prefix}{name}"] or 0) for name in COUNTED] for row in rows)
    return GeneTable.of(facts, (str(row["formula"]) for row in rows))
