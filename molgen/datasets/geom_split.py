"""The MiDi family's split of GEOM-Drugs: by molecule, never by conformer.

MiDi (Vignac et al. 2023, ``geom_preprocessing.py`` and ``summary_drugs.json``) takes the 304,348 molecules that have a
pickle in the order of their SMILES, and gives the k-th the label at place ``RandomState(0).permutation(n)[k]`` of a row
of one tenth test, one tenth val and the rest train. That this is the published split was checked with the published
SMILES lists: put back in that order, all 304,348 ascend strictly. So the archive alone is enough to split it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molgen.datasets.layout import SPLITS
from molgen.errors import InputError, MissingError
from molgen.io.streams import BrokenStreamError, check_readable, read_lines

MOLECULES = 304_348
SHA256 = "9ffcc9957d0a7a3f1dfec98aa539d4f783fb403232f97d26daffcaecf1dc3765"
"""Of the ascending SMILES of MiDi's molecules, joined by line feeds."""
NAMES = dict(zip(SPLITS, (("train",), ("val", "valid"), ("test",)), strict=True))
"""What files of a split are called."""


def midi_codes(smiles: Sequence[str]) -> NDArray[np.int8]:
    """MiDi's rule for any set of molecules: 0 train, 1 valid, 2 test, shape ``(n,)``, whatever the order given.

    Args:
        smiles: One for each molecule, all different.
    """
    tenth = int(len(smiles) * 0.1)
    labels = np.repeat(np.array([2, 1, 0], dtype=np.int8), [tenth, tenth, len(smiles) - 2 * tenth])
    order = np.argsort(np.array(smiles, dtype=object), kind="stable")
    codes = np.empty(len(smiles), dtype=np.int8)
    codes[order] = labels[np.random.RandomState(0).permutation(len(smiles))]
    return codes


def is_published(smiles: Iterable[str]) -> bool:
    """Whether these are exactly MiDi's molecules, so that :func:`midi_codes` gives the published split."""
    ascending = sorted(smiles)
    return len(ascending) == MOLECULES and hashlib.sha256("\n".join(ascending).encode()).hexdigest() == SHA256


def read_split_files(folder: Path) -> dict[str, int]:
    """Code of each SMILES (0 train, 1 valid, 2 test) from ``{train,val,test}_smiles.txt`` or ``.txt.gz``, one per line.

    Raises:
        MissingError: A file is not there.
        InputError: One is damaged or empty, or a SMILES is listed twice.
    """
    codes: dict[str, int] = {}
    for code, split in enumerate(SPLITS):
        path = _split_file(folder, split)
        check_readable(path)
        try:
            listed = [line.split()[0] for line in read_lines(path) if line.strip()]
        except BrokenStreamError as error:
            raise InputError(f"{path}: {error}") from error
        twice = len(codes) + len(listed)
        codes.update(dict.fromkeys(listed, code))
        if len(codes) != twice:
            raise InputError(
                f"{path}: {twice - len(codes):,} SMILES are listed a second time, here or for another split",
                hint="a molecule belongs to one split, on one line",
            )
    return codes


def _split_file(folder: Path, split: str) -> Path:
    candidates = [folder / f"{name}_smiles.txt{end}" for name in NAMES[split] for end in ("", ".gz")]
    for path in candidates:
        if path.is_file():
            return path
    raise MissingError(
        f"{folder} holds no SMILES of the {split} split (looked for {', '.join(path.name for path in candidates)})",
        hint="one SMILES per line in train_smiles.txt, val_smiles.txt and test_smiles.txt, plain or .gz",
    )
