"""What is said of a gene, sampled as such or found in a crystal: columns and the metrics made of them."""

from __future__ import annotations

from molgen.elements import symbol
from molgen.scoring.gene_sums import DISTANCES
from molgen.scoring.protocol import Column, Computed, Metric, Row, Share
from molgen.symmetry.gene import Gene
from molgen.symmetry.groups import space_group

FEW = 1000
"""Records of the first part of a sample that is set beside published rows, which are of 1,000."""

GENE_COLUMNS = (
    Column("n_elements", "int", "different elements"),
    Column("orbits", "int", "orbits of the gene"),
    Column("freedom", "int", "free coordinates of its orbits; those of the cell do not count"),
    Column("fingerprint", "str", "space group, and element.position of every orbit, the same from every origin"),
    Column("template", "str", "the same without elements"),
    Column("new_template", "bool", "no known gene has this template"),
)
NOVEL = ("unique", "novel")
_OF_FEW = f"first {FEW:,} records"


def counted(gene: Gene) -> dict[str, int]:
    """What distances count, in the order of ``gene_sums.COUNTED``."""
    elements = len({z for z, _ in gene.orbits})
    return {"space_group": gene.number, "n_elements": elements, "orbits": len(gene), "freedom": gene.freedom}


def gene_values(gene: Gene) -> Row:
    """The columns that follow from the gene alone, ``space_group`` among them."""
    return {**counted(gene), "fingerprint": fingerprint_text(gene), "template": template_text(gene)}


def fingerprint_text(gene: Gene) -> str:
    """``"225 Na.a Cl.b"``: equal for genes of one crystal described from different origins or in different axes."""
    number, orbits = gene.fingerprint
    letters = space_group(number).letters
    return " ".join([str(number), *(f"{symbol(z)}.{letters[k]}" for z, k in orbits)])


def template_text(gene: Gene) -> str:
    """``"225 a b"``: the fingerprint without elements, which may lead to other letters."""
    number, places = gene.template
    letters = space_group(number).letters
    return " ".join([str(number), *(letters[k] for _, k in places)])


def gene_metrics(has: str, what: str) -> tuple[Metric, ...]:
    """Metrics of protocols with ``GENE_COLUMNS`` and columns ``p1``, ``unique`` and ``novel``.

    Args:
        has: Column that is true where there is a gene.
        what: What has a gene, in words.
    """
    return (
        Share("uniqueness", ("unique",), f"different ones / {what}; falls as the sample grows", (has,)),
        Share("novelty", NOVEL, "different ones absent from the reference / different ones", ("unique",)),
        Share("unique_novel", NOVEL, "different ones absent from the reference / all records"),
        Share("p1_of_novel", ("p1",), "space group 1 / different ones absent from the reference", NOVEL),
        Share("new_template", ("new_template",), "with a new template / different ones absent from it", NOVEL),
        Computed("new_templates", "different new templates of different novel ones / all records; falls as they grow"),
        Computed("new_templates_of_few", f"the same among the {_OF_FEW}"),
        Computed("p1_of_novel_of_few", f"space group 1 / different novel ones, among the {_OF_FEW}"),
        *(Computed(one.name, f"{one.meaning}, {what} against the test part") for one in DISTANCES),
        *(Computed(few(one.name), f"{one.meaning}, novel ones of the {_OF_FEW}") for one in DISTANCES),
    )


def few(metric: str) -> str:
    """Name of a distance over the different novel ones of the first records."""
    return f"{metric}_of_novel_few"
