"""The card of a published model, in Markdown: what it is, what made it, and how its molecules scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from molgen.checkpoint import Checkpoint
from molgen.sampling.settings import Settings

METRICS = (
    "atom_stability",
    "molecule_stability",
    "validity",
    "valid_connected",
    "connected",
    "uniqueness",
    "novelty",
    "valid_unique_novel",
    "valid",
    "valid_and_complete",
    "relaxed",
    "energy_gain",
    "rmsd",
)
"""Metrics of any protocol that a card shows and that travel with a checkpoint, in this order."""
Row = Mapping[str, Any]


def card_text(name: str, checkpoint: Checkpoint, settings: Settings) -> str:
    """The card.

    Args:
        name: Of the model.
        checkpoint: As published, with ``command``, ``notes``, ``scores`` and ``likelihood`` in its provenance.
        settings: What it is sampled with by default.
    """
    facts, recipe = checkpoint.provenance, checkpoint.recipe
    lines = [f"# {name}", "", recipe["description"] or f"A {recipe['model']['name']} model.", "", "| | |", "|---|---|"]
    lines += [f"| {label} | {value} |" for label, value in _facts(checkpoint, settings)]
    lines += ["", *score_tables(facts["scores"], recipe["model"])]
    if (bound := facts["likelihood"]) is not None:
        nll = bound["nll"]
        lines += [f"Bound on -log p over {bound['n']:,} structures of {bound['data']}: {nll['value']:.2f} nats "
                  f"(95 % interval {nll['low']:.2f} to {nll['high']:.2f}).", ""]  # fmt: skip
    return "\n".join([*lines, *([facts["notes"], ""] if facts["notes"] else [])])


def _facts(checkpoint: Checkpoint, settings: Settings) -> list[tuple[str, str]]:
    """Rows of the table at the top."""
    facts, recipe, weights = checkpoint.provenance, checkpoint.recipe, checkpoint.weights.values()
    kinds = sorted({str(weight.dtype).removeprefix("torch.") for weight in weights})
    size = sum(weight.numel() * weight.element_size() for weight in weights)
    options = "".join(f", {option} {value}" for option, value in settings.options.items())
    changed = [f"{name} {was['trained']} in training" for name, was in facts.get("sampling_changed", {}).items()]
    commit = f"commit `{facts['git_commit'][:12]}`" if facts["git_commit"] else "commit not recorded"
    return [
        ("model", f"{recipe['model']['name']}, {sum(weight.numel() for weight in weights):,} parameters"),
        ("weights", f"{size / 1e6:.1f} MB, {' and '.join(kinds)}; SHA-256 `{checkpoint.sha256()[:16]}`"),
        ("sampled by default with", f"{settings.solver}, {settings.steps} steps, spacing {settings.spacing:g}{options}"
         + (f" ({', '.join(changed)})" if changed else "")),
        ("training set", f"{facts['dataset']}, {facts['training_structures']:,} structures, fingerprint "
         f"`{facts['dataset_fingerprint'][:16]}`"),
        ("elements", f"{', '.join(map(str, checkpoint.data.elements))} (atomic numbers)"),
        ("command", _command(facts)),
        ("seed, steps, batch", f"{facts['seed']}, {facts['steps']:,}, {recipe['data']['batch_size']}"),
        ("training time", f"{facts['training_seconds'] / 3600:.2f} h, precision {facts['precision']}"),
        ("hardware", facts["hardware"]),
        ("code", f"molgen {facts['molgen']}, {commit}, torch {facts['torch']}"),
    ]  # fmt: skip


def _command(facts: Mapping[str, Any]) -> str:
    """The training command that was given for the card, else those that the run recorded, in their order."""
    recorded = facts.get("commands", [])
    joined = " && ".join(command or "(not recorded)" for command in recorded) if any(recorded) else ""
    command = facts["command"] or joined
    return f"`{command}`" if command else "not recorded"


def score_tables(rows: Sequence[Row], model: Mapping[str, Any]) -> list[str]:
    """Markdown lines: one table of scores with 95 % intervals for each protocol, by sampler and steps.

    Args:
        rows: As :func:`molgen.publish.score_rows` makes them.
        model: The model's settings, of which a sampler's options are named where they differ.
    """
    if not rows:
        return ["Not scored.", ""]
    lines: list[str] = []
    for protocol in dict.fromkeys(map(_protocol, rows)):
        lines += [f"Protocol {protocol}; percent, with 95 % intervals:", ""]
        lines += [*score_table([row for row in rows if _protocol(row) == protocol], model), ""]
    return lines


def score_table(rows: Sequence[Row], model: Mapping[str, Any]) -> list[str]:
    """One Markdown table of rows of one protocol, with the metrics that any of them has."""
    shown = [metric for metric in METRICS if any(row.get(metric) for row in rows)]
    titles = ["sampler", "steps", "molecules", *(metric.replace("_", " ") for metric in shown), "s/molecule"]
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for row in sorted(rows, key=lambda row: (row["solver"], row["spacing"], row["steps"])):
        asked = row.get("asked", row["n"])
        molecules = f"{row['n']:,}" if asked == row["n"] else f"{row['n']:,} of {asked:,}"
        cells = [sampler(row, model), f"{row['steps']}", molecules, *(cell(row.get(metric)) for metric in shown)]
        lines.append("| " + " | ".join([*cells, f"{row['seconds_per_molecule']:.3g}"]) + " |")
    return lines


def sampler(row: Row, model: Mapping[str, Any]) -> str:
    """Solver, with what differs from even times and from the model's own options."""
    options = [f"{k} {v}" for k, v in (row.get("options") or {}).items() if model.get(f"sample_{k}", v) != v]
    spacing = [] if row["spacing"] == 1 else [f"spacing {row['spacing']:g}"]
    return ", ".join([row["solver"], *spacing, *options])


def cell(result: Row | None, *, interval: bool = True) -> str:
    """A rate in percent, or the median of a quantity in its unit, with its interval; a dash where there is none.

    Args:
        result: What ``Rate.to_dict`` or ``Estimate.to_dict`` gave.
        interval: Whether to add the interval.
    """
    if result is None:
        return "-"
    if "median" in result:
        value, low, high, digits = (*(result["median" + end] for end in ("", "_low", "_high")), 3)
        shown = [None if v is None else f"{v:.{digits}g}" for v in (value, low, high)]
        unit = f" {result['unit']}"
    else:
        shown = [None if result[key] is None else f"{100 * result[key]:.1f}" for key in ("value", "low", "high")]
        unit = ""
    if shown[0] is None:
        return "-"
    return f"{shown[0]} ({shown[1]}-{shown[2]}){unit}" if interval and shown[1] is not None else f"{shown[0]}{unit}"


def _protocol(row: Row) -> str:
    """A protocol's name and table, and what else its numbers depend on."""
    bonds = "" if row.get("bonds", "auto") == "auto" else f", bonds by {row['bonds']}"
    reference = f", novelty against {row['reference']}" if row.get("reference") and row.get("novelty") else ""
    return f"`{row['protocol']}` ({row['table']}{bonds}{reference})"
