"""A small scoring by protocol sun, made by hand: relaxed lithium oxides, what they were before, and their hull."""

import numpy as np

from molgen import io
from molgen.chemistry.hull import Entry, Hull
from molgen.elements import NUMBERS
from molgen.scoring.hull_file import read_hull
from tests.report.scored import rate, write_rows
from tests.scoring.crystals import cubic

KINDS = {
    **dict.fromkeys(("energy_per_atom", "e_above_hull", "rmsd", "volume_change"), "float"),
    **dict.fromkeys(("known_energy", "stable", "metastable", "converged", "unique", "novel"), "bool"),
    **dict.fromkeys(("space_group_before", "space_group_after"), "int"),
    "reason": "str",
}
HULL = "id,formula,energy_per_atom\nlithium,Li,-2\noxygen,O,-5\noxide,Li2O,-5\nrust,Fe2O3,-7\niron,Fe,-8\n"
# Symbols, energy per atom, energy above the hull, RMSD, converged, reason. Li2O: -5 per atom; LiO: -5 on the hull.
RECORDS = [
    ("Li Li O", -5.0, 0.0, 0.5, True, ""),
    ("Li O", -4.95, 0.05, 0.1, True, ""),
    ("Li O", -4.7, 0.3, 0.9, False, "not converged: 500 steps"),
    ("Fe Fe O O O", -7.2, -0.2, 0.7, True, ""),
    ("Li", -1.0, 1.0, 0.0, True, ""),
    ("Na O", -4.0, None, 0.2, True, "no reference: no compound of Na is in it"),
    ("Li Fe O O", -6.0, 0.1, None, None, "not relaxed"),
]
N = len(RECORDS)
# Numerators of the summary; the report takes the funnel's counts from there.
COUNTS = {"known_energy": 6, "stable": 2, "stable_unique": 2, "sun": 1}
COUNTS |= {"metastable": 4, "metastable_unique": 3, "metastable_sun": 2}


def generated():
    """What was relaxed; ``molgen relax`` left out the first, so that record k of the rows is k + 1 here."""
    return [_crystal("Li O O", 3.0, 99), *(_crystal(symbols, 4.0, k) for k, (symbols, *_) in enumerate(RECORDS))]


def relaxed():
    """As ``molgen relax`` writes them."""
    made = (_crystal(symbols, 4.5, k) for k, (symbols, *_) in enumerate(RECORDS))
    return [crystal.replace(properties={"relax_index": k + 1}) for k, crystal in enumerate(made)]


def write_stable(folder, reference=True):
    """Relaxed and generated crystals, hull, rows and summary; returns the file of rows."""
    io.write(folder / "relaxed.extxyz", relaxed())
    io.write(folder / "samples.extxyz", generated())
    (folder / "hull.csv").write_text(HULL)
    source = str(folder / "relaxed.extxyz")
    return write_rows(folder / "rows.csv", _summary(folder, source, reference), _rows(source))


def toy_hull():
    """The hull of ``HULL``."""
    known = {"Li": -2, "O": -5, "Li Li O": -5, "Fe Fe O O O": -7, "Fe": -8}
    return Hull(Entry(formula.replace(" ", ""), _composition(formula), energy) for formula, energy in known.items())


def _composition(symbols):
    words = symbols.split()
    return tuple(sorted((NUMBERS[symbol], words.count(symbol)) for symbol in set(words)))


def _crystal(symbols, edge, place):
    atoms = len(symbols.split())
    spread = np.arange(atoms)[:, None] / atoms * [1, 0.5, 0.25] + 0.1
    return cubic(edge, symbols, spread, f"c{place}")


def _summary(folder, source, reference):
    metrics = {name: rate(count, N, f"meaning of {name}", 0.1, 0.9) for name, count in COUNTS.items()}
    if not reference:
        metrics |= {"sun": None, "metastable_sun": None}
    fingerprint = read_hull.__wrapped__(str(folder / "hull.csv")).fingerprint
    sun = {
        "version": f"sun-1 (hull hull.csv {fingerprint[:12]}, as stated)",
        "bond_source": "none",
        "notes": [],
        "failures": {},
        "columns": {name: {"kind": kind, "meaning": f"meaning of {name}"} for name, kind in KINDS.items()},
        "metrics": metrics,
    }
    return {
        "molgen": "0.1.0",
        "n": N,
        "sources": {source: N},
        "bonds": {"asked": "auto", "used": {}},
        "unreadable": {"count": 0, "first": []},
        "protocols": {"sun": sun},
        "notes": [],
    }


def _rows(source):
    made = []
    for index, (crystal, record) in enumerate(zip(relaxed(), RECORDS, strict=True)):
        symbols, energy, above, rmsd, converged, reason = record
        words = symbols.split()
        formula = "".join(f"{s}{words.count(s) if words.count(s) > 1 else ''}" for s in sorted(set(words)))
        row = {"index": index, "source": source, "name": crystal.name, "formula": formula, "n_atoms": len(crystal)}
        row |= {"bonds": "", "problem": ""}
        values = dict.fromkeys(KINDS) | {"energy_per_atom": energy, "e_above_hull": above, "rmsd": rmsd}
        values |= {"converged": converged, "reason": reason, "volume_change": -1.5, "space_group_before": 1}
        cells = {f"sun.{name}": "" if value is None else value for name, value in values.items()}
        cells["sun.converged"] = "" if converged is None else str(converged).lower()
        made.append(row | cells)
    return made
