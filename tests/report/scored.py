"""A small scoring made by hand: eight records, two protocols, distributions; with its files."""

import csv
import json

from molgen import io
from tests.scoring.molecules import ACETYLENE, AMMONIA, CARBON_DIOXIDE, METHANE, METHYL, beside, ring

STRUCTURES = [
    METHANE,
    ring(1.39),
    METHYL,
    CARBON_DIOXIDE,
    AMMONIA,
    ACETYLENE,
    METHANE,
    beside(METHANE, AMMONIA),
]
FORMULAS = ["CH4", "C6H6", "CH3", "CO2", "H3N", "C2H2", "CH4", "CH7N"]
KINDS = {
    "edm": {"valid": "bool", "molecule_stable": "bool", "smiles": "str", "reason": "str", "unique": "bool"},
    "mmff94s": {"relaxed": "bool", "energy_gain": "float", "reason": "str"},
}
# valid, stable, SMILES, reason, unique; relaxed, energy gain, reason
VALUES = [
    (True, True, "C", "", True, True, 1.5, ""),
    (True, True, "c1ccccc1", "", True, True, 0.25, ""),
    (True, False, "[CH3]", "unstable: atom 0 C has valence 3, allowed 4", True, True, 7.0, ""),
    (True, True, "O=C=O", "", True, True, 12.0, ""),
    (False, False, None, "sanitisation: Explicit valence", None, False, None, "no result: not sanitised"),
    (False, False, None, "unstable: atom 1 C has valence 5, allowed 4", None, None, None, "timeout: 60 s"),
    (True, True, "C", "", False, True, 0.1, ""),
    (None, None, None, None, None, None, None, None),
]
PROBLEM = "unreadable: record 8: no atom block"


def rate(numerator, denominator, meaning, low, high):
    value = numerator / denominator
    return {
        "kind": "rate",
        "value": value,
        "numerator": numerator,
        "denominator": denominator,
        "low": low,
        "high": high,
        "meaning": meaning,
    }


def distance(value, floor, control, **more):
    def pair(number):
        return {"wasserstein": number, "jensen_shannon": None if number is None else number / 2}

    return {**pair(value), "floor": pair(floor), "control": pair(control), **more}


def summary(source="a.sdf"):
    """A fresh document, which a test may spoil."""
    energy = {"count": 5, "unit": "kcal/mol", "meaning": "energy before minus after", "kind": "quantity"}
    energy |= {"mean": 4.17, "mean_low": 0.5, "mean_high": 8.25, "median": 1.5, "median_low": 0.1, "median_high": 12.0}
    bins = {"edges": [1.0, 1.1, 1.2, 1.3], "sample": [0.25, 0.5, 0.25], "reference": [0.1, 0.8, 0.1]}
    names = {"categories": ["C", "N", "O"], "sample": [0.5, 0.3, 0.2], "reference": [0.6, 0.2, 0.2]}
    typed = {
        "C-H": distance(0.004, 0.005, 0.1, count=90, reference_count=900),
        "C-C": distance(0.03, 0.002, 0.02, count=9, reference_count=120),
        "C=O": distance(None, None, None, count=0, reference_count=7),
    }
    return {
        "molgen": "0.1.0",
        "n": 8,
        "sources": {source: 8},
        "bonds": {"asked": "auto", "used": {"lookup": 7}},
        "reference": {"spec": "qm9", "sets": [{"name": "qm9", "distinct": 98052, "table": "edm-lookup-1"}]},
        "unreadable": {"count": 1, "first": [{"index": 7, "source": source, "reason": PROBLEM}]},
        "protocols": {
            "edm": {
                "version": "edm-lookup-1",
                "bond_source": "lookup of interatomic distances",
                "notes": ["a note of the protocol"],
                "failures": {"unstable": 2, "sanitisation": 1, "unreadable": 1},
                "columns": _columns("edm"),
                "metrics": {
                    "validity": rate(5, 8, "structures that RDKit sanitises / all records", 0.3057, 0.8632),
                    "novelty": None,
                },
            },
            "mmff94s": {
                "version": "rdkit-mmff94s-1",
                "bond_source": "those stated or perceived",
                "notes": [],
                "failures": {"no result": 1, "timeout": 1, "unreadable": 1},
                "columns": _columns("mmff94s"),
                "metrics": {"energy_gain": energy},
            },
        },
        "distributions": {
            "reference": {"spec": "qm9"},
            "bonds": "lookup",
            "n": 7,
            "floor_n": 7,
            "notes": ["a note of the distributions"],
            "metrics": {
                "bond_length": {
                    "label": "bond lengths",
                    "unit": "angstrom",
                    "meaning": "length of every bond",
                    **distance(0.0123, 0.00321, 0.0987, by_type=typed, only_in_sample=0.025),
                },
                "element": {
                    "label": "elements",
                    "unit": "",
                    "meaning": "element of every atom",
                    "wasserstein": None,
                    "jensen_shannon": 0.0456,
                    "floor": {"wasserstein": None, "jensen_shannon": 0.01},
                    "control": {"wasserstein": None, "jensen_shannon": 0.01},
                    "by_type": {},
                },
            },
            "histograms": {"bond_length": {"C-H": bins, "C-C": dict(bins)}, "element": {"all": names}},
        },
        "notes": ["a note of the run"],
    }


def rows(source="a.sdf"):
    """Cells as in a CSV file, by column."""
    made = []
    for index, (structure, formula, values) in enumerate(zip(STRUCTURES, FORMULAS, VALUES, strict=True)):
        bad = index == 7
        row = {"index": index, "source": source, "name": structure.name, "formula": "" if bad else formula}
        row |= {"n_atoms": 0 if bad else len(structure), "bonds": "" if bad else "lookup"}
        row["problem"] = PROBLEM if bad else ""
        columns = [f"{protocol}.{column}" for protocol, kinds in KINDS.items() for column in kinds]
        made.append(row | {name: _cell(value) for name, value in zip(columns, values, strict=True)})
    return made


def write_scored(folder, document=None, table=None):
    """Structures, rows and summary in a folder; returns the file of rows."""
    source = str(folder / "a.sdf")
    io.write(folder / "a.sdf", STRUCTURES)
    return write_rows(folder / "rows.csv", document or summary(source), table or rows(source))


def write_rows(path, document, table):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    path.with_name(path.name + ".json").write_text(json.dumps(document), encoding="utf-8")
    return path


def _columns(protocol):
    return {name: {"kind": kind, "meaning": f"meaning of {name}"} for name, kind in KINDS[protocol].items()}


def _cell(value):
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value
