"""What was measured on a model, as rows for its metadata and card; refused where it belongs to other weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from molgen.card import METRICS
from molgen.errors import InputError

SAMPLED_WITH = ("solver", "steps", "spacing", "seed", "precision", "device")
"""Settings of every sidecar that a row keeps."""
CHANGED_BY = ("targets", "per_target", "templates", "genes", "per_gene", "symmetrise")
"""Settings that a sidecar has only where they were given; scores are comparable where they are the same."""
RESTRICTED_BY = ("space_groups", "atoms", "formula", "chemical_system", "fragment_sha256")
"""Settings with which structures were not free to be any, nor those of a benchmark of prediction."""
PREDICTION = "match"
COVERAGE = "coverage"


def score_rows(path: Path, weights_sha256: str) -> list[dict[str, Any]]:
    """One row per protocol: how the structures were sampled, from the sidecar, and how they scored.

    Args:
        path: Output of ``molgen score ONE_FILE --json``.
        weights_sha256: Of the model that is published.

    Raises:
        InputError: The file is something else, its sidecar is gone, the scored structures are not all that were
            sampled or were not free to be any, they were scored against other targets than they were sampled for, or
            the weights are others.
    """
    report = read_json(path)
    try:
        (source,) = report["sources"]
        n, bonds = report["n"], report["bonds"]["asked"]
        measured = [_metrics(name, scored) | _reference(report, name) for name, scored in report["protocols"].items()]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not the output of `molgen score ONE_FILE --json`") from error
    sidecar = read_json(Path(source + ".json"))
    try:
        settings, written = sidecar["settings"], sidecar["written"]
        about = {"n": n, "bonds": bonds} | {key: settings[key] for key in SAMPLED_WITH}
        about |= {"asked": settings["n"], "options": settings.get("options")}
        about |= {key: settings[key] for key in CHANGED_BY if settings.get(key) is not None}
        about |= {"seconds_per_molecule": sidecar["seconds"] / n, "hardware": sidecar["provenance"]["hardware"]}
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise InputError(f"{source}.json is not the sidecar of a file with structures") from error
    if settings.get("checkpoint_sha256") != weights_sha256:
        raise InputError(
            f"{source} was sampled from other weights than {path.name} is published with",
            hint="publish, sample from the published folder, score, then `molgen publish FOLDER --scores FILE`",
        )
    if n != written:
        raise InputError(f"{path} scores {n:,} structures, but {written:,} were sampled into {source}")
    if given := [key for key in RESTRICTED_BY if settings.get(key)]:
        named = given[0].removesuffix("_sha256").replace("_", " ")
        raise InputError(f"{source} was sampled with a given {named}: no score of the model as such")
    rows = [{**row, **about} for row in measured]
    for row in rows:
        if row["protocol"] == PREDICTION:
            _check_targets(source, row)
    return rows


def _metrics(name: str, scored: Mapping[str, Any]) -> dict[str, Any]:
    """A protocol's name, table and those of its metrics that a card shows."""
    row: dict[str, Any] = {"protocol": name, "table": scored["version"]}
    for metric, result in scored["metrics"].items():
        # A row's `precision` is that of the sampler's arithmetic.
        key = f"{COVERAGE}_{metric}" if name == COVERAGE else metric
        if key in METRICS:
            row[key] = None if result is None else {k: v for k, v in result.items() if k not in ("kind", "meaning")}
    return row


def _reference(report: Mapping[str, Any], protocol: str) -> dict[str, str]:
    """What a protocol's novelty, coverage or match was measured against; known crystals serve one protocol each."""
    sets = (report.get("reference") or {}).get("sets") or []
    return {"reference": ", ".join(sorted({known["name"] for known in sets if known.get("use", protocol) == protocol}))}


def _check_targets(source: str, row: Mapping[str, Any]) -> None:
    """Refuse matches of structures that were sampled for other targets, or for none."""
    if "targets" not in row:
        raise InputError(f"{source} was not sampled for targets: whether it matches any says nothing of prediction")
    if (wanted := Path(row["targets"]).name) != row["reference"]:
        raise InputError(f"{source} was sampled for the targets of {wanted}, but scored against {row['reference']}")


def likelihood_row(path: Path, weights_sha256: str) -> dict[str, Any]:
    """What the card says of the bound.

    Args:
        path: Output of ``molgen likelihood --json``.
        weights_sha256: Of the model that is published.

    Raises:
        InputError: The file is something else, or the weights are others.
    """
    report = read_json(path)
    try:
        row = {"n": int(report["n"]), "data": str(report["data"])}
        row["nll"] = {key: float(report["nll"][key]) for key in ("value", "low", "high")}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not the output of `molgen likelihood --json`") from error
    if report.get("checkpoint_sha256") != weights_sha256:
        raise InputError(f"{path} was measured on other weights than are published")
    return row


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        InputError: It holds something else, or cannot be read.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} does not hold a JSON object")
    return values
