"""A structure that hangs or kills its process costs only its own protocol's values."""

import os
import time
from dataclasses import dataclass

from molgen.scoring import score, work
from molgen.scoring.work import Checker, Work
from tests.scoring.molecules import ACETYLENE, AMMONIA, CARBON_DIOXIDE, METHANE


class Moody:
    """In place of a protocol: its mood depends on the structure."""

    def check(self, subject):
        if subject.structure.name == "ammonia":
            time.sleep(60)
        if subject.structure.name == "acetylene":
            os._exit(1)
        if subject.structure.name == "carbon dioxide":
            raise KeyError("no such thing")
        return {"valid": True, "smiles": "C", "stable_atoms": len(subject.structure), "reason": ""}


class Steady:
    """In place of a protocol that asks for the bonds."""

    def check(self, subject):
        return {"valid": subject.perceived.structure.bonds is not None, "smiles": "C", "reason": ""}


@dataclass(frozen=True)
class Factory:
    work: Work

    def __call__(self):
        return Checker(self.work, {"explicit": Moody(), "xyz2mol": Steady()})


def test_the_rest_is_scored(monkeypatch):
    monkeypatch.setattr(work, "_Factory", Factory)
    scores = score([METHANE, AMMONIA, ACETYLENE, CARBON_DIOXIDE, METHANE], ["explicit", "xyz2mol"], timeout=1.0)
    assert [row["explicit.reason"] for row in scores.rows] == [
        "",
        "timeout: no result within 1 s of processor time",
        "crash: the process ended with exit code 1",
        "error: KeyError: 'no such thing'",
        "",
    ]
    assert [row["xyz2mol.valid"] for row in scores.rows] == [True] * 5
    assert [row["bonds"] for row in scores.rows] == ["lookup"] * 5
    explicit = scores.summary["protocols"]["explicit"]
    assert explicit["failures"] == {"timeout": 1, "crash": 1, "error": 1}
    assert (explicit["metrics"]["validity"]["numerator"], explicit["metrics"]["validity"]["denominator"]) == (2, 5)
    assert explicit["metrics"]["atom_stability"]["denominator"] == sum(row["n_atoms"] for row in scores.rows)
