"""Publishing a run: weights, the training set's hashes and a card with the scores that were measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from molgen.checkpoint import Checkpoint, find
from molgen.errors import InputError, OutputError
from molgen.provenance import file_sha256
from molgen.scoring.novelty import HASHES_FILE, write_hashes

METRICS = ("atom_stability", "molecule_stability", "validity", "uniqueness", "novelty")


def publish(
    run: Path,
    folder: Path,
    *,
    scores: Sequence[Path] = (),
    likelihood: Path | None = None,
    command: str = "",
    notes: str = "",
) -> Path:
    """Write ``folder/model.safetensors``, ``training_hashes.npy`` and ``CARD.md`` from a run folder.

    Args:
        run: Folder of ``molgen train``.
        folder: Where to publish, for example ``checkpoints/edm_qm9``.
        scores: Outputs of ``molgen score --json`` on files written by ``molgen sample`` with this run's weights.
        likelihood: Output of ``molgen likelihood --json``.
        command: The training command, for the card.
        notes: A paragraph for the card.

    Returns:
        Path of the card.

    Raises:
        InputError: A score file is not what it should be, or belongs to other weights.
        OutputError: Something cannot be written.
    """
    checkpoint = Checkpoint.load(run)
    weights = file_sha256(find(run))
    rows = [score_row(path, weights) for path in scores]
    bound = None if likelihood is None else likelihood_row(likelihood, weights)
    checkpoint.provenance |= {"command": command, "scores": rows, "likelihood": bound}
    checkpoint.save(folder)
    write_hashes(checkpoint.recipe["data"]["name"], folder / HASHES_FILE)
    card = folder / "CARD.md"
    try:
        card.write_text(card_text(folder.name, checkpoint, rows, bound, notes), encoding="utf-8")
    except OSError as error:
        raise OutputError.from_os_error(error, card) from error
    return card


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; raises InputError when it is not one."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} does not hold a JSON object")
    return values


def score_row(path: Path, weights_sha256: str) -> dict[str, Any]:
    """One row of the card: how the molecules were sampled, from the sidecar, and how they scored.

    Raises:
        InputError: The file is not the report of one sampled file, its sidecar is gone, or the weights are others.
    """
    report = read_json(path)
    try:
        (source,) = report["sources"]
        ((protocol, scored),) = report["protocols"].items()
        row = {"protocol": protocol, "n": report["n"], "table": scored["version"]}
        row |= {name: scored["metrics"][name] for name in METRICS}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not the output of `molgen score ONE_FILE --protocol edm --json`") from error
    sidecar = read_json(Path(source + ".json"))
    try:
        row |= {key: sidecar["settings"][key] for key in ("solver", "steps", "spacing", "seed", "precision", "device")}
        row |= {"seconds_per_molecule": sidecar["seconds"] / report["n"], "hardware": sidecar["provenance"]["hardware"]}
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise InputError(f"{source}.json is not the sidecar of a file with molecules") from error
    if sidecar["settings"].get("checkpoint_sha256") != weights_sha256:
        raise InputError(f"{source} was sampled from other weights than {path.name} is published with")
    return row


def likelihood_row(path: Path, weights_sha256: str) -> dict[str, Any]:
    """What the card says of the bound.

    Raises:
        InputError: The file is not the output of ``molgen likelihood --json``, or the weights are others.
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


def card_text(name: str, checkpoint: Checkpoint, rows: Sequence[Mapping[str, Any]], bound: Any, notes: str) -> str:
    """The card in Markdown."""
    facts, recipe = checkpoint.provenance, checkpoint.recipe
    parameters = sum(weight.numel() for weight in checkpoint.weights.values())
    lines = [
        f"# {name}",
        "",
        recipe["description"] or f"A {recipe['model']['name']} model.",
        "",
        "| | |",
        "|---|---|",
        f"| model | {recipe['model']['name']}, {parameters:,} parameters |",
        f"| training set | {facts['dataset']}, {facts['training_structures']:,} structures, fingerprint "
        f"`{facts['dataset_fingerprint'][:16]}` |",
        f"| elements | {', '.join(map(str, checkpoint.data.elements))} (atomic numbers) |",
        f"| command | `{facts['command']}` |",
        f"| seed, steps, batch | {facts['seed']}, {facts['steps']:,}, {recipe['data']['batch_size']} |",
        f"| training time | {facts['training_seconds'] / 3600:.2f} h, precision {facts['precision']} |",
        f"| hardware | {facts['hardware']} |",
        f"| code | molgen {facts['molgen']}, commit `{facts['git_commit'][:12]}`, torch {facts['torch']} |",
        "",
        *score_table(rows),
    ]
    if bound is not None:
        nll = bound["nll"]
        lines += [f"Bound on -log p over {bound['n']:,} structures of {bound['data']}: {nll['value']:.2f} nats "
                  f"(95 % interval {nll['low']:.2f} to {nll['high']:.2f}).", ""]  # fmt: skip
    return "\n".join([*lines, *([notes, ""] if notes else [])])


def score_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Markdown lines of a table of scores with 95 % intervals; nothing for no rows."""
    if not rows:
        return ["Not scored.", ""]
    columns = ["solver", "steps", "molecules", *(metric.replace("_", " ") for metric in METRICS), "s/molecule"]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        solver = row["solver"] if row["spacing"] == 1 else f"{row['solver']}, spacing {row['spacing']:g}"
        cells = [solver, f"{row['steps']}", f"{row['n']:,}"]
        cells += [_percent(row[metric]) for metric in METRICS]
        lines.append("| " + " | ".join([*cells, f"{row['seconds_per_molecule']:.3g}"]) + " |")
    return [
        *lines,
        "",
        "Percent, with 95 % intervals, by protocol " + ", ".join(sorted({r["table"] for r in rows})) + ".",
        "",
    ]


def _percent(rate: Mapping[str, Any] | None) -> str:
    if rate is None or rate["value"] is None:
        return "-"
    return f"{100 * rate['value']:.1f} ({100 * rate['low']:.1f}-{100 * rate['high']:.1f})"
