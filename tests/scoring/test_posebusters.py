"""Parity with PoseBusters called as its own front end does it."""

import logging

import numpy as np
import pandas as pd
import pytest
from posebusters import PoseBusters
from posebusters.modules.energy_ratio import get_energies
from rdkit import Chem
from rdkit.Chem import AllChem

from molgen.convert import from_rdkit, to_rdkit
from molgen.datasets.find import open_structures
from molgen.scoring.protocols import make_protocol
from molgen.scoring.protocols import posebusters as module
from molgen.scoring.protocols.posebusters import CHECKS
from molgen.scoring.subject import Subject
from molgen.structure import Structure
from tests.chemistry.test_relaxation import pentavalent, without_hydrogens
from tests.io.molecules import ammonium, benzene, methyl, water

ACTS_ON_COMPLETE = ("CCO", "c1ccccc1", "C1CCCCC1", "CC=CC", "C[N+](=O)[O-]", "CC(=O)[O-]", "c1cc[nH]c1", "C1CC2OC12")


def embedded(smiles, seed=7):
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=seed) == 0
    Chem.Kekulize(mol, clearAromaticFlags=True)
    return from_rdkit(mol)


def jittered(structure, width, seed=0):
    noise = np.random.default_rng(seed).normal(size=structure.positions.shape)
    return structure.replace(positions=structure.positions + width * noise)


def zoo():
    """Good and bad molecules; every check fails, and every check passes, for some of them."""
    good = [embedded(smiles) for smiles in ACTS_ON_COMPLETE]
    real = [s for _, s in zip(range(4), open_structures("embedded:test"), strict=False)]
    rough = [jittered(s, width) for s in good[:5] for width in (0.2, 0.6)]
    flat = [s.replace(positions=s.positions * [1, 1, 0.02]) for s in (embedded("C1CCCCC1"), embedded("CC=C(C)C"))]
    two = Chem.CombineMols(to_rdkit(water()), to_rdkit(methyl()))
    pieces = from_rdkit(two)
    pieces = pieces.replace(positions=np.concatenate([water().positions, methyl().positions + 3.0]))
    helium = Structure(numbers=[2], positions=[[0, 0, 0]], bonds=[])
    odd = [pieces, helium, pentavalent(), without_hydrogens(), methyl(), ammonium(), benzene()]
    return good + real + rough + flat + odd


@pytest.fixture(scope="module")
def front_and_rows():
    subjects = [Subject(structure) for structure in zoo()]
    protocol = make_protocol("posebusters")
    rows = [protocol.check(subject) for subject in subjects]
    logging.disable(logging.CRITICAL)
    try:
        mols = [to_rdkit(s.perceived.structure.replace(properties={})) for s in subjects]
        table = PoseBusters(config="mol").bust(mols)
    finally:
        logging.disable(logging.NOTSET)
    table.columns = [name.replace("-", "_") for name in table.columns]
    return table, rows


def test_every_check_as_the_front_end_has_it(front_and_rows):
    table, rows = front_and_rows
    assert list(table.columns) == list(CHECKS)
    assert len(table) == len(rows) > 30
    for (_, expected), row in zip(table.iterrows(), rows, strict=True):
        assert {n: row[n] for n in CHECKS} == {n: None if pd.isna(expected[n]) else bool(expected[n]) for n in CHECKS}
    for name in set(CHECKS) - {"mol_pred_loaded"}:
        assert {row[name] for row in rows} >= {True, False}, f"the zoo does not try {name}"
    assert None in {row["internal_energy"] for row in rows if row["sanitization"]}


def test_valid_is_all_of_the_front_end(front_and_rows):
    table, rows = front_and_rows
    assert [row["valid"] for row in rows] == table.all(axis=1).tolist()
    without = table.drop(columns="internal_energy").all(axis=1)
    assert [row["valid_without_energy_ratio"] for row in rows] == without.tolist()
    assert [row["complete"] for row in rows] == table.notna().all(axis=1).tolist()


def test_reasons_name_every_check_that_is_not_true(front_and_rows):
    for row in front_and_rows[1]:
        kind, _, detail = row["reason"].partition(": ")
        named = [name for name in CHECKS if row[name] is not True]
        assert bool(row["reason"]) == bool(named)
        assert all(name in detail for name in named)
        assert kind in ([name for name in CHECKS if row[name] is False] or named or [""])[0]


def test_the_same_twice():
    structure = jittered(embedded("CCO"), 0.2)
    protocol = make_protocol("posebusters")
    first = protocol.check(Subject(structure))
    energies = {key: list(get_energies(*key)) for key in [("InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3", 50, 1)]}
    get_energies.cache_clear()
    assert protocol.check(Subject(structure)) == first
    assert {key: list(get_energies(*key)) for key in energies} == energies


def test_memory_has_a_limit(monkeypatch):
    monkeypatch.setattr(module, "KEPT_ENSEMBLES", 2)
    for smiles in ("C", "O", "N", "CC", "CO"):
        make_protocol("posebusters").check(Subject(embedded(smiles)))
        assert get_energies.cache_info().currsize <= 2


def test_an_exception_inside_is_a_reason(monkeypatch):
    def broken(mol_pred):
        raise RuntimeError("no\nsuch luck")

    first = [
        ("mol_pred_loaded", broken),
        *((name, lambda mol_pred: {"results": {"x": True}}) for name in [*CHECKS][1:]),
    ]
    fake = [(function, {"x": name}) for name, function in first]
    monkeypatch.setattr(module, "_modules", lambda: fake)
    row = make_protocol("posebusters").check(Subject(water()))
    assert row["mol_pred_loaded"] is None
    assert row["sanitization"] is True
    assert row["reason"] == "mol_pred_loaded: could not compute mol_pred_loaded (RuntimeError: no such luck)"


def test_without_bonds_nothing_is_checked():
    row = make_protocol("posebusters").check(Subject(water().replace(bonds=None), bonds="file"))
    assert row.pop("reason").startswith("no bonds: ")
    assert set(row.values()) == {None}


def test_says_nothing(capfd):
    make_protocol("posebusters").check(Subject(pentavalent()))
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
