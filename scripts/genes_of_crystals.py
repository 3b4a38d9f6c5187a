"""The genes of crystals as JSON lines, with the cells that they have, that a model predicts from the genes, or none.

python scripts/genes_of_crystals.py crystals.extxyz genes.jsonl --cells true|none|checkpoints/wyformer_mp20
"""

import argparse
from pathlib import Path

from molgen import io
from molgen.chemistry.genes import gene_of
from molgen.sampling.gene_runs import with_predictions
from molgen.sampling.generator import load
from molgen.symmetry.batch import GeneBatch
from molgen.symmetry.lines import line_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crystals")
    parser.add_argument("genes", type=Path)
    parser.add_argument("--cells", default="true", help="true, none, or a Wyckoff Transformer")
    given = parser.parse_args()
    genes = [gene_of(crystal) for crystal in io.read(given.crystals)]
    if given.cells != "true":
        names = [gene.name for gene in genes]
        genes = [gene.replace(properties={}) for gene in genes]
        if given.cells != "none":
            genes = with_predictions(load(given.cells).model, GeneBatch.from_genes(genes))
        genes = [gene.replace(name=name) for gene, name in zip(genes, names, strict=True)]
    given.genes.write_text("".join(line_of(gene) + "\n" for gene in genes), encoding="utf-8")


if __name__ == "__main__":
    main()
