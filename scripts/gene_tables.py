"""Tables of the model of genes, for fill_tables.py; without weights they hold the published rows alone.

python scripts/gene_tables.py runs/wyformer_mp20     # learning curve -> docs/data/wyformer_learning.csv, and drawn
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from table_parts import ROOT, checkpoints, markdown, read_csv, save, scores, size, write_csv

from molgen.card import cell, sampler, score_tables

MODEL = "wyformer_mp20"
SHOWN = {
    "formal_validity": "formally valid",
    "composition_validity": "composition valid",
    "p1": "P1",
    "unique_novel": "unique novel",
    "new_templates_of_few": "new templates of the first 1,000",
    "space_group_chi2": "space groups chi2",
    "elements_emd": "elements EMD",
    "orbits_emd": "sites EMD",
}
README = ("Wyckoff Transformer", "Wyckoff Transformer, CrySPR")
"""Published rows in the README's table."""
PARTS = ("element", "site", "enumeration")


def tables() -> dict[str, list[str]]:
    """Markdown lines of every table by its name."""
    found = checkpoints([MODEL])
    model, rows = scores(found[MODEL]) if found else ({}, [])
    return {
        "gene-models": genes_table(README),
        "wyformer-scores": score_tables(rows, model) if found else ["No weights are published yet."],
        "wyformer-published": genes_table(None),
    }


def genes_table(published: tuple[str, ...] | None) -> list[str]:
    """Our rows, most genes first, and published ones, all if None."""
    lines = []
    for name, checkpoint in checkpoints([MODEL]).items():
        model, rows = scores(checkpoint)
        for row in sorted((r for r in rows if r["protocol"] == "genes"), key=lambda r: -r["n"]):
            about = [f"`{name}`, {size(checkpoint)}, {sampler(row, model)}", f"{row['n']:,}"]
            shown = [cell(row, metric, interval="chi2" in metric or "emd" in metric) for metric in SHOWN]
            lines.append([*about, f"{1000 * row['seconds_per_molecule']:.2g} ms", *shown])
    lines += [
        [f"*{row['model']}, published*", row["n"], "", *(row.get(metric, "") for metric in SHOWN)]
        for row in read_csv("published_genes")
        if published is None or row["model"] in published
    ]
    return markdown(["model", "genes", "time/gene", *SHOWN.values()], lines)


def collect_learning(run: Path) -> None:
    """Validation losses in nats per gene, given its space group, as docs/data/wyformer_learning.csv."""
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["valid_loss"]]
    found = []
    for row in rows:
        parts = [float(row[f"valid_{part}_loss"]) for part in PARTS]
        found.append([row["step"], f"{float(row['seconds']) / 3600:.3f}", f"{sum(parts):.4f}", *parts])
    write_csv("wyformer_learning", ["steps", "hours", "nats", *PARTS], found)


def draw_learning(path: Path) -> None:
    """Nats per validation gene against steps, with hours along the top."""
    import matplotlib.pyplot as plt

    rows = read_csv("wyformer_learning")
    steps = [int(row["steps"]) for row in rows]
    figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    axes.plot(steps, [float(row["nats"]) for row in rows], "C0o-", ms=3, label="genes")
    axes.plot(steps, [float(row["element"]) for row in rows], "C1o-", ms=3, label="of it, elements and the end")
    axes.set(xlabel="steps", ylabel="nats per validation gene")
    axes.legend(frameon=False)
    rate = float(rows[-1]["hours"]) / steps[-1]
    axes.secondary_xaxis("top", functions=(lambda x: x * rate, lambda x: x / rate)).set_xlabel("hours")
    save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder")
    collect_learning(parser.parse_args().run)
    draw_learning(ROOT / "docs" / "wyformer_learning.svg")


if __name__ == "__main__":
    main()
