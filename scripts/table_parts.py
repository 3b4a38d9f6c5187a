"""What the scripts that fill tables and draw figures share: files, published checkpoints, Markdown."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from molgen.checkpoint import WEIGHTS_FILE, Checkpoint

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "docs" / "data"


def checkpoints(names: Iterable[str]) -> dict[str, Checkpoint]:
    """Those of the named checkpoints that are published."""
    folders = {name: ROOT / "checkpoints" / name for name in names}
    return {name: Checkpoint.load(folder) for name, folder in folders.items() if (folder / WEIGHTS_FILE).is_file()}


def scores(checkpoint: Checkpoint) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Settings of a published model, and its scores."""
    return checkpoint.recipe["model"], checkpoint.provenance["scores"]


def size(checkpoint: Checkpoint) -> str:
    """Number of parameters."""
    return f"{sum(weight.numel() for weight in checkpoint.weights.values()) / 1e6:.1f} M"


def markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table; empty cells become dashes."""
    filled = ([cell or "-" for cell in row] for row in rows)
    head, *body = ("| " + " | ".join(row) + " |" for row in [list(titles), *filled])
    return [head, "|" + "---|" * len(titles), *body]


def read_csv(name: str) -> list[dict[str, str]]:
    """Rows of docs/data/NAME.csv."""
    with (DATA / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_csv(name: str, titles: list[str], rows: list[list[Any]]) -> None:
    """Write docs/data/NAME.csv."""
    with (DATA / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([titles, *rows])


def save(figure: Any, path: Path) -> None:
    """Write an SVG with a white ground that is the same for the same data."""
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "molgen"
    figure.savefig(path, metadata={"Date": None})
    print(f"drawn: {path.relative_to(ROOT)}")
