"""Protocol sun: stability, uniqueness and novelty together, on energies that are known by hand."""

import numpy as np
import pytest

from molgen import io
from molgen.errors import ConfigError
from molgen.scoring import score
from molgen.scoring.hull_file import read_hull, write_hull
from molgen.scoring.protocol import Given
from molgen.scoring.protocols import make_protocol
from molgen.scoring.subject import Subject
from tests.chemistry.calculators import SOFTNESS, VOLUME
from tests.scoring.crystals import caesium_chloride, cubic, lone_iron, rewritten, rock_salt

BALLOON = "tests.chemistry.calculators:balloon"
ENERGIES = f"{BALLOON} of tests"
KINDS = {"bool": bool, "int": int, "float": float, "str": str}


@pytest.fixture(autouse=True)
def _fresh():
    read_hull.cache_clear()


@pytest.fixture
def hull(tmp_path):
    """NaCl at -3 eV/atom, sodium and chlorine at -1; caesium is not in it. No potential is named."""
    path = tmp_path / "own.csv"
    path.write_text("id,formula,energy_per_atom\nsalt,NaCl,-3\nsodium,Na,-1\nchlorine,Cl,-1\n")
    return str(path)


def relaxed(crystal, energy, energies=ENERGIES, **properties):
    """As ``molgen relax`` leaves it."""
    given = {"relax_converged": "true", "relax_energy_eV_per_atom": energy, "relax_energies": energies}
    return crystal.replace(properties=given | properties)


def stated(crystal, energy):
    return crystal.replace(properties={"energy_per_atom": energy})


def own_hull(path, relaxed=False):
    about = {"calculator": BALLOON, "energies": ENERGIES, "relaxed": relaxed}
    write_hull(path, about, [("salt", "NaCl", 0.1, ""), ("Na", "Na", 0.0, ""), ("Cl", "Cl", 0.0, "")])
    return str(path)


def rates(scores):
    metrics = scores.summary["protocols"]["sun"]["metrics"]
    return {name: (m["numerator"], m["denominator"]) for name, m in metrics.items() if m and m["kind"] == "rate"}


def test_all_of_it_counted_by_hand(tmp_path, hull):
    known = tmp_path / "known.extxyz"
    io.write(known, [rock_salt()])
    other = cubic(4.2, "Na Cl", [[0, 0, 0], [0.5, 0.5, 0.5]])  # in the structure of CsCl
    samples = [
        stated(other, -3.0),  # stable, unique, novel: on the hull exactly
        stated(rewritten(other), -3.5),  # stable, a copy
        stated(rock_salt(), -3.0),  # stable, unique, known
        stated(cubic(4.0, "Na", [[0, 0, 0]]), -0.95),  # 0.05 above: metastable, unique, novel
        stated(cubic(9.0, "Na Na Cl", [[0, 0, 0], [0.3, 0, 0], [0.6, 0.6, 0]]), -2.0),  # 1/3 above
        stated(caesium_chloride(), -9.0),  # no caesium in the hull: unknown, however low
        rock_salt(),  # states no energy
        lone_iron().replace(lattice=np.zeros((3, 3))),  # no cell
    ]
    scores = score(samples, "sun", str(known), hull=hull)
    assert rates(scores) == {
        "sun": (1, 8),
        "metastable_sun": (2, 8),
        "stable": (3, 8),
        "metastable": (4, 8),
        "stable_unique": (2, 8),
        "metastable_unique": (3, 8),
        "unique": (5, 8),
        "unique_novel": (4, 8),
        "known_energy": (5, 8),
        "converged": (0, 8),
        "same_space_group": (0, 0),
    }
    rows = scores.rows
    above = [row["sun.e_above_hull"] for row in rows]
    assert above[:5] == pytest.approx([0, -0.5, 0, 0.05, -2 + 7 / 3])
    assert above[5:] == [None] * 3
    assert rows[4]["sun.phases"] == "salt 0.667, sodium 0.333"
    assert rows[1]["sun.copy_of"] == 0
    assert [row["sun.energy_of"] for row in rows[:5]] == ["stated"] * 5
    reasons = [str(row["sun.reason"]).partition(":")[0] for row in rows[5:]]
    assert reasons == ["no reference", "no energy", "zero volume"]
    assert all(row["sun.stable"] is None for row in rows[5:])
    assert "on trust" in scores.text


def test_columns_are_those_declared(hull):
    protocol = make_protocol("sun", Given(hull=hull))
    for crystal in (stated(rock_salt(), -3.0), rock_salt(), lone_iron().replace(lattice=np.zeros((3, 3)))):
        row = protocol.check(Subject(crystal))
        assert set(row) == {column.name for column in protocol.columns}
        for column in protocol.columns:
            assert row[column.name] is None or type(row[column.name]) is KINDS[column.kind], column


