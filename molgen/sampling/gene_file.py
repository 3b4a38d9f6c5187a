"""What sampling genes writes: JSON lines with a sidecar, continued as every file of samples is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from molgen.errors import ConfigError
from molgen.io.formats import Format, Target
from molgen.io.streams import RecordFile
from molgen.sampling.output import SampleFile
from molgen.symmetry.gene import Gene
from molgen.symmetry.lines import ENDINGS, is_gene_file, line_of

_LINES = Format(ENDINGS, records=lambda lines: iter(()), encode=lambda gene: line_of(gene) + "\n")  # type: ignore[arg-type]


class _Writer:
    """Appends genes."""

    def __init__(self, path: Path, *, append: bool) -> None:
        self.count, self._file = 0, RecordFile(path, append=append)

    def write(self, gene: Gene) -> None:
        self._file.write(_LINES.encode(gene))  # type: ignore[arg-type]  # formats are of structures
        self.count += 1

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class GeneFile(SampleFile):
    """Genes of one run of sampling; see :class:`molgen.sampling.output.SampleFile`."""

    def _target_of(self, path: str | Path, periodic: bool) -> Target:
        if not is_gene_file(path):
            raise ConfigError(f"{path}: genes are written as JSON lines", hint=f"end it with {' or '.join(ENDINGS)}")
        return Target(Path(path), _LINES, ENDINGS[0])

    def _writer_of(self, append: bool) -> Any:
        return _Writer(self.path, append=append)

    @staticmethod
    def _is_whole(record: Any) -> bool:
        return True
