"""One .npy file written row block by row block, so that an array never has to fit in memory."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

HEADER_BYTES = 128
"""Room for the header of format version 1.0; a multiple of 64, as the format asks for alignment."""


class NpyWriter:
    """Appends rows to ``path``; the number of rows is put in the header by :meth:`close`.

    Args:
        path: File to make.
        dtype: Type of the elements.
        row_shape: Shape of one row, for example ``(3,)`` for positions.
    """

    def __init__(self, path: Path, dtype: DTypeLike, row_shape: tuple[int, ...] = ()) -> None:
        self.path, self.dtype, self.row_shape, self.rows = path, np.dtype(dtype), row_shape, 0
        self._file: BinaryIO = path.open("wb")
        self._file.write(b"\0" * HEADER_BYTES)

    def append(self, rows: NDArray) -> None:
        """Add ``rows``, shape ``(k, *row_shape)``; raises OSError when the disk is full."""
        block = np.ascontiguousarray(rows, dtype=self.dtype).reshape(-1, *self.row_shape)
        self._file.write(block.data if block.size else b"")
        self.rows += len(block)

    def close(self) -> None:
        """Write the header and close the file; does nothing the second time."""
        if self._file.closed:
            return
        shape = (self.rows, *self.row_shape)
        text = f"{{'descr': {self.dtype.str!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
        magic = b"\x93NUMPY\x01\x00" + (HEADER_BYTES - 10).to_bytes(2, "little")
        with self._file as file:
            file.seek(0)
            file.write(magic + text.encode("ascii").ljust(HEADER_BYTES - 11) + b"\n")
