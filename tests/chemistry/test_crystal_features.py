"""Fingerprints of crystals: numbers that matminer gives, invariances, and matminer itself where it is installed."""

import numpy as np
import pytest

from molgen.chemistry.magpie import FEATURES, magpie_features, scaled_features
from molgen.chemistry.site_fingerprint import FEATURES as SITE_FEATURES
from molgen.chemistry.site_fingerprint import site_fingerprint
from molgen.convert import to_pymatgen
from molgen.elements import NUMBERS
from tests.scoring.crystals import doubled, perovskite, quartz, rewritten, rock_salt

MATMINER = {
    "NaCl": {22: 1.0, 23: 0.200068, 24: 1.0, 25: 0.5},
    "SrTiO3": {2: 0.310501, 5: 1.8e-05, 6: 0.036067, 7: 0.310501, 22: 0.489499, 23: 0.097933, 24: 0.489499, 25: 0.24475}
    | {44: 0.2, 45: 0.2, 47: 0.038188, 48: 0.114905},
}
"""Elements that are not zero of the mean of CrystalNNFingerprint "ops" over sites; matminer 0.10.1."""
MAGPIE = {0: 8.0, 1: 38.0, 2: 30.0, 3: 16.8, 4: 10.56, 5: 8.0, 9: 62.4, 42: 0.95, 43: 3.44, 45: 2.562, 120: 0, 131: 12}
"""Of SrTiO3 by ElementProperty "magpie" of matminer 0.10.1."""


@pytest.mark.parametrize("make", [rock_salt, perovskite])
def test_site_fingerprint_is_matminers(make):
    found = site_fingerprint(make())
    assert found.shape == (SITE_FEATURES,) == (61,)
    expected = np.zeros(61)
    for place, value in MATMINER[make().name].items():
        expected[place] = value
    assert np.abs(found - expected).max() < 2e-6


def test_site_fingerprint_knows_no_choice_of_cell():
    assert np.allclose(site_fingerprint(rock_salt()), site_fingerprint(doubled(rock_salt())), atol=1e-6)
    assert np.allclose(site_fingerprint(rock_salt()), site_fingerprint(rewritten(rock_salt())), atol=1e-6)


def test_composition_features_are_matminers():
    found = magpie_features(perovskite().numbers.tolist())
    assert found.shape == (FEATURES,)
    assert {place: pytest.approx(value, abs=1e-6) for place, value in MAGPIE.items()} == {k: found[k] for k in MAGPIE}
    assert np.allclose(found, magpie_features(doubled(perovskite()).numbers.tolist()[::-1]))


def test_statistics_by_hand():
    """A3B: atomic numbers 26 and 8."""
    found = magpie_features([26, 26, 26, 8])[:6]
    assert found == pytest.approx([8, 26, 18, 21.5, 0.75 * 4.5 + 0.25 * 13.5, 26])
    tie = magpie_features([26, 8])[:6]
    assert tie == pytest.approx([8, 26, 18, 17, 9, 8])  # the smallest of two modes


def test_scaling_and_unknown_values():
    scaled = scaled_features(perovskite().numbers.tolist())
    assert scaled[0] == pytest.approx((8 - 21.194441759304013) / 16.35781741152948)
    unknown = scaled_features([NUMBERS["Og"], NUMBERS["O"]])
    assert np.isfinite(unknown).all()
    assert (unknown == 0).all()


def test_agrees_with_matminer():
    fingerprint = pytest.importorskip("matminer.featurizers.site.fingerprint").CrystalNNFingerprint.from_preset("ops")
    crystal = to_pymatgen(quartz())
    expected = np.mean([fingerprint.featurize(crystal, i) for i in range(len(crystal))], axis=0)
    assert np.abs(site_fingerprint(quartz()) - expected).max() < 1e-9
