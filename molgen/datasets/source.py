"""A path that a user gives as the source of a data set, whatever its form."""

from __future__ import annotations

from pathlib import Path

from numpy.typing import NDArray

from molgen.datasets.archive import archive_structures, is_archive
from molgen.datasets.flat import flat_structures, read_flat
from molgen.datasets.prepare import Source
from molgen.errors import MissingError


def open_source(path: Path) -> tuple[Source, dict[str, NDArray] | None]:
    """What reads ``path``: a folder or archive of xyz files, flat .npz arrays, or a file that ``molgen.io`` reads.

    Returns:
        The source, and the arrays where it is an .npz file.

    Raises:
        MissingError: There is no such path.
        InputError: The .npz file cannot be used.
    """
    from molgen import io

    if not path.exists():
        raise MissingError(f"there is no {path}", hint="check the path; relative paths start where the command runs")
    if path.is_dir() or is_archive(path):
        return lambda on_error: archive_structures(path, on_error), None
    if path.suffix.lower() == ".npz":
        arrays = read_flat(path)
        return lambda on_error: flat_structures(arrays), arrays
    return lambda on_error: io.read(path, on_error=on_error), None
