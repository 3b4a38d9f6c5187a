"""Known genes: what novelty of genes is measured against, and the real ones that distances are taken to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from molgen.chemistry.genes import gene_of
from molgen.datasets.find import open_dataset, split_spec
from molgen.datasets.genes import GeneSet
from molgen.elements import symbol
from molgen.errors import InputError
from molgen.scoring.gene_columns import counted, fingerprint_text, template_text
from molgen.scoring.gene_sums import GeneTable, RealGenes
from molgen.scoring.known_crystals import is_dataset, known_crystals, known_splits
from molgen.structure import Structure
from molgen.symmetry.gene import Gene
from molgen.symmetry.lines import is_gene_file, read_genes
from molgen.workers import ordered_map

Progress = Callable[[int, int | None], None]
Key = tuple[int, tuple[str, ...]]


class KnownGenes:
    """A set of genes, each read when it is asked for. Use :func:`known_genes`.

    Args:
        name: What it was made from, such as ``mp20:train+valid``.
        fingerprint: Of the data set, or SHA-256 of the genes.
        size: Number of genes.
        unusable: Crystals or lines without a gene; they are not members.
        gene: Gene of a place.
        real: Real genes to take distances to; None where the set has no test part and no validation part.
    """

    def __init__(
        self, name: str, fingerprint: str, size: int, unusable: int, gene: Callable[[int], Gene], real: RealGenes | None
    ) -> None:
        self.name, self.fingerprint, self.unusable, self.real = name, fingerprint, unusable, real
        self._size, self._gene = size, gene
        self._places: dict[Key, list[int]] = {}
        self._texts: dict[Key, set[str]] = {}
        used: set[tuple[int, tuple[int, ...]]] = set()
        for place in range(size):
            known = gene(place)
            self._places.setdefault((known.number, tuple(symbol(z) for z, _ in known.orbits)), []).append(place)
            used.add((known.number, tuple(sorted(k for _, k in known.orbits))))
        # Many crystals share their positions, and templates are what takes the time.
        self._templates = {template_text(Gene(number, tuple((1, k) for k in places))) for number, places in used}

    def __len__(self) -> int:
        return self._size

    def has_fingerprint(self, text: str) -> bool:
        """Whether a known gene has a fingerprint, as ``gene_columns.fingerprint_text`` writes it."""
        number, *orbits = text.split()
        key = int(number), tuple(orbit.partition(".")[0] for orbit in orbits)
        if key not in self._texts:  # only genes of the same elements in the same group can have it
            self._texts[key] = {fingerprint_text(self._gene(place)) for place in self._places.get(key, ())}
        return text in self._texts[key]

    def has_template(self, text: str) -> bool:
        """Whether a known gene has a template, as ``gene_columns.template_text`` writes it."""
        return text in self._templates

    def describe(self) -> dict[str, Any]:
        """For the summary."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "table": "genes",
            "distinct": len(self),
            "structures": len(self) + self.unusable,
            "unusable": self.unusable,
        }


def known_genes(spec: str, workers: int = 1, progress: Progress | None = None) -> KnownGenes:
    """The genes that a user names.

    Args:
        spec: A packed data set, whose train and validation parts are meant as in WyFormer's evaluation, or one split
            of it (``mp20:train``); or a file of genes or crystals.
        workers: Processes for finding the genes of crystals; those of a data set are kept in its folder.
        progress: Of finding them.

    Raises:
        MissingError: There is no such data set or file.
        InputError: It cannot be read, or holds no gene.
    """
    report = progress or (lambda *_: None)
    if is_gene_file(spec):
        problems: list[str] = []
        genes = list(read_genes(spec, on_error=lambda _, reason: problems.append(reason)))
        found = _from_list(Path(spec).name, genes, len(problems))
    elif is_dataset(spec):
        found = _from_dataset(spec, workers, report)
    else:
        crystals = known_crystals(spec, "train")
        structures = (crystals[place] for place in range(len(crystals)))
        genes = [gene for gene in _noted(ordered_map(_gene, structures, workers), len(crystals), report) if gene]
        found = _from_list(crystals.name, genes, crystals.unusable + len(crystals) - len(genes))
    if not len(found):
        raise InputError(f"{spec} holds no gene", hint="with an empty reference everything would count as novel")
    return found


def _from_list(name: str, genes: list[Gene], unusable: int) -> KnownGenes:
    digest = hashlib.sha256(repr([(gene.number, gene.orbits) for gene in genes]).encode()).hexdigest()
    return KnownGenes(name, digest, len(genes), unusable, genes.__getitem__, None)


def _from_dataset(spec: str, workers: int, progress: Progress) -> KnownGenes:
    dataset = open_dataset(split_spec(spec)[0])
    genes = GeneSet.open(dataset, workers=workers, progress=progress)
    splits = known_splits(spec, dataset)
    members = [int(k) for split in splits for k in genes.indices(split)]
    test, valid = (_table(genes, split) for split in ("test", "valid"))
    real = RealGenes(f"{dataset.name}:test, floor {dataset.name}:valid", test.sums(), valid)
    return KnownGenes(
        f"{dataset.name}:{'+'.join(splits)}",
        genes.fingerprint,
        len(members),
        sum(len(dataset.indices(split)) for split in splits) - len(members),
        lambda place: genes.gene(members[place]),
        real if len(test) and len(valid) else None,
    )


def _table(genes: GeneSet, split: str) -> GeneTable:
    chosen = list(genes.genes(split))
    return GeneTable.of((list(counted(gene).values()) for gene in chosen), (gene.formula for gene in chosen))


def _gene(structure: Structure) -> Gene | None:
    try:
        return gene_of(structure)
    except InputError:
        return None


def _noted(genes: Iterator[Gene | None], total: int, progress: Progress) -> Iterator[Gene | None]:
    for done, gene in enumerate(genes, start=1):
        progress(done, total)
        yield gene
