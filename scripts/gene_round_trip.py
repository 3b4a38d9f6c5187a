"""Crystals to genes and back: through tokens and JSON, and through crystals with random free parameters.

Every gene of a data set is written as a line and as the tokens of a model and read again, which must give the same
gene. Then it is placed: its orbits get random free parameters in its own cell (molgen convert does the same), and the
symmetry finder is asked for the gene of that crystal. Where the group or the composition are others, it says why.

    python scripts/gene_round_trip.py mp20 --workers 2
"""

import argparse
import json
import sys
from collections import Counter

import numpy as np

from molgen.chemistry.genes import gene_of
from molgen.chemistry.unit_cell import TIGHT
from molgen.datasets.find import open_dataset, split_spec
from molgen.datasets.genes import GeneSet
from molgen.errors import InputError
from molgen.symmetry.gene import Gene
from molgen.symmetry.groups import space_group
from molgen.symmetry.lines import line_of
from molgen.symmetry.random_atoms import random_crystal
from molgen.workers import ordered_map

PIECE = 200


def by_tokens(gene: Gene) -> Gene:
    """Element, site symmetry and enumeration of every orbit, and the gene that they stand for."""
    positions = gene.group.positions
    tokens = [(z, positions[k].site_symmetry, positions[k].enumeration) for z, k in gene.orbits]
    place = {(one.site_symmetry, one.enumeration): k for k, one in enumerate(positions)}
    return Gene(gene.number, tuple((z, place[site, number]) for z, site, number in tokens))


def outcome(gene: Gene, seed: int) -> str:
    """What became of a gene."""
    if by_tokens(gene) != gene or Gene.from_dict(json.loads(line_of(gene))) != gene:
        return "other tokens"
    try:
        crystal = random_crystal(gene, np.random.default_rng(seed))
    except InputError:
        return "not placed: no free parameters were found that keep atoms apart in its own cell"
    try:
        found = gene_of(crystal, TIGHT)
    except InputError as error:
        return f"no gene found: {str(error).partition(': ')[0]}"
    if found.fingerprint == gene.fingerprint:
        return "same gene"
    if found.number == gene.number:
        same = Counter(found.numbers) == Counter(gene.numbers)
        return "same group and composition, other orbits" if same else "same group, other composition"
    more = len(space_group(found.number).rotations) > len(gene.group.rotations)
    smaller = len(found.numbers) < len(gene.numbers)
    return "higher symmetry: " + ("more rotations" if more else "more translations" if smaller else "another group")


def outcomes(piece: list[tuple[int, Gene]]) -> list[str]:
    return [outcome(gene, index) for index, gene in piece]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="a data set of crystals, NAME[:split]")
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    name, split = split_spec(given.dataset)
    genes = GeneSet.open(open_dataset(name), workers=given.workers)
    indices = np.arange(len(genes)) if split is None else genes.indices(split)
    total = len(genes.dataset) if split is None else len(genes.dataset.indices(split))
    tight = genes.tight[indices] == genes.groups[indices]
    print(f"{len(indices):,} of {total:,} crystals have a gene at 0.1 angstrom; without: {genes.failed or 'none'}")
    print(f"{tight.sum():,} ({100 * tight.mean():.2f} %) have the same space group at 0.01 angstrom")
    pieces = [[(int(i), genes.gene(int(i))) for i in indices[k : k + PIECE]] for k in range(0, len(indices), PIECE)]
    counts: Counter[str] = Counter()
    for done, part in enumerate(ordered_map(outcomes, pieces, given.workers), start=1):
        counts.update(part)
        print(f"\r{min(done * PIECE, len(indices)):,} of {len(indices):,}", end="", file=sys.stderr)
    print(file=sys.stderr)
    for what, count in counts.most_common():
        print(f"{count:>7,}  {100 * count / len(indices):6.2f} %  {what}")


if __name__ == "__main__":
    main()
