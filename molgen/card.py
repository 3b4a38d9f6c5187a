"""The card of a published model, in Markdown: what it is, what made it, and how its structures scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from molgen.checkpoint import Checkpoint
from molgen.sampling.settings import Settings

METRICS = (
    "atom_stability",
    "molecule_stability",
    "structure_validity",
    "composition_validity",
    "validity",
    "separated",
    "valid_connected",
    "connected",
    "uniqueness",
    "novelty",
    "valid_unique_novel",
    "unique_novel",
    "formal_validity",
    "p1",
    "p1_of_novel",
    "as_asked",
    "new_templates",
    "new_templates_of_few",
    "space_group_chi2",
    "elements_emd",
    "orbits_emd",
    "freedom_emd",
    "symmetric",
    "valid",
    "valid_and_complete",
    "relaxed",
    "energy_gain",
    "rmsd",
    "match_rate",
    "match_rate_filtered",
    "match_rate_any",
    "match_rate_any_filtered",
    "metre",
    "rmse",
    "rmse_any",
    "crmse",
    "coverage_recall",
    "coverage_precision",
    "coverage_recall_of_few",
    "coverage_recall_floor",
    "coverage_precision_floor",
    "coverage_recall_uniform_coordinates",
    "coverage_precision_uniform_coordinates",
)
"""Metrics of any protocol that a card shows and that travel with a checkpoint, in this order."""
MEANS = ("rmse", "rmse_any", "crmse")
"""Quantities shown as means, as the literature has them (half of all cRMSE may be 0.5); others are shown as medians."""
OF_SEVERAL = ("match_rate_any", "match_rate_any_filtered", "rmse_any")
"""Metrics that say nothing new where each target has one sample."""
_WORDS = {"p1": "P1", "chi2": "chi2", "emd": "EMD", "metre": "METRe", "rmse": "RMSE", "crmse": "cRMSE"}
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

    Structures that were sampled for the compositions of targets have tables of their own, after the others.

    Args:
        rows: As :func:`molgen.measured.score_rows` makes them.
        model: The model's settings, of which a sampler's options are named where they differ.
    """
    if not rows:
        return ["Not scored.", ""]
    lines: list[str] = []
    for heading in dict.fromkeys(map(_heading, sorted(rows, key=given))):
        lines += [heading, "", *score_table([row for row in rows if _heading(row) == heading], model), ""]
    return lines


def score_table(rows: Sequence[Row], model: Mapping[str, Any]) -> list[str]:
    """One Markdown table of rows of one protocol, with the metrics that any of them has."""
    shown = shown_metrics(rows)
    titles = ["sampler", "steps", "structures", *map(title, shown), "s/structure"]
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for row in sorted(rows, key=lambda row: (row["solver"], row["spacing"], row["steps"])):
        asked = row.get("asked", row["n"])
        structures = f"{row['n']:,}" if asked == row["n"] else f"{row['n']:,} of {asked:,}"
        cells = [sampler(row, model), f"{row['steps']}", structures, *(cell(row, metric) for metric in shown)]
        lines.append("| " + " | ".join([*cells, f"{row['seconds_per_molecule']:.3g}"]) + " |")
    return lines


def shown_metrics(rows: Sequence[Row]) -> list[str]:
    """The metrics that any row has, in the order of ``METRICS``, without those that repeat another."""
    is_single = all(row.get("per_target", 1) == 1 for row in rows)
    return [m for m in METRICS if any(row.get(m) for row in rows) and not (is_single and m in OF_SEVERAL)]


def title(metric: str) -> str:
    """A metric's name in words."""
    return " ".join(_WORDS.get(word, word) for word in metric.split("_"))


def given(row: Row) -> str:
    """What the structures were sampled for, in words; empty where the model was free."""
    if "genes" in row:
        return f"given the genes of {Path(row['genes']).name}"
    if "targets" not in row:
        return ""
    samples = f"{row['per_target']} sample{'s' * (row['per_target'] > 1)}"
    return f"given the compositions of {Path(row['targets']).name}, {samples} each"


def sampler(row: Row, model: Mapping[str, Any]) -> str:
    """Solver, with what differs from even times and from the model's own options, and what else made the structures."""
    options = [f"{k} {v}" for k, v in (row.get("options") or {}).items() if model.get(f"sample_{k}", v) != v]
    spacing = [] if row["spacing"] == 1 else [f"spacing {row['spacing']:g}"]
    templates = [f"templates {Path(row['templates']).name}"] if "templates" in row else []
    genes = ["within genes"] if "genes" in row else []
    symmetrised = [f"symmetrised at {row['symmetrise']:g} angstrom"] if "symmetrise" in row else []
    return ", ".join([row["solver"], *spacing, *options, *templates, *genes, *symmetrised])


def cell(row: Row, metric: str, *, interval: bool = True) -> str:
    """A metric of a row with its interval; a dash where there is none.

    Args:
        row: As :func:`molgen.measured.score_rows` makes it.
        metric: A rate, shown in percent, a quantity, shown as its median, or mean for ``MEANS``, in its unit, or a
            distance with its noise floor.
        interval: Whether to add the interval, or floor.
    """
    result = row.get(metric)
    if result is None:
        return "-"
    if "floor" in result:
        floor = "" if result["floor"] is None or not interval else f" (floor {result['floor']:.3g})"
        return "-" if result["value"] is None else f"{result['value']:.3g}{floor}"
    if "median" in result:
        statistic = "mean" if metric in MEANS else "median"
        shown = [None if v is None else f"{v:.3g}" for v in (result[statistic + end] for end in ("", "_low", "_high"))]
        unit = f" {result['unit']}" if result["unit"] else ""
    else:
        shown = [None if result[key] is None else f"{100 * result[key]:.1f}" for key in ("value", "low", "high")]
        unit = ""
    if shown[0] is None:
        return "-"
    return f"{shown[0]} ({shown[1]}-{shown[2]}){unit}" if interval and shown[1] is not None else f"{shown[0]}{unit}"


def _heading(row: Row) -> str:
    """What a table is of: the targets, the protocol and its table, and what else its numbers depend on."""
    bonds = "" if row.get("bonds", "auto") == "auto" else f", bonds by {row['bonds']}"
    reference = f", novelty against {row['reference']}" if row.get("reference") and row.get("novelty") else ""
    covered = f", of {row['reference']}" if row.get("coverage_recall") else ""
    means = "; RMSE as means" if any(row.get(metric) for metric in MEANS) else ""
    for_targets = f" {given(row)}" if given(row) else ""
    table = f"{row['table']}{bonds}{reference}{covered}"
    return f"Protocol `{row['protocol']}`{for_targets} ({table}); percent, with 95 % intervals{means}:"
