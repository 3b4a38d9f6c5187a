"""Protocol match: rates over targets, filters, several samples, METRe and cRMSE, against counting by hand."""

import numpy as np
import pytest

from molgen import io
from molgen.convert import to_pymatgen
from molgen.errors import ConfigError
from molgen.scoring import score
from molgen.scoring.known_crystals import known_crystals
from molgen.scoring.protocols.prediction import target_place
from molgen.scoring.targets import TargetCount, TargetMean, TargetShare
from tests.scoring.crystals import caesium_chloride, perovskite, quartz, rewritten, rock_salt


@pytest.fixture
def targets(tmp_path):
    """Two polymorphs of NaCl, a perovskite, quartz, one that charges cannot balance, an alloy."""
    path = tmp_path / "targets.extxyz"
    unbalanced = caesium_chloride(4.0, "Na Mg", "alloy")
    crystals = [
        rock_salt(name="salt"),
        caesium_chloride(3.6, "Na Cl", "pressed"),
        perovskite(name="perov"),
        quartz(),
        rock_salt(5.0, "He O", "helium"),
        unbalanced,
    ]
    io.write(path, crystals)
    return path


def rate(scores, name):
    metric = scores.summary["protocols"]["match"]["metrics"][name]
    return metric["numerator"], metric["denominator"]


def shaken(structure, width, seed, name):
    noise = np.random.default_rng(seed).normal(0, width, structure.positions.shape)
    return structure.replace(positions=structure.positions + noise, name=name)


def test_targets_against_themselves(targets):
    scores = score(list(io.read(targets)), "match", targets=str(targets))
    for name in ("match_rate", "match_rate_any", "metre", "attempted"):
        assert rate(scores, name) == (6, 6)
    for name in ("match_rate_filtered", "match_rate_both_valid", "match_rate_any_filtered"):
        assert rate(scores, name) == (5, 6)  # helium has no oxidation states
    metrics = scores.summary["protocols"]["match"]["metrics"]
    assert metrics["rmse"]["mean"] == pytest.approx(0, abs=1e-6)
    assert metrics["crmse"]["count"] == 6


def test_several_samples_and_samples_of_other_targets(targets):
    samples = [
        rewritten(caesium_chloride(3.5, "Na Cl")).replace(name="salt_0"),  # the other polymorph
        shaken(rock_salt(), 0.15, 1, "salt_1"),
        shaken(rock_salt(), 0.05, 2, "salt_2"),
        quartz().replace(name="perov #1"),  # another composition
        shaken(quartz(), 0.1, 3, "any").replace(properties={"target": "quartz"}),
        rock_salt().replace(name="unheard of"),
    ]
    scores = score(samples, "match", targets=str(targets))
    rows = scores.rows
    assert [row["match.matched"] for row in rows] == [False, True, True, False, True, False]
    assert [row["match.target"] for row in rows] == ["salt", "salt", "salt", "perov", "quartz", None]
    assert rows[0]["match.hits"].startswith("pressed=")
    assert rows[0]["match.reason"] == "no match: with target salt"
    assert rows[3]["match.reason"] == "other composition: than target perov"
    assert rows[5]["match.reason"].startswith("no target: none of targets.extxyz is called 'unheard of'")
    assert rate(scores, "match_rate") == (1, 6)  # quartz; the first sample of salt missed
    assert rate(scores, "match_rate_any") == (2, 6)
    assert rate(scores, "metre") == (3, 6)  # salt, pressed by salt's sample, quartz
    assert rate(scores, "attempted") == (3, 6)
    assert rate(scores, "match_rate_of_attempted") == (1, 3)
    metrics = scores.summary["protocols"]["match"]["metrics"]
    best = min(rows[1]["match.rmse"], rows[2]["match.rmse"]), rows[4]["match.rmse"]
    assert metrics["rmse_any"]["mean"] == pytest.approx(np.mean(best))
    assert metrics["crmse_any"]["mean"] == pytest.approx((sum(best) + 4 * 0.5) / 6)
    assert metrics["crmse"]["mean"] == pytest.approx((rows[4]["match.rmse"] + 5 * 0.5) / 6)


def test_rmse_is_pymatgens(targets):
    from pymatgen.core.structure_matcher import StructureMatcher

    sample = shaken(quartz(), 0.2, 0, "quartz")
    expected = StructureMatcher(ltol=0.3, stol=0.5, angle_tol=10).get_rms_dist(
        to_pymatgen(sample), to_pymatgen(quartz())
    )
    row = score(sample, "match", targets=str(targets)).rows[0]
    assert row["match.rmse"] == pytest.approx(float(expected[0]))


def test_names_of_samples(targets):
    known = known_crystals(str(targets), "test")
    for name in ("salt", "salt_0", "salt #12", "salt-3", "salt:7", " salt.1"):
        assert target_place(rock_salt(name=name), known) == 0, name
    for name in ("", "salts", "salt_a", "12"):
        assert target_place(rock_salt(name=name), known) is None, name


def test_targets_are_needed():
    with pytest.raises(ConfigError, match="needs targets"):
        score(rock_salt(), "match")


def test_counting():
    """First rows, filters and smallest values, by hand."""
    rows = [
        ("a", 0.3, True),
        ("a", 0.1, True),
        ("b", None, True),
        ("b", 0.2, False),
        ("c", 0.4, False),
        (None, 0.1, True),
    ]

    def result(metric, population=5):
        count = TargetCount(metric, population)
        for target, value, passed in rows:
            count.add(target, value, passed)
        return count.result()

    assert result(TargetShare("", "rmse", "")).numerator == 1
    assert result(TargetShare("", "rmse", "")).denominator == 5
    assert result(TargetMean("", "rmse", "")).mean == pytest.approx(0.1)
    assert result(TargetMean("", "rmse", "", first=True)).mean == pytest.approx(0.3)
    assert result(TargetMean("", "rmse", "", missing=0.5)).mean == pytest.approx((0.1 + 4 * 0.5) / 5)
    assert result(TargetShare("", "target", "")).numerator == 2  # "c" failed the filter
