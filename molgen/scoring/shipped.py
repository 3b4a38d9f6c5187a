"""The hashes that ship with a checkpoint, so that novelty is defined where the training set is not."""

from __future__ import annotations

from pathlib import Path

from molgen.scoring.novelty import Progress, Reference
from molgen.scoring.protocol import SMILES_OF_GRAPH, SMILES_OF_LOOKUP
from molgen.scoring.smiles_forms import SmilesForm

SHIPPED = ((SMILES_OF_LOOKUP, "lookup"), (SMILES_OF_GRAPH, "auto"), (SMILES_OF_GRAPH, "xyz2mol"))
"""Forms of SMILES, with their bond source, whose hashes a checkpoint's folder holds: novelty of ``edm``, of
``explicit`` on the bonds that a set states, and of ``xyz2mol``. QM9's training set has 98,247 molecules, 8 bytes each:
the chance that a new molecule is taken for a known one is 98,247 / 2^64 = 5e-15."""


def write_hashes(
    spec: str | Path, folder: Path, *, workers: int = 1, progress: Progress | None = None
) -> list[Reference]:
    """Write the files of hashes that ship with a checkpoint, so that novelty works without the training set.

    A form of SMILES that no molecule of the set has gets no file: with an empty reference everything would be novel.

    Args:
        spec: What :meth:`Reference.open` takes, usually the data set that the checkpoint was trained on.
        folder: The checkpoint's folder, where ``Reference.open`` then finds each form.
        workers: Processes for rebuilding.
        progress: Called with (structures rebuilt, None).

    Returns:
        What was written, in the order of ``SHIPPED``.
    """
    written = []
    for identity, bonds in SHIPPED:
        reference = Reference.open(spec, identity, bonds, workers=workers, progress=progress)
        if len(reference.hashes):
            reference.save(folder / SmilesForm(identity, bonds).cache_name("train"))
            written.append(reference)
    return written
