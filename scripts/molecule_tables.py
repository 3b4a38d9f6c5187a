"""Tables and figures of the models of molecules, for fill_tables.py."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from table_parts import ROOT, checkpoints, markdown, read_csv, save, scores, size, write_csv

from molgen.card import METRICS, cell, sampler, score_tables, title
from molgen.checkpoint import Checkpoint

MODELS = ("bondflow_qm9", "eqgat_qm9", "edm_qm9")
STABILITY = "molecule_stability"


def tables() -> dict[str, list[str]]:
    """Markdown lines of every table by its name."""
    published = checkpoints(MODELS)
    model, rows = scores(published["bondflow_qm9"])
    eqgat, eqgat_rows = scores(published["eqgat_qm9"])
    return {
        "models": models_table(published),
        "bondflow-scores": score_tables(rows, model),
        "bondflow-edm": beside_published("edm", rows, model),
        "bondflow-explicit-legacy": beside_published("explicit-legacy", rows, model),
        "eqgat-scores": score_tables(eqgat_rows, eqgat),
        "bondflow-learning": learning_table(),
        "bondflow-distributions": distribution_table(),
    }


def collect(runs: list[Path], results: Path) -> None:
    """Make docs/data/bondflow_*.csv from run folders, in the order of training, and a folder of scores."""
    collect_learning(runs)
    collect_distributions(results)


def draw() -> None:
    """Draw both figures."""
    draw_learning(ROOT / "docs" / "bondflow_learning.svg")
    draw_steps(ROOT / "docs" / "bondflow_steps.svg")


def models_table(published: dict[str, Checkpoint]) -> list[str]:
    """Every shipped model and sampler on one line, then what the literature has by the same protocol."""
    shown = [("edm", "atom_stability"), ("edm", STABILITY), ("edm", "validity")]
    shown += [("explicit", STABILITY), ("explicit", "validity")]
    titles = ["checkpoint", "size", "sampler", "steps", "structures", "s/structure"]
    titles += [f"`{protocol}` {title(metric)}" for protocol, metric in shown]
    lines = []
    for name, checkpoint in published.items():
        model, rows = scores(checkpoint)
        ways: dict[tuple[str, int, int], dict[str, Any]] = {}
        for row in rows:
            if row["protocol"] in ("edm", "explicit"):
                ways.setdefault((sampler(row, model), row["steps"], row["n"]), {})[row["protocol"]] = row
        for (solver, steps, count), by_protocol in sorted(ways.items(), key=lambda item: -item[0][1]):
            row = next(iter(by_protocol.values()))
            cells = [
                f"`{name}`",
                size(checkpoint),
                solver,
                str(steps),
                f"{count:,}",
                f"{row['seconds_per_molecule']:.2g}",
            ]
            lines.append([*cells, *(cell(by_protocol.get(p, {}), metric, interval=False) for p, metric in shown)])
    for row in read_csv("published_qm9"):
        if row["protocol"] == "edm" and row["model"] in ("EDM", "GeoLDM", "EquiFM", "MolTD"):
            cells = [f"*{row['model']}, published*", "", "", row["steps"], "", ""]
            lines.append([*cells, *(row[metric] for _, metric in shown[:3]), "", ""])
    return markdown(titles, lines)


def beside_published(protocol: str, rows: list[dict[str, Any]], model: dict[str, Any]) -> list[str]:
    """Our rows of a protocol and the published ones, fewest steps first."""
    theirs = [row for row in read_csv("published_qm9") if row["protocol"] == protocol]
    ours = [row for row in rows if row["protocol"] == protocol]
    shown = [m for m in METRICS if any(row.get(m) for row in theirs)]
    lines = [(row["steps"], [f"**BondFlow**, {sampler(row, model)}", str(row["steps"]),
                             *(cell(row, m) for m in shown), "measured here"]) for row in ours]  # fmt: skip
    lines += [(int(row["steps"] or 10**9), [row["model"], row["steps"], *(row[m] for m in shown), row["source"]])
              for row in theirs]  # fmt: skip
    ordered = [cells for _, cells in sorted(lines, key=lambda line: line[0])]
    return markdown(["model", "steps", *map(title, shown), "source"], ordered)


def collect_learning(runs: list[Path]) -> None:
    """Rows of metrics.csv with sample scores, as docs/data/bondflow_learning.csv; a run goes on from the one before."""
    found: list[list[Any]] = []
    columns: list[str] = []
    steps_before, hours_before = 0, 0.0
    for run in runs:
        batch = Checkpoint.load(run).recipe["data"]["batch_size"]
        with (run / "metrics.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        columns = [name for name in rows[0] if name.startswith("sample_")]
        for row in rows:
            steps, hours = steps_before + int(row["step"]), hours_before + float(row["seconds"]) / 3600
            if row["sample_explicit_validity"]:
                scores = [row[name] for name in columns]
                found.append([steps, steps * batch, f"{hours:.3f}", row["valid_loss"], *scores])
        steps_before, hours_before = steps, hours
    write_csv("bondflow_learning", ["steps", "molecules_seen", "hours", "valid_loss", *columns], found)


def learning_table() -> list[str]:
    """The learning curve."""
    titles = ["steps", "molecules seen", "hours", "validation loss", "`explicit` molecule stability", "validity",
              "`edm` molecule stability", "validity"]  # fmt: skip
    names = ("explicit_molecule_stability", "explicit_validity", "molecule_stability", "validity")
    lines = []
    for row in read_csv("bondflow_learning"):
        cells = [f"{int(row['steps']):,}", f"{int(row['molecules_seen']):,}", f"{float(row['hours']):.2f}"]
        cells += [f"{float(row['valid_loss']):.4f}", *(f"{100 * float(row['sample_' + name]):.1f}" for name in names)]
        lines.append(cells)
    return markdown(titles, lines)


def collect_distributions(results: Path) -> None:
    """Distances from the reference by steps, with floor and control, as docs/data/bondflow_distributions.csv."""
    rows = []
    for path in sorted(results.glob("steps_*.score.json")):
        compared = json.loads(path.read_text(encoding="utf-8"))["distributions"]
        for name, metric in compared["metrics"].items() if compared else ():
            kind = "jensen_shannon" if metric["wasserstein"] is None else "wasserstein"
            values = [side[kind] for side in (metric, metric["floor"], metric["control"])]
            steps = path.name.removeprefix("steps_").removesuffix(".score.json")
            rows.append([steps, name, metric["label"], metric["unit"], kind, *(f"{v:.6g}" for v in values)])
    write_csv(
        "bondflow_distributions", ["steps", "name", "label", "unit", "distance", "value", "floor", "control"], rows
    )


def distribution_table() -> list[str]:
    """Distances of the samples by steps, beside floor and control."""
    rows = read_csv("bondflow_distributions")
    steps = sorted({int(row["steps"]) for row in rows})
    titles = ["distance", *(f"{k} steps" for k in steps), "floor", "jittered"]
    lines = []
    for name in dict.fromkeys(row["name"] for row in rows):
        own = {int(row["steps"]): row for row in rows if row["name"] == name}
        last = own[max(own)]
        kind = last["unit"] if last["distance"] == "wasserstein" else "Jensen-Shannon"
        values = [*(own[k]["value"] for k in steps), last["floor"], last["control"]]
        label = f"{last['label']}{', ' + kind if kind else ''}"
        lines.append([label, *(f"{float(value):.2g}" for value in values)])
    return markdown(titles, lines)


def draw_learning(path: Path) -> None:
    """Stability and validity against molecules seen, with hours along the top."""
    import matplotlib.pyplot as plt

    rows = read_csv("bondflow_learning")
    seen = [int(row["molecules_seen"]) / 1000 for row in rows]
    figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    for name, label, line in (
        ("explicit_validity", "explicit: valid", "C0--"),
        ("explicit_molecule_stability", "explicit: stable", "C0-"),
        ("validity", "edm: valid", "C1--"),
        ("molecule_stability", "edm: stable", "C1-"),
    ):
        axes.plot(seen, [100 * float(row["sample_" + name]) for row in rows], line + "o", label=label, ms=3)
    axes.set(xlabel="thousand molecules seen", ylabel="% of 128 samples", ylim=(0, 100))
    axes.legend(frameon=False)
    rate = float(rows[-1]["hours"]) / seen[-1]
    axes.secondary_xaxis("top", functions=(lambda x: x * rate, lambda x: x / rate)).set_xlabel("hours")
    save(figure, path)


def draw_steps(path: Path) -> None:
    """Unstable molecules against sampler steps, ours with intervals beside the published points of each protocol."""
    import matplotlib.pyplot as plt

    _, rows = scores(checkpoints(["bondflow_qm9"])["bondflow_qm9"])
    figure, panels = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for axes, protocol in zip(panels, ("edm", "explicit-legacy"), strict=True):
        ours = sorted((row for row in rows if row["protocol"] == protocol), key=lambda row: row["steps"])
        value, low, high = ([100 - 100 * row[STABILITY][key] for row in ours] for key in ("value", "high", "low"))
        errors = [[v - b for v, b in zip(value, low, strict=True)], [b - v for v, b in zip(value, high, strict=True)]]
        axes.errorbar([row["steps"] for row in ours], value, errors, fmt="C0o-", ms=4, label="BondFlow, shipped")
        theirs = [row for row in read_csv("published_qm9") if row["protocol"] == protocol and row[STABILITY]]
        for row in theirs:
            if row["steps"]:
                axes.plot(int(row["steps"]), 100 - float(row[STABILITY]), "k.", ms=5)
        for place, (name, side) in labels([row for row in theirs if row["steps"]]).items():
            shift = {"xytext": (5 if side == "left" else -5, 0), "textcoords": "offset points"}
            axes.annotate(name, place, ha=side, va="center", fontsize=7, **shift)
        (data,) = (100 - float(row[STABILITY]) for row in theirs if row["model"] == "data")
        axes.axhline(data, color="grey", lw=0.8, ls=":", label="QM9 itself")
        axes.set(xscale="log", yscale="log", xlim=(3.5, 9000), title=f"protocol {protocol}")
        axes.set(xlabel="steps", ylabel="unstable molecules, %")
        axes.invert_yaxis()
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
        axes.legend(frameon=False, loc="lower right")
    save(figure, path)


def labels(rows: list[dict[str, str]]) -> dict[tuple[int, float], tuple[str, str]]:
    """Name and alignment of each published point: right of 1000 steps, left of fewer, and across for a tie."""
    sides: dict[tuple[int, float], tuple[str, str]] = {}
    before, side = (0, 1e-9), ""
    for place, name in sorted(((int(row["steps"]), 100 - float(row[STABILITY])), row["model"]) for row in rows):
        own = "left" if place[0] >= 1000 else "right"
        is_tie = place[0] == before[0] and place[1] / before[1] < 1.15 and side == own
        before, side = place, {"left": "right", "right": "left"}[own] if is_tie else own
        sides[place] = (name, side)
    return sides
