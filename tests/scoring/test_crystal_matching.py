"""Telling crystals apart: golden pairs, the prefilter against brute force, uniqueness, novelty and resuming."""

import numpy as np
import pytest
from pymatgen.core.structure_matcher import StructureMatcher

from molgen import io
from molgen.chemistry.composition import reduced_composition
from molgen.chemistry.crystal_matching import PREDICTION, SAME, CrystalMatcher
from molgen.convert import to_pymatgen
from molgen.errors import ConfigError, InputError
from molgen.scoring import score
from molgen.scoring.known_crystals import known_crystals
from molgen.scoring.records import Record
from molgen.scoring.session import Session
from tests.scoring.crystals import caesium_chloride, doubled, mirrored, perovskite, quartz, rewritten, rock_salt
from tests.scoring.molecules import METHANE


def zoo():
    """Crystals of few compositions, some of them the same in another guise."""
    salts = [rock_salt(), caesium_chloride(3.6, "Na Cl", "NaCl CsCl"), rock_salt(5.9), doubled(rock_salt())]
    ionic = [perovskite(), rewritten(perovskite()), perovskite(4.4), quartz(), mirrored(quartz())]
    rng = np.random.default_rng(3)
    loose = [
        perovskite().replace(positions=rng.uniform(size=(5, 3)) @ perovskite().lattice, name=f"random {k}")
        for k in range(3)
    ]
    return [*salts, *ionic, *loose]


def test_same_crystal_in_any_guise():
    matcher = CrystalMatcher(SAME)
    for crystal in (rock_salt(), perovskite(), quartz()):
        for other in (rewritten(crystal), mirrored(crystal), doubled(crystal)):
            assert matcher.same(crystal, other)
            assert matcher.rmse(crystal, other) < 1e-6
    assert not matcher.same(rock_salt(), caesium_chloride(symbols="Na Cl"))
    assert not matcher.same(rock_salt(), rock_salt(symbols="K Cl"))


def test_rmse_is_pymatgens():
    matcher, own = CrystalMatcher(PREDICTION), StructureMatcher(ltol=0.3, stol=0.5, angle_tol=10)
    rng = np.random.default_rng(0)
    crystal = quartz()
    for width in (0.05, 0.2, 0.8):
        shaken = crystal.replace(positions=crystal.positions + rng.normal(0, width, crystal.positions.shape))
        expected = own.get_rms_dist(to_pymatgen(shaken), to_pymatgen(crystal))
        found = matcher.rmse(shaken, crystal)
        assert (found is None) == (expected is None)
        assert found is None or found == pytest.approx(float(expected[0]))


def test_uniqueness_and_novelty_agree_with_all_pairs(tmp_path):
    crystals, known = zoo(), [rewritten(rock_salt(), 5), perovskite(4.0)]
    io.write(tmp_path / "known.extxyz", known)
    scores = score(crystals, "novelty", tmp_path / "known.extxyz")
    matcher = StructureMatcher()
    every = [to_pymatgen(crystal) for crystal in crystals]
    first = [next(j for j in range(i + 1) if matcher.fit(every[i], every[j])) for i in range(len(every))]
    for i, row in enumerate(scores.rows):
        assert row["novelty.unique"] is (first[i] == i)
        assert row["novelty.copy_of"] == (None if first[i] == i else first[i])
        is_known = any(matcher.fit(every[i], to_pymatgen(other)) for other in known)
        assert row["novelty.novel"] is not is_known
    metrics = scores.summary["protocols"]["novelty"]["metrics"]
    unique = [i for i in range(len(first)) if first[i] == i]
    assert (metrics["uniqueness"]["numerator"], metrics["uniqueness"]["denominator"]) == (len(unique), len(crystals))
    assert scores.rows[0]["novelty.known_as"] == "NaCl"
    assert 2 < len(unique) < len(crystals)


def test_without_reference_novelty_is_not_defined():
    scores = score([rock_salt(), rock_salt(5.7)], "novelty")
    assert [row["novelty.novel"] for row in scores.rows] == [None, None]
    assert scores.summary["protocols"]["novelty"]["metrics"]["novelty"] is None
    assert "no reference given: novelty is not defined" in scores.summary["notes"]


def test_a_run_that_goes_on_knows_the_crystals_before():
    records = [Record(crystal) for crystal in zoo()]
    whole = list(Session(["novelty"]).rows(iter(records)))
    for cut in (1, 5, 9):
        later = Session(["novelty"])
        later.restore(whole[:cut], {})
        assert list(later.rows(iter(records))) == whole[cut:]


def test_known_crystals(tmp_path):
    io.write(tmp_path / "some.extxyz", [rock_salt(), doubled(rock_salt()), METHANE, perovskite().replace(name="a b")])
    known = known_crystals(str(tmp_path / "some.extxyz"), "train")
    assert (len(known), known.unusable) == (3, 1)
    assert known.labels == ["NaCl#0", "NaCl#1", "a_b"]
    assert known.with_composition(reduced_composition([17, 11])) == [0, 1]
    assert known.with_composition(reduced_composition([17, 17, 11])) == []
    assert (known.place_of("a b"), known.place_of("NaCl"), known.place_of("")) == (2, 0, None)
    io.write(tmp_path / "none.extxyz", [METHANE])
    with pytest.raises(InputError, match="holds no crystal"):
        known_crystals(str(tmp_path / "none.extxyz"), "train")
    with pytest.raises(InputError, match="holds molecules"):
        known_crystals("embedded", "train")


def test_protocols_of_the_other_kind_are_refused():
    with pytest.raises(ConfigError, match="protocol edm scores molecules, but"):
        score(rock_salt(), ["edm", "strict"])
    with pytest.raises(ConfigError, match="protocol strict scores crystals, but"):
        score(METHANE, ["edm", "strict"])
    assert list(score(rock_salt()).summary["protocols"]) == ["cdvae-2021", "strict", "symmetry"]
    assert list(score(METHANE).summary["protocols"]) == ["edm"]
