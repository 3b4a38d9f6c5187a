"""Files of genes as scoring reads them: what no crystal has is a gene that fails, what is no gene cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from molgen.errors import InputError
from molgen.io.records import BadRecord
from molgen.symmetry.gene import Gene
from molgen.symmetry.lines import read_genes

_FORMAL = ("unknown position", "unknown element", "impossible gene")
"""Kinds of reason of :meth:`Gene.from_dict` that a generator of genes answers for."""


@dataclass(frozen=True)
class InvalidGene(BadRecord):
    """A line that says what a gene says, but no crystal can have it; ``reason`` tells why."""


GeneItem = Gene | InvalidGene | BadRecord


def gene_items(spec: str) -> Iterator[GeneItem]:
    """The lines of a file in order, in memory that does not grow with it but for bad lines in a row.

    Raises:
        MissingError: There is no such file.
        InputError: It cannot be read at all, or holds nothing. One that breaks off ends with a `BadRecord`.
    """
    bad: list[GeneItem] = []
    empty = True

    def note(number: int, reason: str) -> None:
        kind = reason.partition(": ")[0]
        bad.append(InvalidGene(reason) if kind in _FORMAL else BadRecord(f"line {number}: {reason}"))

    try:
        for gene in read_genes(spec, on_error=note):
            yield from bad
            bad.clear()
            yield gene
            empty = False
    except InputError as error:
        if empty and not bad:
            raise
        bad.append(BadRecord(str(error)))
    if empty and not bad:
        raise InputError(f"{spec} holds no gene", hint="one JSON object per line, as molgen sample writes them")
    yield from bad
