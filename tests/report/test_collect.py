"""What one pass takes from the rows, against sorting all of them."""

from math import inf

import numpy as np
import pytest

from molgen.report.collect import collect
from molgen.report.rows import read_rows
from tests.report.scored import summary, write_scored

CHECKS = ["edm.valid", "edm.molecule_stable", "mmff94s.relaxed"]


def random_rows(n, seed):
    rng = np.random.default_rng(seed)
    options = [True, False, None]
    for index in range(n):
        row = {"index": index, "source": f"{index // 7}.sdf", "name": "", "formula": "", "n_atoms": 1, "bonds": ""}
        row |= {"problem": "unreadable: x" if rng.random() < 0.1 else ""}
        row |= {check: options[rng.choice(3, p=[0.7, 0.2, 0.1])] for check in CHECKS}
        row |= {"edm.smiles": "", "edm.unique": options[rng.choice(3, p=[0.6, 0.2, 0.2])], "edm.reason": ""}
        energy = None if rng.random() < 0.2 else float(rng.normal())
        yield row | {"mmff94s.energy_gain": energy, "mmff94s.reason": ""}


@pytest.mark.parametrize(("n", "gallery"), [(500, 24), (500, 7), (3, 24), (0, 24), (200, 0)])
def test_best_and_worst_are_those_of_a_sort(n, gallery):
    rows = list(random_rows(n, seed=n + gallery))
    found = collect(rows, summary(), gallery)
    assert (found.checks, found.energy) == (CHECKS, "mmff94s.energy_gain")
    usable = [row for row in rows if not row["problem"] and row["edm.unique"] is not False]

    def passed(row):
        return [row[check] for check in CHECKS].count(True)

    def failed(row):
        return [row[check] for check in CHECKS].count(False)

    def energy(row):
        return row["mmff94s.energy_gain"]

    half = (gallery + 1) // 2
    best = sorted(usable, key=lambda r: (-passed(r), failed(r), inf if energy(r) is None else energy(r), r["index"]))
    worst = sorted(
        (row for row in usable if passed(row) < 3 or energy(row) is not None),
        key=lambda r: (passed(r), -failed(r), inf if energy(r) is None else -energy(r), r["index"]),
    )
    best, worst = ([row["index"] for row in some[:half]] for some in (best, worst))
    assert [p.index for p in found.best] == [i for k, i in enumerate(best) if i not in worst or k <= worst.index(i)]
    assert [p.index for p in found.worst] == [i for k, i in enumerate(worst) if i not in best or k < best.index(i)]
    assert all(pick.record == pick.index % 7 for pick in found.best + found.worst)
    if n == 500:
        assert len(found.best) == len(found.worst) == half


def test_the_scoring_made_by_hand(tmp_path):
    found = collect(read_rows(write_scored(tmp_path), summary()), summary(), 6)
    # Benzene relaxes least among those that pass everything; 6 repeats methane, 7 is unreadable.
    assert [pick.index for pick in found.best] == [1, 0, 3]
    assert [(pick.index, pick.passed, pick.failed, pick.open) for pick in found.worst] == [
        (4, 0, 3, 0),
        (5, 0, 2, 1),
        (2, 2, 1, 0),
    ]
    source = str(tmp_path / "a.sdf")
    assert found.examples["edm"]["unstable"] == [
        (2, source, "unstable: atom 0 C has valence 3, allowed 4"),
        (5, source, "unstable: atom 1 C has valence 5, allowed 4"),
    ]
    assert [index for index, *_ in found.examples["mmff94s"]["unreadable"]] == [7]
    assert list(found.histograms) == ["mmff94s.energy_gain"]
    assert found.histograms["mmff94s.energy_gain"].count == 5


def test_facts_and_identity_are_no_checks():
    document = summary()
    columns = document["protocols"]["edm"]["columns"]
    columns |= {name: {"kind": "bool", "meaning": ""} for name in ("novel", "zwitterion", "radical")}
    assert collect([], document, 2).checks == CHECKS


def test_when_all_is_well_there_is_no_worst():
    document = summary()
    del document["protocols"]["mmff94s"]
    row = {"index": 0, "source": "a", "name": "", "formula": "", "n_atoms": 1, "bonds": "", "problem": ""}
    row |= {"edm.valid": True, "edm.molecule_stable": True, "edm.unique": True, "edm.reason": "", "edm.smiles": "C"}
    found = collect([row], document, 4)
    assert (len(found.best), found.worst) == (1, [])
