"""Tables of the models of crystals, for fill_tables.py; without weights they hold the published rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

from table_parts import checkpoints, markdown, read_csv, scores, size

from molgen.card import cell, sampler, score_tables, title
from molgen.checkpoint import Checkpoint

MODELS = ("crystalflow_mp20", "crystalflow_mp20_genes")
NAMES = {
    "crystalflow_mp20": "**CrystalFlow here**",
    "crystalflow_mp20_genes": "**Wyckoff Transformer, then CrystalFlow here** (`crystalflow_mp20_genes`)",
}
PUBLISHED = ("CrystalFlow", "DiffCSP", "FlowMM", "OMatG linear", "MatterGen")
"""Models of the literature in the README's table."""
OF_ALL, OF_NOVEL = ("all", "all, run again"), "the novel of 1000"
GENERATION = (
    ("cdvae-2021", "structure_validity"),
    ("cdvae-2021", "composition_validity"),
    ("coverage", "coverage_recall"),
    ("coverage", "coverage_precision"),
    ("symmetry", "p1"),
)
Row = dict[str, Any]


def tables() -> dict[str, list[str]]:
    """Markdown lines of every table by its name."""
    found = checkpoints(MODELS)
    model, rows = scores(found[MODELS[0]]) if found else ({}, [])
    return {
        "crystal-models": models_table(found),
        "crystalflow-scores": score_tables(rows, model) if found else ["No weights are published yet."],
        "crystalflow-match": match_table(rows, model),
        "crystalflow-generation": generation_table(found),
    }


def models_table(found: dict[str, Checkpoint]) -> list[str]:
    """Every shipped model and sampler on one line, then models of the literature."""
    predicted = [("match", "match_rate"), ("match", "match_rate_filtered")]
    free = [("strict", "validity"), ("cdvae-2021", "composition_validity"), ("symmetry", "p1")]
    free.append(("novelty", "unique_novel"))
    names = ["match", "match, filtered", "`strict` validity", "composition validity", "P1", "unique novel"]
    lines = []
    for name, checkpoint in found.items():
        model, rows = scores(checkpoint)
        for (solver, steps), pair in sorted(by_sampler(rows, model).items(), key=lambda item: -item[0][1]):
            most = max((pair["free"] or pair["targets"]).values(), key=lambda row: row["n"])
            cells = [f"`{name}`", size(checkpoint), solver, str(steps), f"{most['n']:,}"]
            cells.append(f"{most['seconds_per_molecule']:.2g}")
            lines.append([*cells, *plain(pair["targets"], predicted), *plain(pair["free"], free)])
    lines += [published_line(name) for name in PUBLISHED]
    return markdown(["checkpoint", "size", "sampler", "steps", "structures", "s/structure", *names], lines)


def published_line(model: str) -> list[str]:
    """A model of the literature: prediction from one sample, generation, and P1 among its novel crystals."""
    own = [row for row in read_csv("published_mp20") if row["model"] == model]
    predicted = next((row for row in own if row["samples"] == "1"), {})
    generated = next((row for row in own if row["of"] in OF_ALL), {})
    novel = next((row for row in own if row["of"] == OF_NOVEL), {})
    p1 = f"{novel['p1']} of the novel" if novel else ""
    steps = (predicted or generated)["steps"]
    matched = [predicted.get(metric, "") for metric in ("match_rate", "match_rate_filtered")]
    about = [f"*{model}, published*", "", "", steps, "", ""]
    return [*about, *matched, "", generated.get("composition_validity", ""), p1, ""]


def by_sampler(rows: Sequence[Row], model: Row) -> dict[tuple[str, int], dict[str, dict[str, Row]]]:
    """Rows by sampler and steps, then ``free`` or for ``targets`` with one sample each, then protocol.

    Where there are several, the one with the most structures wins.
    """
    found: dict[tuple[str, int], dict[str, dict[str, Row]]] = {}
    for row in sorted(rows, key=lambda row: row["n"]):
        if row.get("per_target", 1) == 1:
            pair = found.setdefault((sampler(row, model), row["steps"]), {"free": {}, "targets": {}})
            pair["targets" if "targets" in row else "free"][row["protocol"]] = row
    return found


def plain(by_protocol: dict[str, Row], shown: Sequence[tuple[str, str]]) -> list[str]:
    """Cells without intervals of metrics, each of a protocol."""
    return [cell(by_protocol.get(protocol, {}), metric, interval=False) for protocol, metric in shown]


def match_table(rows: Sequence[Row], model: Row) -> list[str]:
    """Our predictions and the published ones, by samples for each target, fewest network calls first."""
    lines = [(row["per_target"], row["steps"], our_match(row, model)) for row in rows if row["protocol"] == "match"]
    for row in read_csv("published_mp20"):
        if row["task"] == "prediction":
            own = [row["model"], row["samples"], row["steps"], row["match_rate"], row["match_rate_filtered"]]
            lines.append((int(row["samples"]), calls(row["steps"]), [*own, row["rmse"], row["source"]]))
    titles = ["model", "samples", "steps", "match", "match, filtered", "RMSE", "source"]
    return markdown(titles, [cells for *_, cells in sorted(lines, key=lambda line: line[:2])])


def our_match(row: Row, model: Row) -> list[str]:
    """Cells of one of our rows: of any sample where there are several for each target."""
    several = "_any" if row["per_target"] > 1 else ""
    names = (f"match_rate{several}", f"match_rate{several}_filtered", f"rmse{several}")
    targets = f"{row['match_rate']['denominator']:,} targets of {Path(row['targets']).name}"
    about = [f"**CrystalFlow here**, {sampler(row, model)}", str(row["per_target"]), str(row["steps"])]
    return [*about, *(cell(row, name) for name in names), f"measured here, {targets}"]


def generation_table(found: dict[str, Checkpoint]) -> list[str]:
    """Our generated crystals and the published ones, those of all crystals before those of the novel ones."""
    lines: list[tuple[bool, int, list[str]]] = []
    for name, checkpoint in found.items():
        model, rows = scores(checkpoint)
        for (solver, steps), pair in by_sampler(rows, model).items():
            if free := pair["free"]:
                of = f"all {max(row['n'] for row in free.values()):,}"
                values = [cell(free.get(protocol, {}), metric) for protocol, metric in GENERATION]
                lines.append((False, steps, [f"{NAMES[name]}, {solver}", of, str(steps), *values, "measured here"]))
    for row in read_csv("published_mp20"):
        if row["task"] == "generation":
            values = [row[metric] for _, metric in GENERATION]
            own = [row["model"], row["of"], row["steps"], *values, row["source"]]
            lines.append((row["of"] == OF_NOVEL, calls(row["steps"]), own))
    titles = ["model", "of", "steps", *(title(metric) for _, metric in GENERATION), "source"]
    return markdown(titles, [cells for *_, cells in sorted(lines, key=lambda line: line[:2])])


def calls(steps: str) -> int:
    """Network calls for each structure: "1000 x 2" is 2,000; those that are not stated come last."""
    return prod(map(int, steps.split(" x "))) if steps else 10**9