def test_relaxed_energies_and_changes_are_taken_from_the_file(tmp_path):
    changes = {"relax_rmsd_angstrom": 0.25, "relax_volume_change_percent": -3.5}
    before, after = "relax_space_group_before", "relax_space_group_after"
    samples = [
        relaxed(rock_salt(), 0.1, **changes, **{before: 1, after: 225}),
        relaxed(caesium_chloride(symbols="Na Cl"), 0.3, **changes, **{before: 221, after: 221}),
        relaxed(rock_salt(), -5.0, energies="chgnet 0.4.2 weights 0.3.0"),  # of another potential: does not compare
        rock_salt().replace(properties={"relax_converged": "false", "relax_reason": "exploded: step 3"}),
    ]
    scores = score(samples, "sun", hull=own_hull(tmp_path / "hull.csv.gz"))
    rows, counted = scores.rows, rates(scores)
    assert [row["sun.e_above_hull"] for row in rows] == [pytest.approx(0.1), pytest.approx(0.3), None, None]
    assert [row["sun.energy_of"] for row in rows] == ["relaxed", "relaxed", None, None]
    assert [row["sun.converged"] for row in rows] == [True, True, True, False]
    assert [row["sun.same_space_group"] for row in rows] == [False, True, None, None]
    assert (rows[0]["sun.rmsd"], rows[0]["sun.volume_change"]) == (0.25, -3.5)
    assert rows[2]["sun.reason"].startswith("other energies: relaxed with chgnet")
    assert rows[3]["sun.reason"] == "exploded: step 3"
    assert counted["same_space_group"] == (1, 2)
    assert counted["converged"] == (3, 4)
    assert counted["metastable"] == (1, 4)
    assert "sun" not in counted  # without known crystals nothing is novel or not
    assert "advantage" in scores.text
    assert "advantage" not in score(samples, "sun", hull=own_hull(tmp_path / "r.csv", relaxed=True)).text


def test_what_is_not_relaxed_is_evaluated_as_it_is(tmp_path):
    scores = score([rock_salt(), lone_iron(0.4)], "sun", hull=own_hull(tmp_path / "hull.csv"))
    energy = 0.5 * SOFTNESS * (np.linalg.det(rock_salt().lattice) - VOLUME) ** 2 / 2
    assert scores.rows[0]["sun.energy_per_atom"] == pytest.approx(energy)
    assert scores.rows[0]["sun.energy_of"] == "static"
    assert scores.rows[0]["sun.e_above_hull"] == pytest.approx(energy)  # sodium and chlorine are at 0, salt at 0.1
    assert scores.rows[0]["sun.phases"] == "Na 0.500, Cl 0.500" or scores.rows[0]["sun.phases"] == "Cl 0.500, Na 0.500"
    assert scores.rows[1]["sun.reason"].startswith("overlapping atoms")


def test_the_hull_is_part_of_the_version(tmp_path, hull):
    one = make_protocol("sun", Given(hull=hull)).version
    other = make_protocol("sun", Given(hull=own_hull(tmp_path / "hull.csv"))).version
    assert one != other
    assert f"static {ENERGIES}" in other


def test_options_that_do_not_fit(tmp_path, hull):
    with pytest.raises(ConfigError, match="needs reference energies"):
        score([rock_salt()], "sun")


@pytest.mark.parametrize(
    ("calculator", "kind"),
    [(BALLOON, "other energies: installed is tests."), ("no_such_package:factory", "not relaxed: its energy as it is")],
)
def test_scoring_what_is_relaxed_needs_no_potential(tmp_path, calculator, kind):
    about = {"calculator": calculator, "energies": "elsewhere 0.1", "relaxed": True}
    write_hull(tmp_path / "hull.csv", about, [("salt", "NaCl", 0.1, "")])
    samples = [relaxed(rock_salt(), 0.2, energies="elsewhere 0.1"), rock_salt()]
    rows = score(samples, "sun", hull=str(tmp_path / "hull.csv")).rows
    assert rows[0]["sun.e_above_hull"] == pytest.approx(0.1)
    assert rows[1]["sun.e_above_hull"] is None
    assert rows[1]["sun.reason"].startswith(kind)


def test_beside_protocol_novelty(tmp_path, hull):
    """Both tell crystals apart, and neither takes the other's first crystals for copies."""
    samples = [stated(rock_salt(), -3.0), stated(caesium_chloride(), -1.0), stated(rewritten(rock_salt()), -3.0)]
    rows = score(samples, ["novelty", "sun"], hull=hull).rows
    assert [row["sun.unique"] for row in rows] == [row["novelty.unique"] for row in rows] == [True, True, False]
    assert [row["sun.copy_of"] for row in rows] == [row["novelty.copy_of"] for row in rows] == [None, None, 0]
