"""Sums: the same in any order, through a file, and after an interruption."""

import io
import pickle

import numpy as np
import pytest

from molgen.datasets.find import open_structures
from molgen.scoring.distributions import histograms
from molgen.scoring.distributions.features import Features, features
from molgen.scoring.distributions.histograms import Sums
from molgen.scoring.distributions.metrics import METRICS
from molgen.scoring.distributions.table import FeatureTable
from molgen.scoring.subject import Subject
from tests.scoring.molecules import AMMONIUM, METHANE


@pytest.fixture(scope="module")
def some_features():
    found = [features(Subject(s)) for k, s in enumerate(open_structures("embedded:test")) if k < 40]
    return [*found, features(Subject(METHANE), "file"), features(Subject(AMMONIUM), "lookup")]


def summed(items):
    sums = Sums()
    for item in items:
        sums.add(item)
    return sums


def assert_equal(a, b):
    left, right = a.to_arrays(), b.to_arrays()
    assert sorted(left) == sorted(right)
    for key, array in left.items():
        if not key.startswith("bonds."):
            np.testing.assert_array_equal(array, right[key], err_msg=key)
    assert a.bonds == b.bonds


def test_counters_say_what_contributed(some_features):
    sums = summed(some_features)
    sums.add_lost()
    assert sums.n == 41
    assert sums.counters == {"structures": 41, "without_bonds": 1, "without_descriptors": 1, "lost": 1}
    assert sums.bonds == {"file": 40, "lookup": 1}
    assert sums.histograms("weight")[0].total == 40
    assert sums.histograms("n_atoms")[0].total == 41


def test_merging_is_associative_and_order_plays_no_part(some_features):
    a, b, c = (summed(some_features[part::3]) for part in range(3))
    whole = summed(some_features)
    for merged in (
        a.merge(b).merge(c),
        a.merge(b.merge(c)),
        c.merge(a).merge(b),
        whole.merge(Sums()),
        Sums().merge(whole),
    ):
        assert_equal(merged, whole)
    assert_equal(a, summed(some_features[0::3]))


def test_cells_are_counted_whenever_many_wait(some_features, monkeypatch):
    whole = summed(some_features)
    monkeypatch.setattr(histograms, "WAITING_CELLS", 100)
    often = summed(some_features)
    assert_equal(often, whole)


def test_round_trip_through_a_file_without_pickle(some_features):
    sums = summed(some_features)
    file = io.BytesIO()
    np.savez(file, **sums.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        assert_equal(Sums.from_arrays(arrays), sums)
    assert_equal(Sums.from_arrays(Sums().to_arrays()), Sums())
    assert_equal(pickle.loads(pickle.dumps(sums)), sums)
    with pytest.raises(ValueError, match="angle has"):
        Sums.from_arrays(sums.to_arrays() | {"angle.counts": np.zeros(3, np.int64)})


def test_an_interrupted_sum_goes_on(some_features):
    interrupted = Sums.from_arrays(summed(some_features[:17]).to_arrays())
    for item in some_features[17:]:
        interrupted.add(item)
    assert_equal(interrupted, summed(some_features))


def test_memory_does_not_grow_with_the_number_of_structures(some_features):
    sums = summed(some_features)
    sizes = {key: array.size for key, array in sums.to_arrays().items()}
    for _ in range(50):
        for item in some_features:
            sums.add(item)
    assert {key: array.size for key, array in sums.to_arrays().items()} == sizes
    assert sums.n == 41 * 51


def test_strays_are_counted():
    sums = Sums()
    sums.add_cells("bond_length", METRICS["bond_length"].cells(np.array([1.0, 4.5, 9.0, 4.0])))
    assert sums.clipped("bond_length") == 2
    assert sums.clipped("angle") == 0


def test_a_table_sums_any_choice_of_its_structures(some_features):
    rows = np.array([3, 5, 39, 40, 41])
    table = FeatureTable.of([*some_features, None], "file")
    expected = summed([some_features[k] for k in (3, 5, 39)])
    expected.add(Features("file", without_bonds=True))
    expected.add(Features("file", some_features[41].cells, without_descriptors=True))
    assert_equal(table.sums(rows), expected)
    assert_equal(FeatureTable.from_arrays(table.to_arrays(), "file").sums(rows), expected)
    assert not table.usable[42]
