"""Files of genes: one JSON object per line, as :meth:`molgen.symmetry.gene.Gene.to_dict` gives it."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from molgen.errors import InputError, MissingError
from molgen.symmetry.gene import Gene

ENDINGS = (".jsonl", ".jsonl.gz")
_LONGEST = 1_000_000


def is_gene_file(path: str | Path) -> bool:
    """Whether a name ends like a file of genes."""
    return str(path).endswith(ENDINGS)


def read_genes(path: str | Path, on_error: Callable[[int, str], None] | None = None) -> Iterator[Gene]:
    """The genes of a file, in order; empty lines are passed over.

    Args:
        path: JSON lines, perhaps gzipped.
        on_error: Called with the number of a line, from 1, and the reason ("kind: detail") where it holds no gene;
            without it that is an error.

    Raises:
        MissingError: There is no such file.
        InputError: The file cannot be read, or a line holds no gene; the message names the line.
    """
    path = Path(path)
    try:
        opened = (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingError(f"there is no file {path}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    with opened as lines:
        try:
            for number, line in enumerate(iter(lambda: lines.readline(_LONGEST), ""), start=1):
                if not line.strip():
                    continue
                try:
                    yield _gene(line)
                except InputError as error:
                    if on_error is None:
                        raise InputError(f"{path}, line {number}: {error}") from error
                    on_error(number, str(error))
        except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
            raise InputError(f"{path} cannot be read: {error}") from error


def _gene(line: str) -> Gene:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"malformed gene: not JSON ({error})") from error
    return Gene.from_dict(values)


def line_of(gene: Gene) -> str:
    """The gene as one line, without the line break."""
    return json.dumps(gene.to_dict())
