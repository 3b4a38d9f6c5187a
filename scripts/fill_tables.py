"""Fills the tables in README.md and docs/results.md and draws the figures, so that no number is typed.

Scores come from the published checkpoints, which carry them; the learning curve and the distributions of BondFlow from
docs/data/*.csv, which ``--run`` makes from its run folders; published rows from docs/data/published_*.csv.

    python scripts/fill_tables.py                                # after publishing
    python scripts/fill_tables.py --run runs/bondflow_qm9 runs/bondflow_qm9_fine
    python scripts/fill_tables.py --check                        # exit 1 where a table is not what the data say
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import crystal_tables
import gene_tables
import molecule_tables
import stability_tables
from table_parts import ROOT

DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "results.md")
BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.S)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    runs = "BondFlow's run folders with metrics.csv, in the order of training; the last has results/*.score.json."
    arguments.add_argument("--run", type=Path, nargs="+", help=runs)
    arguments.add_argument("--results", default="results", help="Folder in it with the scores, for the distributions.")
    arguments.add_argument("--check", action="store_true", help="Write nothing; exit 1 where something would change.")
    given = arguments.parse_args()
    if given.run is not None:
        molecule_tables.collect(given.run, given.run[-1] / given.results)
    kinds = (molecule_tables, crystal_tables, gene_tables, stability_tables)
    stale = fill({name: lines for kind in kinds for name, lines in kind.tables().items()}, write=not given.check)
    print("changed:" if stale else "up to date", *stale)
    if not given.check:
        molecule_tables.draw()
    return int(given.check and bool(stale))


def fill(tables: dict[str, list[str]], write: bool) -> list[str]:
    """Put every table into its marked blocks; the names of the documents that change."""
    stale = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        filled = BLOCK.sub(lambda found: found[1] + "\n".join(tables[found[2]]).strip() + "\n" + found[4], text)
        if filled != text:
            stale.append(path.name)
            if write:
                path.write_text(filled, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
