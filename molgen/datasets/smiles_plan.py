"""Which lines of a list of SMILES become a data set, and in which split each molecule is."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.datasets.prepare import FRACTIONS, random_split
from molgen.datasets.smiles_list import Listed, SmilesList
from molgen.errors import InputError

CHUNK = 128
"""Molecules that a worker process gets at a time, and that an interruption may lose: some seconds of work."""
EXAMPLES = 3
"""Repeated molecules that meta.json names."""


class Repeated:
    """Tells which lines name a molecule that came before, by its spelling or its canonical SMILES; counts them.

    Texts are kept as 64-bit hashes (BLAKE2b); two of a million molecules share one with a probability of 3e-8.
    """

    def __init__(self) -> None:
        self._splits: dict[bytes, int] = {}
        self.total, self.in_another_split = 0, 0
        self._examples: list[str] = []

    def is_first(self, text: str, split: int, line: Listed) -> bool:
        """Whether the text was not met before; otherwise the line is counted."""
        key = blake2b(text.encode(), digest_size=8).digest()
        first = self._splits.get(key)
        if first is None:
            self._splits[key] = split
            return True
        self.total += 1
        self.in_another_split += first != split
        if len(self._examples) < EXAMPLES:
            self._examples.append(f"{line.smiles} in {line.place}")
        return False

    def forget(self) -> None:
        """Start again with other texts, and go on counting."""
        self._splits.clear()

    def meta(self) -> dict[str, Any]:
        """The entry "repeated" of meta.json."""
        return {"total": self.total, "in_another_split": self.in_another_split, "examples": self._examples}


class Plan:
    """The molecules that are taken. Iterating gives their lines; a few bytes for each are in memory.

    Args:
        listed: The list.
        fractions: Parts for train, valid and test of a random split, for a list without splits.
        seed: Of that split and of ``limit``.
        limit: Take so many of the molecules, at random.

    Attributes:
        codes: Split code of each molecule, shape ``(n,)``.
        rule: The split in words.
        digest: Of the SMILES in their order, hexadecimal.
        repeated: Lines that are not taken because their spelling came before.

    Raises:
        InputError: The list is empty or cannot be read, has its own split against ``fractions``, or these are wrong.
    """

    def __init__(
        self, listed: SmilesList, fractions: tuple[float, float, float] | None, seed: int, limit: int | None
    ) -> None:
        if listed.has_splits and fractions is not None:
            raise InputError(f"{listed.path} has its own split", hint="leave --split out")
        parts = fractions or FRACTIONS
        random_split(0, parts, seed)
        self._listed, self.repeated = listed, Repeated()
        first, codes = self._first_lines()
        chosen = np.flatnonzero(first)
        if limit is not None and limit < len(chosen):
            keep = np.sort(np.random.default_rng(seed).permutation(len(chosen))[:limit])
            chosen, codes = chosen[keep], codes[keep]
        self._is_taken = np.zeros(len(first), dtype=bool)
        self._is_taken[chosen] = True
        self.codes = codes if listed.has_splits else random_split(len(chosen), parts, seed)
        random = f"random, {'/'.join(f'{part:g}' for part in parts)}, seed {seed}"
        self.rule = f"by molecule, {'as in the list' if listed.has_splits else random}"
        digest = blake2b(digest_size=16)
        for line in self:
            digest.update(line.smiles.encode() + b"\n")
        self.digest = digest.hexdigest()

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[Listed]:
        for line, is_taken in zip(self._listed, self._is_taken, strict=True):
            if is_taken:
                yield line

    def chunk_sizes(self) -> list[int]:
        """Molecules in each chunk."""
        return [min(CHUNK, len(self) - start) for start in range(0, len(self), CHUNK)]

    def chunks(self) -> Iterator[tuple[int, list[str]]]:
        """Number and SMILES of each chunk."""
        lines = iter(self)
        for number, size in enumerate(self.chunk_sizes()):
            yield number, [line.smiles for line in islice(lines, size)]

    def _first_lines(self) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
        """For each line whether its spelling occurs for the first time; for those the splits, 0 where there is none."""
        first, codes = bytearray(), array("b")
        for line in self._listed:
            code = line.split or 0
            is_first = self.repeated.is_first(line.smiles, code, line)
            first.append(is_first)
            if is_first:
                codes.append(code)
        self.repeated.forget()
        if not codes:
            raise InputError(f"{self._listed.path} lists no SMILES")
        return np.array(first, dtype=bool), np.array(codes, dtype=np.int8)
