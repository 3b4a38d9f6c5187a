"""Packing QM9 from any source, with EDM's split and a count of what the source lacks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.datasets.layout import SPLITS
from molgen.datasets.left_out import left_out_lines
from molgen.datasets.packing import PackWriter
from molgen.datasets.prepare import Prepared, Progress, Source, prepare
from molgen.datasets.qm9 import ABOUT, EXCLUDED, MOLECULES, TRAIN, UNITS, read_excluded, split_codes
from molgen.datasets.qm9_bonds import Agreeing, check_bonds
from molgen.errors import InputError, MissingError
from molgen.structure import Structure

GDB_NAME = re.compile(r"(?:gdb|dsgdb9nsd)[ _]0*(\d+)", re.IGNORECASE)


def gdb_index(structure: Structure) -> int | None:
    """1-based GDB index from the property ``gdb_index`` or a name such as ``gdb_17`` or ``dsgdb9nsd_000017``."""
    stated = structure.properties.get("gdb_index")
    match = GDB_NAME.search(structure.name) if stated is None else re.fullmatch(r"(\d+)(?:\.0+)?", str(stated))
    index = int(match[1]) if match else 0
    return index if 1 <= index <= MOLECULES else None


def codes_for(source: Path, excluded: Path | None, arrays: dict[str, NDArray] | None) -> NDArray[np.int8]:
    """Split code of every GDB index (0 train, 1 valid, 2 test, -1 excluded), shape ``(133886,)``.

    The list of uncharacterised molecules is ``excluded``, or ``uncharacterized.txt`` next to (or in) the source, or
    else the source's own ``edm_split``, in which an index that is absent is treated as excluded.

    Raises:
        MissingError: None of the three is there.
        InputError: The arrays of the source are no indices and codes, one for each molecule.
    """
    nearby = [folder / "uncharacterized.txt" for folder in (source, source.parent)]
    path = excluded or next((candidate for candidate in nearby if candidate.is_file()), None)
    if path is not None:
        return split_codes(np.arange(MOLECULES + 1), read_excluded(path))
    if arrays is None or not {"edm_split", "gdb_index"} <= arrays.keys():
        raise MissingError(
            f"no list of the {EXCLUDED} uncharacterised molecules next to {source}",
            hint="give the distribution's uncharacterized.txt with --excluded FILE",
        )
    codes = np.full(MOLECULES + 1, -1, dtype=np.int8)
    n = len(arrays["n_atoms"])
    indices = _integers(source, arrays, "gdb_index", n, 1, MOLECULES)
    codes[indices] = _integers(source, arrays, "edm_split", n, -1, len(SPLITS) - 1)
    return codes


def _integers(source: Path, arrays: dict[str, NDArray], key: str, n: int, low: int, high: int) -> NDArray[np.integer]:
    """The array ``key``, which must hold ``n`` integers from ``low`` to ``high``; raises InputError."""
    values = arrays[key]
    if values.dtype.kind not in "iu" or values.shape != (n,):
        raise InputError(f"{source}: {key} must hold {n} integers; it is {values.dtype} of shape {values.shape}")
    if wrong := np.flatnonzero((values < low) | (values > high)).tolist():
        raise InputError(f"{source}: {key} goes from {low} to {high}, but entry {wrong[0]} is {values[wrong[0]]}")
    return values


def prepare_qm9(
    structures: Source,
    folder: Path,
    *,
    codes: NDArray[np.int8],
    source: str,
    hydrogens: bool = True,
    bonds: bool = False,
    overwrite: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> Prepared:
    """Pack QM9 with EDM's split; molecules that the source lacks are counted in meta.json under "missing".

    With ``bonds``, those whose perceived bonds are not those of their SMILES are left out and counted under "left_out".

    Args:
        structures: Called with an error callback; yields molecules that :func:`gdb_index` can identify, and with
            ``bonds`` their GDB-17 SMILES as property ``smiles`` (:func:`molgen.datasets.qm9_bonds.with_smiles`).
        folder: Where the data set goes; its last part is the name.
        codes: From :func:`codes_for`.
        source: Where the molecules come from, for meta.json.
        hydrogens: False drops hydrogen atoms, after their bonds were found.
        bonds: State bonds (kekulised) and formal charges.
        overwrite: Replace an existing data set.
        workers: Processes that find bonds; -1 for one per core.
        progress: Called with (done, total).

    Raises:
        InputError: The source holds no molecule of QM9, or all of them are left out.
        OutputError: The folder exists or the disk is full.
    """
    identify = _Identify(codes)
    agreeing = Agreeing(identify, lambda index: SPLITS[codes[index]])

    def assign(writer: PackWriter) -> tuple[NDArray[np.integer], dict[str, Any]]:
        if not len(writer) and agreeing.left_out.total:
            raise InputError(
                f"nothing to pack for {folder.name}: {'; '.join(left_out_lines(agreeing.meta()))}",
                hint="bonds need every hydrogen atom, and the GDB-17 SMILES of each molecule to check them against",
            )
        split = codes[writer.column("gdb_index").astype(np.int64)]
        test = (MOLECULES - EXCLUDED) // 10
        expected = dict(zip(SPLITS, (TRAIN, MOLECULES - EXCLUDED - TRAIN - test, test), strict=True))
        present = {key: int((split == code).sum()) + agreeing.left_out.in_split(key) for code, key in enumerate(SPLITS)}
        missing = {key: count - present[key] for key, count in expected.items()}
        units = {key: unit for key, unit in UNITS.items() if np.isfinite(writer.column(key)).any()}
        counts = {"expected": expected, "missing": missing, "uncharacterised": identify.uncharacterised}
        about = {"about": ABOUT, "source": source, "hydrogens": hydrogens, "units": units, **counts}
        return split, about | (agreeing.meta() if bonds else {})

    return prepare(
        structures,
        folder,
        assign=assign,
        work=check_bonds if bonds else None,
        select=agreeing if bonds else identify,
        hydrogens=hydrogens,
        overwrite=overwrite,
        workers=workers,
        total=MOLECULES,
        progress=progress,
    )


class _Identify:
    """Lets the molecules of a split pass, once each, named ``gdb_<index>``; counts the uncharacterised."""

    def __init__(self, codes: NDArray[np.int8]) -> None:
        self.codes, self.uncharacterised = codes, 0
        self._seen = np.zeros(len(codes), dtype=bool)

    def __call__(self, structure: Structure) -> Structure | str | None:
        index = gdb_index(structure)
        if index is None:
            return f"no GDB index: no property gdb_index and no name like gdb_17 ({structure.name!r})"
        if self._seen[index]:
            return f"repeated GDB index: gdb_{index}"
        self._seen[index] = True
        if self.codes[index] < 0:
            self.uncharacterised += 1
            return None
        values = {key.removesuffix("_Ha"): value for key, value in structure.properties.items()}
        return structure.replace(name=f"gdb_{index}", properties={**values, "gdb_index": index})
