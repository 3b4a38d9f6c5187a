"""`molgen models` and `molgen info`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molgen.checkpoint import Checkpoint


_SHOWN = (
    "atom_stability",
    "molecule_stability",
    "structure_validity",
    "composition_validity",
    "validity",
    "unique_novel",
    "p1",
    "energy_gain",
    "match_rate",
    "match_rate_filtered",
    "coverage_recall",
    "coverage_precision",
)
"""Metrics of a published score that fit on a line, in this order."""


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:
    """List the packaged recipes, and the trained models under checkpoints/ ($MOLGEN_CHECKPOINTS) and runs/.

    Example: molgen models --json
    """
    import json

    from molgen.config import packaged_recipes

    recipes, found = packaged_recipes(), list(_trained())
    if as_json:
        typer.echo(json.dumps({"recipes": recipes, "checkpoints": found}, indent=1))
        return
    width = max(map(len, recipes), default=0)
    lines = ["recipes (molgen train RECIPE):", *(f"  {name:<{width}}  {text}" for name, text in recipes.items()), ""]
    lines.append("trained models (molgen sample PATH -o out.sdf):")
    for one in found:
        if "error" in one:
            lines.append(f"  {one['path']}  not usable: {one['error']}")
            continue
        steps = "?" if one["steps"] is None else f"{one['steps']:,}"
        card = f"; card {one['card']}" if one["card"] else ""
        lines.append(f"  {one['path']}  {one['model']} on {one['dataset']}, {steps} steps{card}")
        lines += [f"    {line}" for line in _score_lines(one["scores"])]
    if not found:
        lines.append("  none; molgen train edm_embedded makes a small one in a minute")
    typer.echo("\n".join(lines))


def info(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint or run folder, weights file, or name in checkpoints/.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:  # fmt: skip
    """Everything that a checkpoint says of itself: recipe, data, vocabulary, sizes, parameters, provenance, SHA-256.

    Example: molgen info checkpoints/edm_qm9
    """
    import json

    from molgen.checkpoint import Checkpoint, find

    file = find(checkpoint)
    document = _describe(file, Checkpoint.load(file))
    typer.echo(json.dumps(document, indent=1) if as_json else "\n".join(_lines(document)))


def _trained() -> Iterator[dict[str, Any]]:
    """One entry for each weights file in the folders where molgen looks."""
    import os

    from molgen.checkpoint import WEIGHTS_FILE, Checkpoint
    from molgen.errors import MolgenError

    for root in (Path(os.environ.get("MOLGEN_CHECKPOINTS", "checkpoints")), Path("runs")):
        for file in sorted(root.glob(f"*/{WEIGHTS_FILE}")):
            try:
                checkpoint = Checkpoint.load(file)
            except MolgenError as error:
                yield {"path": str(file.parent), "error": str(error)}
                continue
            card = file.parent / "CARD.md"
            facts = checkpoint.provenance
            yield {
                "path": str(file.parent),
                "model": checkpoint.recipe.get("model", {}).get("name"),
                "dataset": facts.get("dataset"),
                "steps": facts.get("steps"),
                "scores": facts.get("scores", []),
                "card": str(card) if card.is_file() else None,
            }


def _describe(file: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    from molgen.elements import SYMBOLS
    from molgen.provenance import file_sha256

    histogram = checkpoint.data.size_histogram
    total = sum(histogram)
    present = [n for n, count in enumerate(histogram) if count]
    return {
        "path": str(file),
        "sha256": file_sha256(file),
        "model_sha256": checkpoint.sha256(),
        "bytes": file.stat().st_size,
        "recipe": checkpoint.recipe,
        "elements": [SYMBOLS[z] for z in checkpoint.data.elements],
        "sizes": {
            "structures": total,
            "smallest": min(present, default=None),
            "largest": max(present, default=None),
            "mean": round(sum(n * count for n, count in enumerate(histogram)) / total, 3) if total else None,
            "histogram": list(histogram),
        },
        "parameters": sum(weight.numel() for weight in checkpoint.weights.values()),
        "provenance": checkpoint.provenance,
    }


def _lines(document: dict[str, Any]) -> list[str]:
    sizes = document["sizes"]
    lines = [
        f"file        {document['path']} ({document['bytes']:,} bytes)",
        f"sha256      {document['sha256']}; of the model, as samples name it: {document['model_sha256']}",
        f"parameters  {document['parameters']:,}",
        f"elements    {' '.join(document['elements'])}",
        f"sizes       {sizes['smallest']} to {sizes['largest']} atoms, mean {sizes['mean']}, "
        f"of {sizes['structures']:,} training structures",
    ]
    provenance = dict(document["provenance"])
    scores = _score_lines(provenance.pop("scores", []))
    for section, values in (("provenance", provenance), ("recipe", document["recipe"])):
        lines += ["", f"{section}:", *(f"  {key} = {value}" for key, value in _flat(values))]
    return [*lines, *(["", "scores:", *(f"  {line}" for line in scores)] if scores else [])]


def _score_lines(scores: list[dict[str, Any]]) -> list[str]:
    """One line for each score that a checkpoint was published with."""
    from molgen.card import cell, given, title

    def shown(row: dict[str, Any]) -> Iterator[str]:
        for metric in _SHOWN:
            if metric in row:
                text = cell(row, metric, interval=False)
                yield f"{title(metric)} {text}{' %' if text[-1].isdigit() else ''}"

    lines = []
    for row in scores:
        about = [row["protocol"], row["solver"], f"{row['steps']} steps", f"{row['n']:,} structures"]
        lines.append(f"{', '.join([*about, *filter(None, [given(row)])])}: {', '.join(shown(row))}")
    return lines


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested keys joined by dots, with their values."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
