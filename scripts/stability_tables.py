"""Tables of stability, for fill_tables.py: S.U.N. rows of models and controls, and what the potential is worth.

python scripts/stability_tables.py runs/stability     # scores of scripts/reproduce_stability.sh -> docs/data/sun.csv
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from table_parts import markdown, read_csv, write_csv

NAMES = {
    "crystalflow": "CrystalFlow, 50 steps, cells and all from noise",
    "wyformer": "Wyckoff Transformer, then CrystalFlow within the gene, 10 steps",
    "train_real": "control: crystals of the train part",
    "test_real": "control: crystals of the test part",
    "test_moved": "control: the same, atoms moved by 0.1 angstrom",
    "few_uniform_coordinates": "control: the first 50 of them, atoms anywhere in their cells",
}
HULLS = ("mp20_chgnet", "mp20_all_chgnet")
SHOWN = {
    "converged": "relaxed",
    "metastable": "0.1 eV/atom or less",
    "stable": "on or below the hull",
    "unique_novel": "unique, novel",
    "metastable_sun": "metastable S.U.N.",
    "sun": "S.U.N.",
    "same_space_group": "same group",
}
QUANTITIES = {"e_above_hull": "above hull, eV/atom", "rmsd": "RMSD, angstrom"}


def tables() -> dict[str, list[str]]:
    """Markdown lines of every table by its name."""
    return {"sun": sun_table(), "hull-agreement": agreement_table()}


def sun_table() -> list[str]:
    """Models and controls, each against both hulls."""
    rows = []
    for row in read_csv("sun"):
        kind = "train" if row["hull"] == HULLS[0] else "all of MP-20"
        rows.append([NAMES[row["name"]], kind, row["n"], *(row[name] for name in (*SHOWN, *QUANTITIES))])
    return markdown(["crystals", "hull", "n", *SHOWN.values(), *(f"median {t}" for t in QUANTITIES.values())], rows)


def agreement_table() -> list[str]:
    """What scripts/hull_agreement.py found."""
    titles = ["eV/atom", "crystals", "n", "MAE", "median", "RMSE", "bias", "Pearson", "Spearman",
              "same side of 0.1", "of 0"]  # fmt: skip
    return markdown(titles, (list(row.values()) for row in read_csv("hull_agreement")))


def collect(folder: Path) -> None:
    """Scores of one run of reproduce_stability.sh as docs/data/sun.csv; rows that it has no scores of stay."""
    rows, before = [], {(row["name"], row["hull"]): list(row.values()) for row in read_csv("sun")}
    for name in NAMES:
        for hull in HULLS:
            scored = folder / f"{name}.{hull}.score.json"
            if not scored.exists():
                rows.append(before[name, hull])
                continue
            document = json.loads(scored.read_text(encoding="utf-8"))
            metrics: dict[str, Any] = document["protocols"]["sun"]["metrics"]
            shares = [f"{100 * metrics[key]['value']:.1f}" for key in SHOWN]
            rows.append([name, hull, document["n"], *shares, *(f"{metrics[key]['median']:z.3f}" for key in QUANTITIES)])
    write_csv("sun", ["name", "hull", "n", *SHOWN, *QUANTITIES], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of scripts/reproduce_stability.sh")
    collect(parser.parse_args().folder)
    print("\n".join(sun_table()))


if __name__ == "__main__":
    main()
