"""metrics.csv of a run: one row per logged step, fixed columns, cut back to the checkpoint when a run resumes."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path


class MetricsFile:
    """Appends rows and flushes each.

    New columns appear at the right when a first value for them is written; the file is rewritten then.

    Args:
        path: The CSV file.
        resume_step: Rows of later steps are dropped, because the resumed run writes them again.
    """

    def __init__(self, path: Path, resume_step: int = 0) -> None:
        self.path = path
        self.rows: list[dict[str, str]] = []
        self.columns = ["step"]
        if path.is_file() and resume_step > 0:
            with path.open(newline="") as file:
                reader = csv.DictReader(file)
                self.rows = [row for row in reader if row["step"].isdigit() and int(row["step"]) <= resume_step]
                self.columns = list(reader.fieldnames or self.columns)
        self._rewrite()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add a row."""
        row = {"step": str(step), **{name: f"{value:.6g}" for name, value in values.items()}}
        self.rows.append(row)
        new = [name for name in row if name not in self.columns]
        if new:
            self.columns += new
            self._rewrite()
            return
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.columns).writerow(row)

    def _rewrite(self) -> None:
        temporary = self.path.with_suffix(".csv.new")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)
        temporary.replace(self.path)
