"""Energies as protocols; the numbers themselves are tested in tests/chemistry/test_relaxation.py."""

import pytest

from molgen.chemistry.potentials import KCAL_PER_MOL, make_potential
from molgen.chemistry.relaxation import relax
from molgen.scoring.protocol import Quantity, Share
from molgen.scoring.protocols import make_protocol
from molgen.scoring.subject import Subject
from tests.chemistry import calculators
from tests.chemistry.test_relaxation import diatomic, pentavalent, without_hydrogens
from tests.io.molecules import ammonium, benzene, rock_salt, water
from tests.scoring.checked import checked as checked_row

SPRING = "tests.chemistry.calculators:spring"


def checked(structure, name="mmff94s"):
    return checked_row(name, structure)


@pytest.mark.parametrize("name", ["mmff94s", "gfn2-xtb", SPRING])
def test_declaration(name):
    if name == "gfn2-xtb":
        pytest.importorskip("tblite")
    protocol = make_protocol(name)
    columns = {column.name: column.kind for column in protocol.columns}
    assert protocol.name == name
    assert protocol.version.startswith(f"{name}-1 (")
    assert len(columns) == len(protocol.columns)
    assert len({metric.name for metric in protocol.metrics}) == len(protocol.metrics)
    for metric in protocol.metrics:
        if isinstance(metric, Quantity):
            assert columns[metric.column] == "float"
        if isinstance(metric, Share):
            assert {columns[c] for c in metric.columns + metric.among} == {"bool"}


@pytest.mark.parametrize("structure", [water(), benzene(), ammonium()])
def test_row_is_the_relaxation(structure):
    row, done = checked(structure), relax(structure, make_potential("mmff94s"))
    assert (row["sanitised"], row["relaxed"], row["reason"]) == (True, True, "")
    assert row["energy_gain"] == pytest.approx(done.energy_gain)
    assert row["energy_gain_per_atom"] == pytest.approx(done.energy_gain / len(structure))
    assert row["energy"] == pytest.approx(done.minimum.energy_before / KCAL_PER_MOL)
    assert row["energy_per_atom"] == pytest.approx(row["energy"] / len(structure))
    assert row["rmsd"] == pytest.approx(done.rmsd)
    assert row["bond_change"] == pytest.approx(done.changes.bonds)
    assert row["angle_change"] == pytest.approx(done.changes.angles)
    assert row["torsion_change"] == done.changes.torsions
    assert row["steps"] == done.minimum.steps


def test_ase_calculator_by_name():
    row = checked(diatomic(1.7), SPRING)
    assert row["relaxed"] is True
    assert row["energy_gain"] == pytest.approx(0.5 * calculators.STIFFNESS * 0.4**2 / KCAL_PER_MOL, rel=1e-3)
    assert row["torsion_change"] is None


@pytest.mark.parametrize(
    ("structure", "sanitised", "relaxed", "kind"),
    [
        (pentavalent(), False, None, "sanitisation"),
        (without_hydrogens(), True, False, "hydrogens missing"),
        (rock_salt(), True, False, "has a lattice"),
        (water().replace(positions=0 * water().positions), True, False, "energy is not finite"),
    ],
)
def test_failures_have_reasons_and_no_values(structure, sanitised, relaxed, kind):
    row = checked(structure)
    assert (row.pop("sanitised"), row.pop("relaxed")) == (sanitised, relaxed)
    assert row.pop("reason").partition(":")[0] == kind
    assert set(row.values()) == {None}


def test_not_converged_is_in_no_mean(monkeypatch):
    from molgen.chemistry.potentials import Settings
    from molgen.scoring.protocols import energies

    monkeypatch.setattr(energies, "SETTINGS", Settings(max_steps=1))
    row = checked(ammonium())
    assert (row["relaxed"], row["energy_gain"], row["rmsd"]) == (False, None, None)
    assert row["reason"].startswith("not converged: ")


def test_can_be_sent_to_another_process():
    import pickle

    for name in ("mmff94s", SPRING):
        protocol = pickle.loads(pickle.dumps(make_protocol(name)))
        assert protocol.check(Subject(diatomic(1.7) if name == SPRING else water()))["relaxed"] is True
