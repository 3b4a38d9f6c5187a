"""QM9: what the data set is, EDM's split of it, and packing it from any source."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.datasets.download import RemoteFile
from molgen.errors import InputError, MissingError

MOLECULES = 133_885
EXCLUDED = 3_054
TRAIN = 100_000
ARCHIVE = RemoteFile(
    "https://springernature.figshare.com/ndownloader/files/3195389",
    "dsgdb9nsd.xyz.tar.bz2",
    "md5:ad1ebd51ee7f5b3a6e32e974e5d54012",
)
UNCHARACTERISED = RemoteFile(
    "https://springernature.figshare.com/ndownloader/files/3195404",
    "uncharacterized.txt",
    "md5:a361887bacb427b8a0ce7903d92a53b4",
)
UNITS = {
    **dict.fromkeys(("A", "B", "C"), "GHz"),
    "mu": "D",
    "alpha": "bohr^3",
    "r2": "bohr^2",
    **dict.fromkeys(("homo", "lumo", "gap", "zpve", "U0", "U", "H", "G"), "Ha"),
    "Cv": "cal/(mol K)",
    "atomization_g4mp2": "Ha",
}
"""Units of the original properties (Ramakrishnan et al. 2014, table 3) and of G4MP2 atomisation energies."""
ABOUT: dict[str, Any] = {
    "title": "QM9",
    "level": "B3LYP/6-31G(2df,p) equilibrium geometries",
    "licence": "CC0",
    "citation": "Ramakrishnan, Dral, Rupp, von Lilienfeld, Scientific Data 1, 140022 (2014), doi:10.1038/sdata.2014.22",
    "split": "EDM (Hoogeboom et al. 2022): numpy seed 0 permutation of the 130,831 characterised molecules",
}


def read_excluded(path: Path) -> NDArray[np.int64]:
    """GDB indices of the uncharacterised molecules: the first word of each line that starts with a number.

    Raises:
        MissingError: No such file.
        InputError: It does not list 3,054 different indices of 1..133,885.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        raise MissingError(f"no list of uncharacterised molecules at {path}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    indices = np.unique(np.array(re.findall(r"^\s*(\d+)\b", text, flags=re.MULTILINE), dtype=np.int64))
    if len(indices) != EXCLUDED or indices[0] < 1 or indices[-1] > MOLECULES:
        raise InputError(
            f"{path} lists {len(indices)} molecules; QM9's list of uncharacterised molecules has {EXCLUDED}",
            hint="give the file uncharacterized.txt of the QM9 distribution with --excluded",
        )
    return indices


def edm_split(excluded: NDArray[np.integer]) -> dict[str, NDArray[np.int64]]:
    """EDM's train, valid and test sets as 1-based GDB indices, in EDM's order.

    The 130,831 other molecules in ascending order are permuted by NumPy's legacy generator with seed 0; the first
    100,000 train, the last tenth tests, the rest validates (EDM code, ``qm9/data/prepare/qm9.py``).

    Args:
        excluded: 1-based GDB indices of the uncharacterised molecules.
    """
    included = np.setdiff1d(np.arange(1, MOLECULES + 1), excluded)
    order = included[np.random.RandomState(0).permutation(len(included))]
    test = len(included) // 10
    return {"train": order[:TRAIN], "valid": order[TRAIN : len(order) - test], "test": order[len(order) - test :]}


def split_codes(gdb_index: NDArray[np.integer], excluded: NDArray[np.integer]) -> NDArray[np.int8]:
    """Code of each molecule's split (0 train, 1 valid, 2 test, -1 excluded), shape ``(n,)``."""
    code = np.full(MOLECULES + 1, -1, dtype=np.int8)
    for value, members in enumerate(edm_split(excluded).values()):
        code[members] = value
    codes: NDArray[np.int8] = code[gdb_index]
    return codes
