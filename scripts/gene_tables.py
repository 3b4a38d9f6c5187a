"""Tables of the model of genes, for fill_tables.py; without weights they hold the published rows alone."""

from __future__ import annotations

from table_parts import checkpoints, markdown, read_csv, scores, size

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
