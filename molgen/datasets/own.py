"""A user's own file, archive or folder as a data set with a random split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.datasets.packing import PackWriter
from molgen.datasets.prepare import FRACTIONS, Prepared, Progress, prepare, random_split
from molgen.datasets.source import open_source
from molgen.datasets.unsanitised import Unsanitised


def prepare_own(
    path: Path,
    folder: Path,
    *,
    fractions: tuple[float, float, float] = FRACTIONS,
    seed: int = 0,
    hydrogens: bool = True,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Prepared:
    """Pack the structures of ``path``; charges and bonds are kept where every structure states them.

    Molecules whose bonds RDKit does not sanitise are packed, too, and counted in meta.json as "unsanitised".

    Args:
        path: Anything that :func:`molgen.datasets.source.open_source` takes.
        folder: Where the data set goes; its last part is the name.
        fractions: Parts for train, valid and test; they add up to 1.
        seed: Seed of the random split.
        hydrogens: False drops hydrogen atoms.
        overwrite: Replace an existing data set.
        progress: Called with (done, total or None).

    Raises:
        MissingError: There is no such path.
        InputError: It holds nothing usable, or the fractions are wrong.
        OutputError: The folder exists or the disk is full.
    """
    random_split(0, fractions, seed)
    structures, arrays = open_source(path)
    unsanitised = Unsanitised()

    def assign(writer: PackWriter) -> tuple[NDArray[np.integer], dict[str, Any]]:
        rule = f"random, {'/'.join(f'{fraction:g}' for fraction in fractions)}, seed {seed}"
        meta = {"about": {"title": folder.name, "split": rule}, "source": str(path), "hydrogens": hydrogens}
        return random_split(len(writer), fractions, seed), {**meta, "unsanitised": unsanitised.meta()}

    return prepare(
        structures,
        folder,
        assign=assign,
        select=unsanitised,
        hydrogens=hydrogens,
        overwrite=overwrite,
        total=None if arrays is None else len(arrays["n_atoms"]),
        progress=progress,
    )
